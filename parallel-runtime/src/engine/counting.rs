//! The counting engine: it counts items, and runs none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::call::CallId;
use super::{Aim, Engine, Place, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Entry;

/// Counts.
#[derive(Default)]
pub(crate) struct Counting(AtomicUsize);

impl Engine for Counting {
    fn shape(&self) -> Shape {
        Shape { workers: 1, workers_for_short: 1, chunks_ahead: 1, most_items: usize::MAX }
    }

    fn pace(&self, _entry: &'static Entry) -> Option<Duration> {
        None
    }

    fn accept(&self, batch: Box<Batch>) -> Result<()> {
        self.0.fetch_add(batch.len(), Ordering::Relaxed);
        Err(Error::new(ErrorKind::Closed))
    }

    fn drive(&self, _deadline: Option<Instant>, is_ready: &mut dyn FnMut() -> bool) -> bool {
        is_ready()
    }

    fn poll(&self) {}

    fn abandon(&self) {}

    fn withdraw(&self, _call: CallId) -> bool {
        false
    }

    fn signal(&self, _call: CallId, _signal: i32, _stuck: bool) -> Aim {
        Aim::Late
    }

    fn place(&self, _call: CallId) -> Place {
        Place::Over
    }
}
