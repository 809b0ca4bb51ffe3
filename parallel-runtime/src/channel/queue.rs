//! A queue: many senders, many receivers, in any process.

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
use crate::wire::plain;

/// Passes messages between any number of senders and receivers in any processes.
///
/// Messages of one sender arrive in their order; each arrives once, whole or not at all. Messages wait in anonymous
/// shared memory, up to 16 GiB of them; a process never uses more than 1/64 of the address space that it has left for the
/// queue. That memory is in no core dump, and is not locked by `mlockall`. Clones, and queues that arrived as an argument,
/// a result or a message, are the same queue.
///
/// A queue cannot know that no more messages will come, because each receiver could also send. [`close`](Self::close) it,
/// or use [`channel`](super::channel) or [`duplex`](super::duplex), whose sending ends are distinct.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn square(numbers: Queue<u64>, squares: Queue<u64>) -> parallel::Result<(), String> {
///     for number in numbers.iter() {
///         squares.send(number * number).map_err(|error| error.to_string())?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> parallel::Result<()> {
/// let (numbers, squares) = (Queue::new()?, Queue::bounded(64)?);
/// let workers: Vec<_> = (0..2).map(|_| square.spawn(numbers.clone(), squares.clone())).collect();
/// for number in 1..=10 {
///     numbers.send(number)?;
/// }
/// numbers.close();
/// let mut sum = 0;
/// for _ in 1..=10 {
///     sum += squares.recv()?;
/// }
/// assert_eq!(sum, 385);
/// # for worker in workers { worker.join()?.unwrap(); }
/// # Ok(())
/// # }
/// ```
pub struct Queue<T> {
    shared: Arc<Shared>,
    messages: PhantomData<fn(T) -> T>,
}

#[derive(Debug)]
struct Shared {
    pipe: Pipe,
    wires: Wires,
    /// How many messages may wait.
    bound: usize,
}

impl<T> Queue<T> {
    fn with_bound(bound: usize) -> Result<Self> {
        let pipe = Pipe::create(bound, plain::size_of_number::<T>())?;
        let (into, out) = Wire::pair()?;
        let wires = Wires::new(Some(into), Some(out));
        Ok(Self { shared: Arc::new(Shared { pipe, wires, bound }), messages: PhantomData })
    }

    /// Makes a queue in which any number of messages may wait.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the system has no memory or descriptor left.
    ///
    /// # Examples
    ///
    /// See [`Queue`].
    pub fn new() -> Result<Self> {
        Self::with_bound(usize::MAX)
    }

    /// Makes a queue in which at most `bound` messages wait; senders wait for room.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for 0, and when the system has no memory or descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let queue = Queue::bounded(1)?;
    /// assert_eq!(queue.try_send("first".to_string())?, None);
    /// assert_eq!(queue.try_send("second".to_string())?.as_deref(), Some("second"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bounded(bound: usize) -> Result<Self> {
        if bound == 0 {
            return Err(Error::invalid("a queue needs room for at least one message: `bounded(0)`"));
        }
        Self::with_bound(bound)
    }

    /// Returns how many messages wait, of all senders.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// let queue = parallel::channel::Queue::new()?;
    /// queue.send(7)?;
    /// assert_eq!((queue.len(), queue.is_empty()), (1, false));
    /// # Ok(())
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.shared.pipe.len()
    }

    /// Returns whether no message waits.
    ///
    /// # Examples
    ///
    /// See [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the queue in all processes: sends give `Closed`, and receives too once the queue is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// let queue = parallel::channel::Queue::new()?;
    /// queue.send(7)?;
    /// queue.close();
    /// assert!(queue.send(8).is_err());
    /// assert_eq!(queue.iter().collect::<Vec<_>>(), [7]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.shared.pipe.close();
    }
}

impl<T: Serialize> Queue<T> {
    /// Sends a message; waits while the queue is full.
    ///
    /// # Errors
    ///
    /// The message, with `Closed` when the queue is closed, `Encode` when the message cannot be encoded (it then takes no
    /// room), or `InvalidInput` when it is larger than a queue can be.
    ///
    /// # Examples
    ///
    /// See [`Queue`].
    pub fn send(&self, message: T) -> std::result::Result<(), SendError<T>> {
        self.send_patiently(message, Patience::Endless).map(drop)
    }

    /// Sends a message if there is room; otherwise returns it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// See [`bounded`](Self::bounded).
    pub fn try_send(&self, message: T) -> std::result::Result<Option<T>, SendError<T>> {
        self.send_patiently(message, Patience::None)
    }

    /// Sends a message if there is room within `timeout`; otherwise gives it back.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # fn main() -> parallel::Result<()> {
    /// let queue = parallel::channel::Queue::bounded(1)?;
    /// queue.send(1)?;
    /// assert_eq!(queue.send_timeout(2, Duration::from_millis(10))?, Some(2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_timeout(&self, message: T, timeout: Duration) -> std::result::Result<Option<T>, SendError<T>> {
        self.send_patiently(message, Patience::timeout(timeout))
    }

    fn send_patiently(&self, message: T, patience: Patience) -> std::result::Result<Option<T>, SendError<T>> {
        let Shared { pipe, wires, bound } = &*self.shared;
        pipe.send_given(message, *bound, patience, wires)
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Receives a message; waits for one.
    ///
    /// # Errors
    ///
    /// `Closed` once the queue is closed and empty; `Decode` when the message cannot be decoded. The message is gone then.
    ///
    /// # Examples
    ///
    /// See [`Queue`].
    #[inline]
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
    /// let queue = parallel::channel::Queue::<u8>::new()?;
    /// assert_eq!(queue.try_recv()?, None);
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
    /// let queue = parallel::channel::Queue::<u8>::new()?;
    /// assert_eq!(queue.recv_timeout(Duration::from_millis(10))?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>> {
        self.recv_patiently(Patience::timeout(timeout))
    }

    fn recv_patiently(&self, patience: Patience) -> Result<Option<T>> {
        let Shared { pipe, wires, .. } = &*self.shared;
        pipe.receive(patience, wires)
    }

    /// Iterates over messages until the queue is closed and empty, or a message cannot be decoded.
    ///
    /// # Examples
    ///
    /// See [`close`](Self::close).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }
}

/// Gives the messages of a queue; see [`Queue::iter`].
///
/// # Examples
///
/// See [`Queue::close`].
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Queue<T>);

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a Queue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), messages: PhantomData }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).field("closed", &self.shared.pipe.is_closed()).finish()
    }
}

impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Shared { pipe, wires, bound } = &*self.shared;
        let wire = |wire: &Option<Wire>| match wire {
            Some(wire) => handles::give(Handle::Descriptor(Arc::clone(wire.descriptor()))),
            None => Err(serde::ser::Error::custom("a queue without its wires")),
        };
        let region = handles::give(Handle::Memory(Arc::clone(pipe.region())))?;
        (region, wire(&wires.into)?, wire(&wires.out)?, *bound as u64).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (region, into, out, bound) = <(u32, u32, u32, u64)>::deserialize(deserializer)?;
        let pipe = Pipe::open(handles::take_memory(region)?).ok_or_else(|| D::Error::custom("not a queue's memory"))?;
        let wires =
            Wires::new(Some(Wire::of(handles::take_descriptor(into)?)), Some(Wire::of(handles::take_descriptor(out)?)));
        let bound = usize::try_from(bound).unwrap_or(usize::MAX);
        Ok(Self { shared: Arc::new(Shared { pipe, wires, bound }), messages: PhantomData })
    }
}
