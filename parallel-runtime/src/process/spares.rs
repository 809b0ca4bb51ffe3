//! Memory that is kept for large rows is given back when no other row follows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::reactor::{Alarm, Loop, Reactor};
use crate::config::SPARE_BLOCK;
use crate::memory::bulk;
use crate::wire::handles::Handle;

/// Looks after the memory of rows among these handles, until it is given back.
pub(crate) fn look_after(reactor: &Reactor, handles: &[Handle]) {
    if !handles.iter().any(|handle| matches!(handle, Handle::Bulk(_))) || WATCHED.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(at) = Instant::now().checked_add(SPARE_BLOCK) {
        reactor.arm(at, WATCH.get_or_init(|| Arc::new(Watch)));
    }
}

/// Whether the alarm is set.
static WATCHED: AtomicBool = AtomicBool::new(false);
static WATCH: OnceLock<Arc<Watch>> = OnceLock::new();

struct Watch;

impl Alarm for Watch {
    fn ring(self: Arc<Self>, _: &mut Loop) -> Option<Instant> {
        // Before the look: what is kept from now on sets it again.
        WATCHED.store(false, Ordering::Relaxed);
        let next = bulk::let_go(SPARE_BLOCK);
        // Another may have set it meanwhile; then it rings twice.
        next.inspect(|_| WATCHED.store(true, Ordering::Relaxed))
    }
}
