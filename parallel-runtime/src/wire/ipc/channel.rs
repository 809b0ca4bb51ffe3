//! How ipc-channel's types travel: see [`super`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipc_channel::ipc::{self, IpcOneShotServer, IpcSender, OpaqueIpcReceiver};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::codec::{self, CodecError};
use crate::wire::handles::{self, Handle};

/// What the worker sends: where it waits for the argument.
type Answer = IpcSender<OpaqueIpcReceiver>;

/// A one-shot server that waits for the worker, as long as this lives.
struct Errand {
    server: String,
    answered: Arc<AtomicBool>,
}

impl Drop for Errand {
    fn drop(&mut self) {
        if !self.answered.load(Ordering::Acquire) {
            // The thread waits until a process connects: connect, and hang up at once, so that it ends.
            drop(IpcSender::<Answer>::connect(self.server.clone()));
        }
    }
}

/// Serializes what a reference refers to, in a message that is read as the thing itself.
struct ByReference<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for ByReference<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Only written: ipc-channel asks for both directions.
impl<'de, T: ?Sized> Deserialize<'de> for ByReference<'_, T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a reference is not read"))
    }
}

/// Deserializes the thing itself.
struct Owned<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Owned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Only read: ipc-channel asks for both directions.
impl<T> Serialize for Owned<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("what was received is not written"))
    }
}

/// Appends an argument: the name of the server that hands it out. Inside [`handles::gathering`] only.
pub(in crate::wire) fn encode<T: Serialize + ?Sized>(argument: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let failed = |error: &dyn fmt::Display| CodecError::new::<T>(format!("ipc-channel says: {error}"));
    let (sender, receiver) = ipc::channel::<()>().map_err(|error| failed(&error))?;
    let sender: IpcSender<ByReference<'_, T>> = sender.to_opaque().to();
    sender.send(ByReference(argument)).map_err(|error| failed(&error))?;
    let waiting = receiver.to_opaque();
    let (server, name) = IpcOneShotServer::<Answer>::new().map_err(|error| failed(&error))?;
    let answered = Arc::new(AtomicBool::new(false));
    let errand = Errand { server: name.clone(), answered: Arc::clone(&answered) };
    let answer = move || {
        let accepted = server.accept();
        answered.store(true, Ordering::Release);
        if let Ok((_, worker)) = accepted {
            // A worker that is gone needs no answer.
            let _ = worker.send(waiting);
        }
    };
    std::thread::Builder::new()
        .name("parallel-ipc".to_string())
        .spawn(answer)
        .map_err(|error| CodecError::new::<T>(format!("no thread could be started to hand it over: {error}")))?;
    handles::give::<TextError>(Handle::kept(errand)).map_err(|error| CodecError::new::<T>(error.0))?;
    codec::encode(&name, bytes)
}

/// Reads an argument: asks the server for it.
pub(in crate::wire) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    let (name, used) = codec::decode::<String>(bytes)?;
    let failed = |error: &dyn fmt::Display| {
        CodecError::new::<T>(format!(
            "it could not be fetched from the caller ({error}); it goes to one process once, so a call that is tried again \
             cannot have it"
        ))
    };
    let server = IpcSender::<Answer>::connect(name).map_err(|error| failed(&error))?;
    let (answer, answers) = ipc::channel::<OpaqueIpcReceiver>().map_err(|error| failed(&error))?;
    server.send(answer).map_err(|error| failed(&error))?;
    let waiting = answers.recv().map_err(|error| failed(&error))?;
    let Owned(argument) = waiting.to::<Owned<T>>().recv().map_err(|error| failed(&error))?;
    Ok((argument, used))
}

/// An error of [`handles::give`] that keeps its text.
#[derive(Debug)]
struct TextError(String);

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TextError {}

impl serde::ser::Error for TextError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}
