//! What the attribute asks the compiler about a type that is written in a signature: by which codec it travels, or why it
//! does not, in words that name the cure.
//!
//! It asks `(&&&Probe::<T>::new()).kind()`, and the compiler takes the first of these three with bounds that hold: [`BySerde`]
//! for what has serde's traits, [`ByType`] for types that are known not to travel, [`ByDefault`] for all others. (The more
//! references a trait is implemented behind, the earlier its turn: David Tolnay, "Autoref-based stable specialization".) So
//! it is the type that counts and not its name, and `Arc` travels where a feature of serde lets it.
//!
//! The kinds are written out: a macro that made them would be shown in each of their messages.
//!
//! A kind that does not travel asks for a trait that nothing implements: its bound fails where the author wrote the type, and
//! the codec that comes of it fits anything, so that one mistake is one error.
//!
//! Longer than 400 lines: the tables of types that cannot travel, and what is said of each.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    AtomicUsize,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::borrowed::Borrowed;
use crate::wire::parameter::{Elements, Foreign, Serde};

/// Asks about `T`.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Probe<T> {
    /// Asks about `T`.
    #[expect(clippy::new_without_default, reason = "nobody makes one but the attribute")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Types that have serde's traits.
pub trait BySerde {
    /// What kind of type it is.
    fn kind(&self) -> Other {
        Other
    }
}

impl<T: Serialize + Borrowed<Owned: DeserializeOwned> + ?Sized> BySerde for &&Probe<T> {}

/// Types that are known not to travel.
pub trait ByType {
    /// What kind of type it is.
    type Kind;
    /// What kind of type it is.
    fn kind(&self) -> Self::Kind;
}

/// Types that people change where they stand, which a copy does not allow.
pub trait ByChange {
    /// What kind of type it is behind a borrow, a box or an `Arc`.
    fn behind(&self) -> Changeable {
        Changeable
    }
}

/// All other types.
pub trait ByDefault {
    /// What kind of type it is.
    fn kind(&self) -> Unknown {
        Unknown
    }

    /// What kind of type it is behind a borrow, a box or an `Arc`.
    fn behind(&self) -> Other {
        Other
    }
}

impl<T: ?Sized> ByDefault for Probe<T> {}

/// Where arguments go, and where results come from.
#[derive(Debug)]
pub enum AnotherProcess {}

/// Implemented by nothing.
pub trait Nothing {}

/// The answer that a type may stand where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Travels;

/// The answer that it may not; an error has said so.
#[derive(Clone, Copy, Debug)]
pub struct Refused;

/// A type that has serde's traits.
#[derive(Clone, Copy, Debug)]
pub struct Other;

impl Other {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Serde {
        Serde
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Travels {
        Travels
    }

    /// What there is to say of changes to a type behind it.
    pub fn holding<A>(self, answer: A) -> A {
        answer
    }

    /// What there is to say of a type inside of it that may not travel: nothing, as it travels itself.
    pub fn lacking<K>(self, _: K) -> Self {
        self
    }
}

/// An array of any length, which is written out.
#[derive(Clone, Copy, Debug)]
pub struct Row;

impl Row {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Elements {
        Elements
    }
}

/// A type with a part that was refused: there is nothing more to say.
#[derive(Clone, Copy, Debug)]
pub struct Said;

impl Said {
    /// It does not travel.
    pub fn codec<T: ?Sized>(self) -> Foreign {
        Foreign
    }

    /// It may not stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused {
        Refused
    }
}

/// Answers about the parts of a type, as nested pairs: what they make of the answer about the whole.
pub trait Parts<K> {
    /// The kind of the whole.
    type Kind;
    /// Tells it.
    fn kind(kind: K) -> Self::Kind;
}

impl<K> Parts<K> for () {
    type Kind = K;

    fn kind(kind: K) -> K {
        kind
    }
}

impl<K, R: Parts<K>> Parts<K> for (Travels, R) {
    type Kind = R::Kind;

    fn kind(kind: K) -> R::Kind {
        R::kind(kind)
    }
}

impl<K, R> Parts<K> for (Refused, R) {
    type Kind = Said;

    fn kind(_: K) -> Said {
        Said
    }
}

/// The kind of a type, once those of its parts are known.
#[inline(always)]
pub fn whole<P: Parts<K>, K>(_: P, kind: K) -> P::Kind {
    P::kind(kind)
}

/// What does not travel, and says so itself.
pub trait Silent: Sized {
    /// What there is to say of changes to a type behind it: nothing more.
    fn holding<A>(self, _: A) -> Other {
        Other
    }

    /// What there is to say of a type inside of it, for which it may not travel.
    fn lacking<K>(self, kind: K) -> K {
        kind
    }
}

/// Open files.
#[derive(Clone, Copy, Debug)]
pub struct Files;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` is open in this process only, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "send its path, and open it in the function; or send what was read"
)]
pub trait CarriesFiles<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesFiles<T> for AnotherProcess {}

impl Silent for Files {}

impl Files {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesFiles<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesFiles<T>,
    {
        Refused
    }
}

/// Open connections.
#[derive(Clone, Copy, Debug)]
pub struct Connections;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` is open in this process only, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "send the address, and connect in the function; processes of one program talk by `parallel::duplex` or `Queue`"
)]
pub trait CarriesConnections<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesConnections<T> for AnotherProcess {}

impl Silent for Connections {}

impl Connections {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesConnections<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesConnections<T>,
    {
        Refused
    }
}

/// Times of this process's clock.
#[derive(Clone, Copy, Debug)]
pub struct Instants;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` is a time of this process's clock, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "send a `Duration`, such as the time that is left, or a `SystemTime`"
)]
pub trait CarriesInstants<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesInstants<T> for AnotherProcess {}

impl Silent for Instants {}

impl Instants {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesInstants<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesInstants<T>,
    {
        Refused
    }
}

/// Shared ownership between threads.
#[derive(Clone, Copy, Debug)]
pub struct Counted;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` counts its owners in this process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "send the value in it, which is copied; what processes are to share goes into `parallel::Value`, `Array` or `Frozen`"
)]
pub trait CarriesCounted<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesCounted<T> for AnotherProcess {}

impl Silent for Counted {}

impl Counted {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesCounted<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesCounted<T>,
    {
        Refused
    }
}

/// Channels between threads.
#[derive(Clone, Copy, Debug)]
pub struct ThreadChannels;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` joins threads of one process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "use `parallel::Queue`, `parallel::channel` or `parallel::duplex`, which join processes"
)]
pub trait CarriesThreadChannels<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesThreadChannels<T> for AnotherProcess {}

impl Silent for ThreadChannels {}

impl ThreadChannels {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesThreadChannels<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesThreadChannels<T>,
    {
        Refused
    }
}

/// Signals between threads.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSignals;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` joins threads of one process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "use `parallel::sync::Condvar`, `parallel::sync::Barrier` or `parallel::Event`, which join processes"
)]
pub trait CarriesThreadSignals<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesThreadSignals<T> for AnotherProcess {}

impl Silent for ThreadSignals {}

impl ThreadSignals {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesThreadSignals<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesThreadSignals<T>,
    {
        Refused
    }
}

/// Threads and processes.
#[derive(Clone, Copy, Debug)]
pub struct Tasks;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` belongs to this process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "wait for it here, and send what came of it"
)]
pub trait CarriesTasks<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesTasks<T> for AnotherProcess {}

impl Silent for Tasks {}

impl Tasks {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesTasks<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesTasks<T>,
    {
        Refused
    }
}

/// Errors of the standard library.
#[derive(Clone, Copy, Debug)]
pub struct Errors;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` has no form that travels to another process",
    label = "cannot be sent to another process",
    note = "return `Result<_, parallel::Failure>`, into which `?` turns any error type, and `.map_err(parallel::Failure::new)` a boxed one; or send its text, `error.to_string()`"
)]
pub trait CarriesErrors<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesErrors<T> for AnotherProcess {}

impl Silent for Errors {}

impl Errors {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesErrors<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesErrors<T>,
    {
        Refused
    }
}

/// Results: value and error.
#[derive(Clone, Copy, Debug)]
pub struct Results;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "a `Result` travels with its value and its error, and one of the two in `{T}` does not",
    label = "cannot be sent to another process",
    note = "derive serde's traits for both; or return `Result<_, parallel::Failure>`, into which `?` turns any error type, and `.map_err(parallel::Failure::new)` an `anyhow::Error`, a boxed error or text"
)]
pub trait CarriesResults<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesResults<T> for AnotherProcess {}

impl Silent for Results {}

impl Results {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesResults<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesResults<T>,
    {
        Refused
    }
}

/// Arrays inside of other types.
#[derive(Clone, Copy, Debug)]
pub struct Arrays;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "serde knows arrays of up to 32 elements, and `{T}` is none of them or holds what does not travel",
    label = "cannot be sent to another process",
    note = "write a `Vec`; written out as a whole parameter or result, an array may have any length"
)]
pub trait CarriesArrays<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesArrays<T> for AnotherProcess {}

impl Silent for Arrays {}

impl Arrays {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesArrays<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesArrays<T>,
    {
        Refused
    }
}

/// Function pointers.
#[derive(Clone, Copy, Debug)]
pub struct Functions;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "a function is known by its place in this process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "send what tells which function to call, such as an enum, and choose in the function"
)]
pub trait CarriesFunctions<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesFunctions<T> for AnotherProcess {}

impl Silent for Functions {}

impl Functions {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesFunctions<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesFunctions<T>,
    {
        Refused
    }
}

/// Closures.
#[derive(Clone, Copy, Debug)]
pub struct Closures;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "a closure has its code and what it holds in this process, and cannot be sent to another",
    label = "cannot be sent to another process",
    note = "write a `#[parallel]` function, and make what the closure holds its parameters; or send an enum, and choose in the function"
)]
pub trait CarriesClosures<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesClosures<T> for AnotherProcess {}

impl Silent for Closures {}

impl Closures {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesClosures<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesClosures<T>,
    {
        Refused
    }
}

/// Types without serde's traits.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` has no `serde::Serialize` and `Deserialize`, and cannot be sent to another process",
    label = "cannot be sent to another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for every type in it"
)]
pub trait CarriesUnknown<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesUnknown<T> for AnotherProcess {}

impl Silent for Unknown {}

impl Unknown {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesUnknown<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesUnknown<T>,
    {
        Refused
    }
}

/// Handles to memory that processes share, of what is no plain data.
#[derive(Clone, Copy, Debug)]
pub struct Unplain;

/// Carries them, which nothing does.
#[diagnostic::on_unimplemented(
    message = "what `{T}` holds is no plain data, so it cannot lie in memory that processes share",
    label = "cannot be sent to another process",
    note = "any bytes that another process writes must be a valid value: use numbers (`u8` for `bool`, `u32` for `char`), arrays of them, or a `#[repr(C)]` struct of them that derives `bytemuck::Pod` and `Zeroable`; what owns memory, such as a `String`, goes through a `Queue`"
)]
pub trait CarriesUnplain<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesUnplain<T> for AnotherProcess {}

impl Silent for Unplain {}

impl Unplain {
    /// How it travels.
    pub fn codec<T: ?Sized>(self) -> Foreign
    where
        AnotherProcess: CarriesUnplain<T>,
    {
        Foreign
    }

    /// Whether it may stand inside of another type.
    pub fn inside<T: ?Sized>(self) -> Refused
    where
        AnotherProcess: CarriesUnplain<T>,
    {
        Refused
    }
}

/// Data that is made to be changed behind a borrow.
#[derive(Clone, Copy, Debug)]
pub struct Changeable;

/// Whether changes of a copy come back to where it was made, which they never do.
#[diagnostic::on_unimplemented(
    message = "the function gets a copy of this `{T}`, so what it changes there is lost",
    label = "a copy travels",
    note = "share it with `parallel::Value`, `parallel::Array` or `parallel::sync::Mutex`; or take the value and return the new one"
)]
pub trait CarriesBack<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Nothing + ?Sized> CarriesBack<T> for AnotherProcess {}

impl Changeable {
    /// Whether it may stand here.
    pub fn inside<T: ?Sized>(self) -> Travels
    where
        AnotherProcess: CarriesBack<T>,
    {
        Travels
    }
}

/// Tells of each type which kind it is.
macro_rules! kinds {
    ($($kind:ident: $([$($generics:tt)*] $ty:ty),+;)+) => {
        $($(
            impl<$($generics)*> ByType for &Probe<$ty> {
                type Kind = $kind;

                fn kind(&self) -> $kind {
                    $kind
                }
            }
        )+)+
    };
}

kinds! {
    Files: [] std::fs::File, [] std::fs::DirEntry, [] std::fs::ReadDir, [] std::io::Stdin, [] std::io::Stdout, [] std::io::Stderr, [] std::os::fd::OwnedFd, [R] std::io::BufReader<R>, [W: std::io::Write] std::io::BufWriter<W>;
    Connections: [] std::net::TcpStream, [] std::net::TcpListener, [] std::net::UdpSocket, [] std::os::unix::net::UnixStream, [] std::os::unix::net::UnixListener, [] std::os::unix::net::UnixDatagram;
    Instants: [] std::time::Instant;
    Counted: [T: ?Sized] Arc<T>, [T: ?Sized] Rc<T>, [T: ?Sized] std::sync::Weak<T>, [T: ?Sized] std::rc::Weak<T>;
    ThreadChannels: [T] std::sync::mpsc::Sender<T>, [T] std::sync::mpsc::SyncSender<T>, [T] std::sync::mpsc::Receiver<T>;
    ThreadSignals: [] std::sync::Condvar, [] std::sync::Barrier, [] std::sync::Once;
    Tasks: [T] std::thread::JoinHandle<T>, [] std::thread::Thread, [] std::process::Child, [] std::process::Command;
    Unplain: [T] crate::shared::Value<T>, [T] crate::shared::Array<T>, [T] crate::shared::Frozen<T>, [T] crate::sync::Mutex<T>, [T] crate::sync::ReentrantMutex<T>;
    Errors: [] Box<dyn std::error::Error>, [] Box<dyn std::error::Error + Send + Sync>, [] std::io::Error, [] std::fmt::Error, [] std::num::ParseIntError, [] std::num::ParseFloatError, [] std::str::Utf8Error, [] std::string::FromUtf8Error, [] std::env::VarError;
    Results: [V, E] Result<V, E>;
    Arrays: [T, const N: usize] [T; N];
    Functions: [R] fn() -> R, [A, R] fn(A) -> R, [A, B, R] fn(A, B) -> R, [A, B, C, R] fn(A, B, C) -> R;
}

/// The same of boxed closures.
macro_rules! closures {
    ($([$($parameter:ident),*])+) => {
        $(
            closures!(@ [$($parameter),*] Fn);
            closures!(@ [$($parameter),*] FnMut);
            closures!(@ [$($parameter),*] FnOnce);
        )+
    };
    (@ [$($parameter:ident),*] $of:ident) => {
        kinds! {
            Closures: [$($parameter,)* R] Box<dyn $of($($parameter),*) -> R>,
                [$($parameter,)* R] Box<dyn $of($($parameter),*) -> R + Send>,
                [$($parameter,)* R] Box<dyn $of($($parameter),*) -> R + Send + Sync>;
        }
    };
}

closures! { [] [A] [A, B] }

macro_rules! changeable {
    ($([$($generics:tt)*] $ty:ty),+ $(,)?) => {
        $(impl<$($generics)*> ByChange for &Probe<$ty> {})+
    };
}

changeable! {
    [T: ?Sized] std::sync::Mutex<T>, [T: ?Sized] std::sync::RwLock<T>, [T: ?Sized] Cell<T>, [T: ?Sized] RefCell<T>,
    [] AtomicBool, [] AtomicI8, [] AtomicI16, [] AtomicI32, [] AtomicI64, [] AtomicIsize,
    [] AtomicU8, [] AtomicU16, [] AtomicU32, [] AtomicU64, [] AtomicUsize,
}
