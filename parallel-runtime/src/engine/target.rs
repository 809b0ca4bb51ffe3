//! What `.on(..)` takes.

use std::ops::Deref;
use std::sync::Arc;

use super::Engine;

/// What a call can run on: a [`Pool`](crate::Pool), or whatever leads to one, as `&Arc<Pool>` and `&LazyLock<Pool>` do.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no pool, and leads to none",
    label = "no call can run on this",
    note = "write `.on(&pool)`, where `pool` is a `Pool`, or an `Arc`, a `Box`, a `LazyLock` of one"
)]
pub trait Target: sealed::Target {}

#[diagnostic::do_not_recommend]
impl<T: sealed::Target + ?Sized> Target for T {}

pub(crate) mod sealed {
    use super::{Arc, Deref, Engine};

    /// What leads to an engine.
    pub trait Target {
        #[doc(hidden)]
        fn engine(&self) -> EngineRef;
    }

    #[diagnostic::do_not_recommend]
    impl<D: Deref<Target: Target> + ?Sized> Target for D {
        fn engine(&self) -> EngineRef {
            (**self).engine()
        }
    }

    /// An engine, opaque outside of the crate.
    #[derive(Clone)]
    pub struct EngineRef(pub(crate) Arc<dyn Engine>);

    impl std::fmt::Debug for EngineRef {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("EngineRef").finish_non_exhaustive()
        }
    }
}
