//! A lock over exactly one value: what `Mutex` and `Value` are.

use std::time::Duration;

use bytemuck::Pod;
use serde::{Deserialize, Serialize};

use super::guard::{Guard, Locked};
use super::object::Object;
use crate::error::Result;

/// A lock over exactly one value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "W: Locked, T: Pod", try_from = "Object<W, T>", into = "Object<W, T>")]
pub(crate) struct Single<W, T>(Object<W, T>);

impl<W: Locked, T: Pod> Clone for Single<W, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Locked, T: Pod> From<Single<W, T>> for Object<W, T> {
    fn from(single: Single<W, T>) -> Self {
        single.0
    }
}

impl<W: Locked, T: Pod> TryFrom<Object<W, T>> for Single<W, T> {
    type Error = &'static str;

    fn try_from(object: Object<W, T>) -> std::result::Result<Self, &'static str> {
        if object.len() == 1 { Ok(Self(object)) } else { Err("shared memory of another length") }
    }
}

impl<W: Locked, T: Pod> Single<W, T> {
    pub(crate) fn new(value: T) -> Result<Self> {
        Object::holding(&[value]).map(Self)
    }

    #[inline]
    pub(crate) fn lock(&self) -> Result<Guard<'_, T>> {
        self.0.lock().map(Guard::single)
    }

    pub(crate) fn try_lock(&self) -> Result<Option<Guard<'_, T>>> {
        Ok(self.0.try_lock()?.map(Guard::single))
    }

    pub(crate) fn lock_timeout(&self, timeout: Duration) -> Result<Option<Guard<'_, T>>> {
        Ok(self.0.lock_timeout(timeout)?.map(Guard::single))
    }

    pub(crate) fn recover(&self) {
        self.0.recover();
    }
}
