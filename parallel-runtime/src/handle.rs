//! skeleton
use crate::error::Result;
use std::marker::PhantomData;
use std::process::ExitStatus;
use std::time::Duration;

/// A running call.
#[derive(Debug)]
pub struct JoinHandle<R>(PhantomData<fn() -> R>);
impl<R> JoinHandle<R> {
    /// w
    pub fn join(self) -> Result<R> {
        todo!()
    }
    /// w
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<Option<R>> {
        let _ = timeout;
        todo!()
    }
    /// w
    pub fn is_finished(&self) -> bool {
        todo!()
    }
    /// w
    pub fn pid(&self) -> Option<u32> {
        todo!()
    }
    /// w
    pub fn name(&self) -> &str {
        todo!()
    }
    /// w
    pub fn terminate(&self) -> Result<()> {
        todo!()
    }
    /// w
    pub fn kill(&self) -> Result<()> {
        todo!()
    }
    /// w
    pub fn exit_status(&self) -> Option<ExitStatus> {
        todo!()
    }
    /// w
    pub fn cancel(&self) -> bool {
        todo!()
    }
}
impl<R> IntoFuture for JoinHandle<R> {
    type Output = Result<R>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Result<R>> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        todo!()
    }
}
/// w
pub fn as_completed<R>(handles: impl IntoIterator<Item = JoinHandle<R>>) -> impl Iterator<Item = (usize, Result<R>)> {
    let _ = handles.into_iter().count();
    std::iter::empty()
}
