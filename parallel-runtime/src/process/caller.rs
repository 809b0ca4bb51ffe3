//! What a call takes from the thread that makes it: its cores, its rights, and, where that thread is more confined than the
//! one that starts processes for all others, a *deputy*: a thread made by that very thread, which inherits how it is
//! confined and starts the call's processes in the reactor's place.
//!
//! | the calling thread is | its processes are started by |
//! |---|---|
//! | as the reactor's, as far as a thread can be read, and Landlock adds nothing | the reactor, or its zygote |
//! | as far as can be read, and of Landlock it cannot be told | a deputy; such a start counts towards a zygote, which can then be asked |
//! | another in anything | a deputy |
//! | one that cannot make a thread | no thread: the call fails and says why |
//!
//! The death signal of a start is sent when the thread that made it ends (`PR_SET_PDEATHSIG(2const)`). So a deputy stays as
//! long as the call, or the pool, that it was made for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use super::shown;
use crate::sys::process;
use crate::sys::refusal::Named;
use crate::sys::rights::Rights;
use crate::sys::standing::{Standing, Verdict};
use crate::sys::surroundings::Affinity;
use crate::tuning;

/// What a call, or a pool, has from the thread that made it.
pub(crate) struct Caller {
    /// The cores that it may run on.
    pub(crate) affinity: Option<Affinity>,
    pub(crate) rights: Arc<Rights>,
    pub(crate) deputy: Option<Deputy>,
}

/// The thread that starts processes for callers that are as confined as itself: the reactor.
pub(super) trait Starter {
    /// How it stands, as far as is known.
    fn standing(&self) -> Option<Arc<Standing>>;
    /// Has it look how it stands now; `None` where it does not come to it.
    fn look_at_standing(&self) -> Option<Arc<Standing>>;
    /// Whether processes of the program run.
    fn has_processes(&self) -> bool;
}

/// The thread that starts processes in place of the reactor, until this is dropped.
pub(crate) struct Deputy {
    jobs: Sender<DeputyJob>,
    /// In what the thread that made it differs from the reactor's; `None`: perhaps in nothing.
    difference: Option<&'static str>,
}

type DeputyJob = Box<dyn FnOnce() + Send>;

impl Caller {
    /// The calling thread. `is_maker`: it has made the reactor a moment ago.
    ///
    /// # Errors
    ///
    /// Where its processes must be started by a thread of its own making, and it cannot make one.
    pub(super) fn here(reactor: &impl Starter, is_maker: bool) -> io::Result<Self> {
        let rights = Rights::own();
        let begun = Instant::now();
        let deputy = loop {
            let deputy = match Self::verdict(reactor, &rights, is_maker) {
                Verdict::Same => break None,
                Verdict::Doubtful => Deputy::new(None),
                Verdict::Other(difference) => Deputy::new(Some(difference)),
            };
            match deputy {
                // The limit of processes counts threads. A caller waits for room as processes do, while processes or
                // deputies are there to end.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && (reactor.has_processes() || DEPUTIES.load(Relaxed) > 0)
                        && begun.elapsed() < tuning::LONG_WAIT =>
                {
                    thread::sleep(tuning::BETWEEN_TRIES);
                }
                deputy => break Some(deputy?),
            }
        };
        Ok(Self { affinity: Affinity::own(), rights: Arc::new(rights), deputy })
    }

    fn verdict(reactor: &impl Starter, rights: &Rights, is_maker: bool) -> Verdict {
        let verdict = |standing: &Standing| standing.verdict(rights, || is_maker || shown::one_shows_itself());
        let known = reactor.standing().as_deref().map(verdict);
        if known == Some(Verdict::Same) {
            return Verdict::Same;
        }
        // It may be the whole program that has changed; or the first process is being started, which then can be looked at.
        reactor
            .look_at_standing()
            .as_deref()
            .map_or(Verdict::Other("standing, which the reactor does not tell"), verdict)
    }
}

/// How many deputies there are.
static DEPUTIES: AtomicUsize = AtomicUsize::new(0);

impl Drop for Deputy {
    fn drop(&mut self) {
        DEPUTIES.fetch_sub(1, Relaxed);
    }
}

impl Deputy {
    /// Fails where only one more thread fits: callers that each held a deputy and waited for room would wait for each other.
    fn new(difference: Option<&'static str>) -> io::Result<Self> {
        let (jobs, inbox) = channel::<DeputyJob>();
        let work = move || {
            process::block_signals();
            for job in inbox {
                let _ = crate::panic::catch(job);
            }
        };
        let thread = || thread::Builder::new().name("parallel-deputy".to_string()).stack_size(tuning::SMALL_STACK);
        let made = thread().spawn(work);
        DEPUTIES.fetch_add(1, Relaxed);
        let deputy = Self { jobs, difference };
        let made = made.and_then(|_| {
            let _ = thread().spawn(|| {})?.join();
            Ok(())
        });
        let refused = |error: io::Error| {
            deputy.describe(&io::Error::new(error.kind(), format!("it cannot make another one ({error})")))
        };
        made.named("pthread_create").map_err(refused)?;
        Ok(deputy)
    }

    /// Runs `job` on its thread, soon.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The thread is there as long as this is.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Whether the thread that made it may be as the reactor's.
    pub(super) fn is_doubtful(&self) -> bool {
        self.difference.is_none()
    }

    /// An error of a start, with why a deputy made it.
    pub(crate) fn describe(&self, error: &io::Error) -> io::Error {
        let why = match self.difference {
            Some(difference) => format!("the calling thread differs from the program in its {difference}"),
            None => "whether Landlock confines the calling thread cannot be told".to_string(),
        };
        io::Error::new(error.kind(), format!("{why}, so its processes are started from that thread: {error}"))
    }
}
