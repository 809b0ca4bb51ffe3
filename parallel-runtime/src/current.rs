//! Where the program is right now: in its first process, in a spawned call, in a pool's worker.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::poison::lock;
use crate::process::{reactor, token};

/// What this process was started for, and its share; empty in the first one.
static ROLE: OnceLock<(Role, u64)> = OnceLock::new();
/// The call that runs now, in a worker.
static CALL: Mutex<Cow<'static, str>> = Mutex::new(Cow::Borrowed(""));

#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// One spawned call.
    Spawned,
    /// The worker of a pool with this index; so many served there before.
    Pooled { index: usize, generation: u32 },
}

pub(crate) fn set_role(role: Role, share: u64) {
    let _ = ROLE.set((role, share));
}

/// Among how many processes like this one the machine's workers are shared: the product of the sizes of the pools that it is
/// in, one inside the other.
pub(crate) fn share() -> u64 {
    ROLE.get().map_or(1, |(_, share)| (*share).max(1))
}

/// What the constructor of this crate has found: see [`Origin`].
static ORIGIN: AtomicU8 = AtomicU8::new(Origin::Unknown as u8);

/// How this process came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// Our constructor has not run yet: where there is a token, this will be a worker.
    Unknown,
    /// It was started as a program.
    Program,
    /// It was started as a worker, or as a zygote.
    Worker,
}

pub(crate) fn set_origin(origin: Origin) {
    ORIGIN.store(origin as u8, Ordering::Release);
}

/// Whether our constructor has not run yet.
pub(crate) fn is_unknown() -> bool {
    ORIGIN.load(Ordering::Acquire) == Origin::Unknown as u8
}

/// Whether this process is a worker that does not know yet what it is for: its constructors run.
pub(crate) fn is_starting() -> bool {
    const UNKNOWN: u8 = Origin::Unknown as u8;
    const WORKER: u8 = Origin::Worker as u8;
    match ORIGIN.load(Ordering::Acquire) {
        UNKNOWN => token::has_token(),
        WORKER => ROLE.get().is_none(),
        _ => false,
    }
}

/// Notes which call runs now.
pub(crate) fn set_call(function: &'static str, name: Option<&str>) {
    let mut call = lock(&CALL);
    match name {
        None => *call = Cow::Borrowed(function),
        Some(name) if *name == **call => {}
        Some(name) => *call = Cow::Owned(name.to_string()),
    }
}

thread_local! {
    /// The call that this thread runs inline.
    static INLINE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes which call this thread runs inline, until what is returned is dropped.
pub(crate) fn enter_call(function: &'static str, name: Option<&str>) -> impl Drop {
    struct Leave(Option<String>);

    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = INLINE.try_with(|inline| inline.replace(self.0.take()));
        }
    }

    let name = name.unwrap_or(function).to_string();
    // It may be called from an `atexit` handler, when the thread's own data is gone.
    Leave(INLINE.try_with(|inline| inline.replace(Some(name))).ok().flatten())
}

/// Tells where the program is right now; see [`current`].
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn whoami() -> (String, bool, Option<usize>) {
///     let current = parallel::current();
///     (current.name(), current.is_worker(), current.worker_index())
/// }
///
/// # fn main() -> parallel::Result<()> {
/// assert_eq!(whoami.name("scout").spawn().join()?, ("scout".to_string(), true, None));
/// let pool = Pool::with_workers(1)?;
/// assert_eq!(whoami.on(&pool).submit().join()?, ("whoami".to_string(), true, Some(0)));
/// assert!(!parallel::current().is_worker());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Current {
    name: String,
    role: Option<Role>,
    is_worker: bool,
}

impl Current {
    /// Returns the name of the call that runs here: what `.name("…")` gave it, else its function's. In the program's
    /// first process it is `main`, and in a worker that has no call yet `worker`.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Returns this process's number.
    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    /// Returns whether this process was started for a `#[parallel]` call or as a pool's worker.
    ///
    /// It is so from the worker's start on. What runs before `main`, such as the constructor of a C++ global, runs in each worker
    /// too, and can ask here: calls that it makes are refused in a worker.
    pub fn is_worker(&self) -> bool {
        self.is_worker
    }

    /// Returns which worker of its pool this process is, counted from 0; `None` outside a pool.
    pub fn worker_index(&self) -> Option<usize> {
        match self.role {
            Some(Role::Pooled { index, .. }) => Some(index),
            Some(Role::Spawned) | None => None,
        }
    }

    /// Returns how many workers served in this one's place before it: 0 for those that the pool started with, and outside a
    /// pool. What a task keeps in its process, as in a `static`, is gone with the worker; by this it can be told.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn generation(crash: bool) -> u32 {
    ///     if crash { std::process::abort() }
    ///     parallel::current().generation()
    /// }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::with_workers(1)?;
    /// assert_eq!(generation.on(&pool).submit(false).join()?, 0);
    /// assert!(generation.on(&pool).submit(true).join().unwrap_err().worker_replaced());
    /// assert_eq!(generation.on(&pool).submit(false).join()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn generation(&self) -> u32 {
        match self.role {
            Some(Role::Pooled { generation, .. }) => generation,
            Some(Role::Spawned) | None => 0,
        }
    }
}

/// Tells where the program is right now: which call, in which process.
///
/// # Examples
///
/// ```
/// assert_eq!(parallel::current().name(), "main");
/// assert_eq!(parallel::current().pid(), std::process::id());
/// ```
pub fn current() -> Current {
    let role = ROLE.get().map(|(role, _)| *role);
    let is_worker = role.is_some() || is_starting();
    let inline = INLINE.try_with(|inline| inline.borrow().clone()).ok().flatten();
    let name = match role {
        _ if inline.is_some() => inline.unwrap_or_default(),
        Some(_) => lock(&CALL).clone().into_owned(),
        None if is_worker => "worker".to_string(),
        None => "main".to_string(),
    };
    Current { name, role, is_worker }
}

/// Returns the processes that this one has started and that have not ended: spawned calls and pools' workers, in
/// ascending order.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn nothing() {}
///
/// # fn main() -> parallel::Result<()> {
/// let pool = Pool::with_workers(2)?;
/// let mut pids = pool.pids();
/// pids.sort_unstable();
/// assert_eq!(parallel::active_children(), pids);
/// pool.join()?;
/// assert!(parallel::active_children().is_empty());
/// # Ok(())
/// # }
/// ```
pub fn active_children() -> Vec<u32> {
    reactor::pids()
}
