//! Channels with distinct ends: one way ([`channel`]) and both ways ([`duplex`]).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::SendError;
use super::patience::Patience;
use super::pipe::Pipe;
use super::sockets::{Wire, Wires};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::handles::{self, Handle};

/// One end of a pipe in this process.
#[derive(Debug)]
struct PipeEnd {
    pipe: Pipe,
    wires: Wires,
}

impl PipeEnd {
    /// The wire that this end holds: the sending one, or the receiving one.
    fn wire(&self) -> Option<&Wire> {
        self.wires.into.as_ref().or(self.wires.out.as_ref())
    }

    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let wire = self.wire().ok_or_else(|| serde::ser::Error::custom("an end without its wire"))?;
        let region = handles::give(Handle::Memory(Arc::clone(self.pipe.region())))?;
        let wire = handles::give(Handle::Descriptor(Arc::clone(wire.descriptor())))?;
        (region, wire).serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        wires: impl FnOnce(Wire) -> Wires,
    ) -> std::result::Result<Self, D::Error> {
        let (region, wire) = <(u32, u32)>::deserialize(deserializer)?;
        let pipe =
            Pipe::open(handles::take_memory(region)?).ok_or_else(|| D::Error::custom("not a channel's memory"))?;
        Ok(Self { pipe, wires: wires(Wire::of(handles::take_descriptor(wire)?)) })
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        // The wire first: waiters that `note_drop` wakes must see it gone.
        self.wires.into = None;
        self.wires.out = None;
        self.pipe.note_drop();
    }
}

/// The sending end of a [`channel`].
///
/// Clones, and copies passed to other processes, are the same end. The end is closed when all of them are gone.
///
/// # Examples
///
/// See [`channel`].
pub struct Sender<T> {
    end: Arc<PipeEnd>,
    messages: PhantomData<fn(T)>,
}

/// The receiving end of a [`channel`].
///
/// Clones, and copies passed to other processes, are the same end; each message goes to one of them. The end is closed when
/// all of them are gone.
///
/// # Examples
///
/// See [`channel`].
pub struct Receiver<T> {
    end: Arc<PipeEnd>,
    messages: PhantomData<fn() -> T>,
}

/// Makes a channel for messages one way, in which any number of them may wait, up to 16 GiB.
///
/// An end is closed when all its clones in all processes are gone, those of killed processes included: then sends give
/// `Closed`, and receives too once what was sent has arrived.
///
/// # Errors
///
/// `InvalidInput` when the system has no memory or descriptor left.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::channel::{Sender, channel};
///
/// #[parallel]
/// fn count(to: u32, results: Sender<u32>) {
///     for number in 1..=to {
///         results.send(number).unwrap();
///     }
/// }
///
/// # fn main() -> parallel::Result<()> {
/// let (sender, receiver) = channel()?;
/// let handle = count.spawn(3, sender.clone());
/// drop(sender);
/// assert_eq!([receiver.recv()?, receiver.recv()?, receiver.recv()?], [1, 2, 3]);
/// assert!(matches!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed));
/// handle.join()
/// # }
/// ```
pub fn channel<T>() -> Result<(Sender<T>, Receiver<T>)> {
    let pipe = Pipe::create(usize::MAX, None)?;
    let other = pipe.again();
    let (into, out) = Wire::pair()?;
    let sender = PipeEnd { pipe, wires: Wires::new(Some(into), None) };
    let receiver = PipeEnd { pipe: other, wires: Wires::new(None, Some(out)) };
    Ok((
        Sender { end: Arc::new(sender), messages: PhantomData },
        Receiver { end: Arc::new(receiver), messages: PhantomData },
    ))
}

impl<T: Serialize> Sender<T> {
    /// Sends a message; never waits for a receiver.
    ///
    /// # Errors
    ///
    /// The message, with `Closed` when no receiver is left (a killed receiver may be noticed a millisecond later), `Encode`
    /// when the message cannot be encoded, or `InvalidInput` when it is larger than a channel can be.
    ///
    /// # Examples
    ///
    /// See [`channel`].
    pub fn send(&self, message: T) -> std::result::Result<(), SendError<T>> {
        let PipeEnd { pipe, wires } = &*self.end;
        pipe.send_given(message, usize::MAX, Patience::Endless, wires).map(drop)
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives a message; waits for one.
    ///
    /// # Errors
    ///
    /// `Closed` when no sender is left and no message waits; `Decode` when the message cannot be decoded. The message is
    /// gone then.
    ///
    /// # Examples
    ///
    /// See [`channel`].
    pub fn recv(&self) -> Result<T> {
        self.recv_patiently(Patience::Endless)?.ok_or_else(|| Error::new(ErrorKind::Closed))
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// let (sender, receiver) = parallel::channel::channel()?;
    /// assert_eq!(receiver.try_recv()?, None);
    /// sender.send(1)?;
    /// assert_eq!(receiver.try_recv()?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_recv(&self) -> Result<Option<T>> {
        self.recv_patiently(Patience::None)
    }

    /// Receives a message if there is one within `timeout`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # fn main() -> parallel::Result<()> {
    /// let (_sender, receiver) = parallel::channel::channel::<u8>()?;
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(10))?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>> {
        self.recv_patiently(Patience::timeout(timeout))
    }

    fn recv_patiently(&self, patience: Patience) -> Result<Option<T>> {
        self.end.pipe.receive(patience, &self.end.wires)
    }
}

/// One side of a [`duplex`] channel: sends `S`, receives `R`.
///
/// # Examples
///
/// See [`duplex`].
pub struct Duplex<S, R> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

/// Makes a channel for messages both ways: what one side sends, the other receives.
///
/// Neither direction waits for the other, so both sides may send any amount at once. A side is closed when all its clones
/// in all processes are gone.
///
/// # Errors
///
/// `InvalidInput` when the system has no memory or descriptor left.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::channel::Duplex;
///
/// #[parallel]
/// fn shout(side: Duplex<String, String>) {
///     while let Ok(text) = side.recv() {
///         side.send(text.to_uppercase()).unwrap();
///     }
/// }
///
/// # fn main() -> parallel::Result<()> {
/// let (mine, theirs) = duplex::<String, String>()?;
/// let handle = shout.spawn(theirs.clone());
/// drop(theirs);
/// mine.send("hello".to_string())?;
/// assert_eq!(mine.recv()?, "HELLO");
/// drop(mine);
/// handle.join()
/// # }
/// ```
pub fn duplex<S, R>() -> Result<(Duplex<S, R>, Duplex<R, S>)> {
    let (there, from_here) = channel()?;
    let (back, from_there) = channel()?;
    Ok((Duplex { sender: there, receiver: from_there }, Duplex { sender: back, receiver: from_here }))
}

impl<S: Serialize, R> Duplex<S, R> {
    /// Sends a message to the other side; never waits for that side.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    ///
    /// # Examples
    ///
    /// See [`duplex`].
    pub fn send(&self, message: S) -> std::result::Result<(), SendError<S>> {
        self.sender.send(message)
    }
}

impl<S, R: DeserializeOwned> Duplex<S, R> {
    /// Receives a message from the other side; waits for one.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    ///
    /// # Examples
    ///
    /// See [`duplex`].
    pub fn recv(&self) -> Result<R> {
        self.receiver.recv()
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    ///
    /// # Examples
    ///
    /// See [`Receiver::try_recv`].
    pub fn try_recv(&self) -> Result<Option<R>> {
        self.receiver.try_recv()
    }

    /// Receives a message if there is one within `timeout`.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    ///
    /// # Examples
    ///
    /// See [`Receiver::recv_timeout`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<R>> {
        self.receiver.recv_timeout(timeout)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { end: Arc::clone(&self.end), messages: PhantomData }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { end: Arc::clone(&self.end), messages: PhantomData }
    }
}

impl<S, R> Clone for Duplex<S, R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("waiting", &self.end.pipe.len()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("waiting", &self.end.pipe.len()).finish()
    }
}

impl<S, R> fmt::Debug for Duplex<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").field("sender", &self.sender).field("receiver", &self.receiver).finish()
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.end.serialize(serializer)
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.end.serialize(serializer)
    }
}

impl<S, R> Serialize for Duplex<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> std::result::Result<Z::Ok, Z::Error> {
        (&self.sender, &self.receiver).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let end = PipeEnd::deserialize(deserializer, |wire| Wires::new(Some(wire), None))?;
        Ok(Self { end: Arc::new(end), messages: PhantomData })
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let end = PipeEnd::deserialize(deserializer, |wire| Wires::new(None, Some(wire)))?;
        Ok(Self { end: Arc::new(end), messages: PhantomData })
    }
}

impl<'de, S, R> Deserialize<'de> for Duplex<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (sender, receiver) = Deserialize::deserialize(deserializer)?;
        Ok(Self { sender, receiver })
    }
}
