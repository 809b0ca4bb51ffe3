//! Where the program is right now: in its first process, in a spawned call, in a pool's worker.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock};

use crate::poison::lock;
use crate::process::reactor;

/// What this process was started for; empty in the first one.
static ROLE: OnceLock<Role> = OnceLock::new();
/// The call that runs now, in a worker.
static CALL: Mutex<Cow<'static, str>> = Mutex::new(Cow::Borrowed(""));

#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// One spawned call.
    Spawned,
    /// The worker of a pool with this index.
    Pooled(usize),
}

pub(crate) fn set_role(role: Role) {
    let _ = ROLE.set(role);
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
}

impl Current {
    /// Returns the name of the call that runs here: what `.name("…")` gave it, else its function's. In the program's
    /// first process it is `main`.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Returns this process's number.
    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    /// Returns whether this process was started for a `#[parallel]` call or as a pool's worker.
    pub fn is_worker(&self) -> bool {
        self.role.is_some()
    }

    /// Returns which worker of its pool this process is, counted from 0; `None` outside a pool.
    pub fn worker_index(&self) -> Option<usize> {
        match self.role {
            Some(Role::Pooled(index)) => Some(index),
            Some(Role::Spawned) | None => None,
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
    let role = ROLE.get().copied();
    let name = if role.is_some() { lock(&CALL).clone().into_owned() } else { "main".to_string() };
    Current { name, role }
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
