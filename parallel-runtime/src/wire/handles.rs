//! Handles: what travels beside the bytes of a call, because a process cannot be given it as bytes.
//!
//! A shared type's `Serialize` puts its handle into the table of the call that is being encoded and writes its place
//! there; its `Deserialize` takes it from the table of the call that is being decoded. Outside a call there is no table,
//! and either is an error that says so.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::lane::bulk::{Arrived, Bulk};
use crate::sys::memory::Region;
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};

/// Something that is handed to another process.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    /// Shared memory. The receiver keeps it until it is forgotten, so that it is sent to each process once.
    Memory(Arc<Region>),
    /// Something that stays here, and is kept as long as the call.
    Kept(#[allow(dead_code, reason = "kept for its drop")] Arc<AnyKept>),
    /// An open descriptor. It is sent anew each time, so that it closes when its last user drops it.
    Descriptor(Arc<Descriptor>),
    /// A large row, to be sent.
    Bulk(Arc<Bulk>),
    /// A large row that was sent.
    Arrived(Arc<Arrived>),
}

/// Anything, behind one pointer, so that a handle is two words.
type AnyKept = Box<dyn Any + Send + Sync>;

/// The handles of a call, by their places. Mostly it is one, if any.
pub(crate) type Handles = SmallVec<[Handle; 1]>;
/// Their numbers, by their places.
pub(crate) type Ids = SmallVec<[u64; 1]>;

impl Handle {
    /// Keeps `thing` as long as the call.
    pub(crate) fn kept(thing: impl Any + Send + Sync) -> Self {
        Self::Kept(Arc::new(Box::new(thing)))
    }

    /// The handle as a receiver would have it, to be read in this process.
    pub(crate) fn arrive_here(&self) -> io::Result<Self> {
        match self {
            Self::Bulk(bulk) => Ok(Self::Arrived(Arc::new(bulk.arrive_here()?))),
            other => Ok(other.clone()),
        }
    }

    /// Whether `other` is the same thing.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => one.id() == other.id(),
            (Self::Descriptor(one), Self::Descriptor(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether it is sent anew with each call.
    pub(crate) fn is_sent_anew(&self) -> bool {
        matches!(self, Self::Descriptor(_) | Self::Bulk(_))
    }

    /// The descriptor by which it is sent, if it is.
    pub(crate) fn descriptor(&self) -> Option<BorrowedDescriptor<'_>> {
        match self {
            Self::Memory(region) => Some(region.descriptor()),
            Self::Descriptor(descriptor) => Some(descriptor.as_descriptor()),
            Self::Bulk(bulk) => Some(bulk.as_descriptor()),
            Self::Kept(_) | Self::Arrived(_) => None,
        }
    }
}

thread_local! {
    /// Whether this thread encodes a call.
    static GATHERS: Cell<bool> = const { Cell::new(false) };
    /// Whether a handle was put into its table: a call without handles never looks at the table.
    static GATHERED: Cell<bool> = const { Cell::new(false) };
    /// The table of the call that this thread encodes; else empty.
    static OUTGOING: RefCell<Handles> = RefCell::default();
    /// The table of the call that this thread decodes.
    static INCOMING: RefCell<Option<Handles>> = const { RefCell::new(None) };
}

/// What a thread was encoding before, so that a call inside a call leaves it as it was, also by a panic.
struct Gathering<'a> {
    /// The table of the call around this one, if there is one.
    around: Option<Handles>,
    /// Where what is gathered goes.
    handles: &'a mut Handles,
}

impl Drop for Gathering<'_> {
    #[inline]
    fn drop(&mut self) {
        GATHERS.set(self.around.is_some());
        if GATHERED.replace(self.around.is_some()) {
            *self.handles = OUTGOING.replace(self.around.take().unwrap_or_default());
        }
    }
}

/// Runs `encode`; what it gives away is appended to `handles`.
#[inline]
pub(crate) fn gathering<T>(handles: &mut Handles, encode: impl FnOnce() -> T) -> T {
    let is_inside = GATHERS.replace(true);
    let around = if is_inside || !handles.is_empty() {
        GATHERED.set(true);
        let around = OUTGOING.replace(std::mem::take(handles));
        is_inside.then_some(around)
    } else {
        None
    };
    let _gathering = Gathering { around, handles };
    encode()
}

/// What a thread was decoding before.
struct Providing(Option<Handles>);

impl Drop for Providing {
    fn drop(&mut self) {
        INCOMING.set(self.0.take());
    }
}

/// Runs `decode`, which may take from `handles`.
pub(crate) fn providing<T>(handles: &[Handle], decode: impl FnOnce() -> T) -> T {
    if handles.is_empty() {
        return decode();
    }
    let _providing = Providing(INCOMING.replace(Some(handles.into())));
    decode()
}

/// What serializing a shared type anywhere but in a call says.
const NOT_IN_A_CALL: &str = "shared state cannot be stored or sent by other means: it is memory of running processes; pass it as \
                             an argument, a result or a queue message of a #[parallel] call";

/// Puts a handle into the table of the call that is being encoded; returns its place.
pub(crate) fn give<E: serde::ser::Error>(handle: Handle) -> Result<u32, E> {
    if !GATHERS.get() {
        return Err(E::custom(NOT_IN_A_CALL));
    }
    GATHERED.set(true);
    OUTGOING.with_borrow_mut(|table| {
        let at = match table.iter().position(|known| known.is(&handle)) {
            Some(at) => at,
            None => {
                table.push(handle);
                table.len() - 1
            }
        };
        u32::try_from(at).map_err(E::custom)
    })
}

/// Takes the handle at a place of the table of the call that is being decoded.
pub(crate) fn take<E: serde::de::Error>(at: u32) -> Result<Handle, E> {
    INCOMING.with_borrow(|table| {
        let table = table.as_ref().ok_or_else(|| E::custom(NOT_IN_A_CALL))?;
        table.get(at as usize).cloned().ok_or_else(|| E::custom("a shared handle is missing from the message"))
    })
}

/// Takes the shared memory at a place of the table.
pub(crate) fn take_memory<E: serde::de::Error>(at: u32) -> Result<Arc<Region>, E> {
    match take(at)? {
        Handle::Memory(region) => Ok(region),
        _ => Err(E::custom("a shared handle of another kind")),
    }
}

/// Takes the descriptor at a place of the table.
pub(crate) fn take_descriptor<E: serde::de::Error>(at: u32) -> Result<Arc<Descriptor>, E> {
    match take(at)? {
        Handle::Descriptor(descriptor) => Ok(descriptor),
        _ => Err(E::custom("a shared handle of another kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::value::Error;

    #[test]
    fn a_handle_is_put_into_the_table_once_and_found_again() {
        let region = Region::zeroed(8).unwrap();
        let mut handles = Handles::new();
        let places = gathering(&mut handles, || {
            [0, 1].map(|_| give::<refusal::TextError>(Handle::Memory(Arc::clone(&region))).unwrap())
        });
        assert_eq!((places, handles.len()), ([0, 0], 1));
        let back = providing(&handles, || take_memory::<Error>(0).unwrap());
        assert!(Arc::ptr_eq(&back, &region));
        assert!(providing(&handles, || take::<Error>(1)).is_err());
    }

    #[test]
    fn outside_a_call_there_is_no_table() {
        let region = Region::zeroed(8).unwrap();
        assert!(give::<refusal::TextError>(Handle::Memory(region)).unwrap_err().0.contains("pass it as"));
        assert!(take::<Error>(0).is_err());
    }

    #[test]
    fn a_panic_leaves_no_table_behind() {
        let mut handles = Handles::new();
        assert!(crate::panic::catch(|| gathering(&mut handles, || panic!("stop"))).is_err());
        assert!(give::<refusal::TextError>(Handle::Memory(Region::zeroed(8).unwrap())).is_err());
    }

    /// An error for serializing that keeps its text.
    mod refusal {
        #[derive(Debug)]
        pub(super) struct TextError(pub(super) String);
        impl std::fmt::Display for TextError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::error::Error for TextError {}
        impl serde::ser::Error for TextError {
            fn custom<T: std::fmt::Display>(text: T) -> Self {
                Self(text.to_string())
            }
        }
    }
}
