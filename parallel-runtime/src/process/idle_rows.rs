//! Memory that is kept for large rows is given back when no other row follows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::reactor::{self, Alarm, Loop};
use crate::lane::bulk;
use crate::tuning::SPARE_BLOCK;

/// Looks after the memory of rows from now on.
pub(crate) fn look_after() {
    bulk::on_keep(set_alarm);
}

/// Whether the alarm is set.
static SET: AtomicBool = AtomicBool::new(false);
static ALARM: OnceLock<Arc<RowAlarm>> = OnceLock::new();

fn set_alarm() {
    if SET.swap(true, Ordering::Relaxed) {
        return;
    }
    if let (Ok(reactor), Some(at)) = (reactor::get(), Instant::now().checked_add(SPARE_BLOCK)) {
        reactor.arm(at, ALARM.get_or_init(|| Arc::new(RowAlarm)));
    }
}

struct RowAlarm;

impl Alarm for RowAlarm {
    fn ring(self: Arc<Self>, _: &mut Loop) -> Option<Instant> {
        // Before the look: what is kept from now on sets it again.
        SET.store(false, Ordering::Relaxed);
        let next = bulk::let_go(SPARE_BLOCK);
        // Another may have set it meanwhile; then it rings twice.
        next.inspect(|_| SET.store(true, Ordering::Relaxed))
    }
}
