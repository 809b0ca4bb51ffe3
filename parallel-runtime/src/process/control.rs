//! The control channel between a parent and one worker: few, small, whole messages, and descriptors.
//!
//! A process's life on it: the parent puts an [`Assignment`] into the socket before the process is started; the worker
//! answers with [`Report`]s. The end of either side closes it, which the other sees.

use std::io;
use std::sync::Mutex;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sys::memory::{self, Block};
use crate::sys::socket::{Identity, Received, Socket};
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};
use crate::tuning;
use crate::wire::codec;
use crate::wire::handles::Ids;
use crate::wire::outcome::CallFailure;

/// The longest message: what travels inline, and what is around it.
const LONGEST: usize = 2 * tuning::INLINE;

/// Where a message arrives. Of such memory a process has the pages only that it has written to; to clear as much from the
/// heap takes a new process longer than all else about its first message.
static ROOM: Mutex<[u8; LONGEST]> = Mutex::new([0; LONGEST]);

/// Bytes that travel in the message, or as a block behind its last descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Body {
    Inline(Vec<u8>),
    Block { len: u64 },
}

impl Body {
    /// Chooses by size for `parts`, one behind the other. A block is to be sent along: it is `spare` filled anew, or a new one,
    /// and stays in `spare`.
    pub(crate) fn pack<'b>(parts: &[&[u8]], spare: &'b mut Option<Block>) -> io::Result<(Self, Option<&'b Block>)> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len <= tuning::INLINE {
            return Ok((Self::Inline(parts.concat()), None));
        }
        let block = match spare.take() {
            Some(block) => block,
            None => Block::new()?,
        };
        block.fill(parts)?;
        Ok((Self::Block { len: len as u64 }, Some(spare.insert(block))))
    }

    /// The bytes, with the descriptors that came along.
    pub(crate) fn unpack(self, descriptors: &mut Vec<Descriptor>) -> io::Result<Vec<u8>> {
        match self {
            Self::Inline(bytes) => Ok(bytes),
            Self::Block { len } => {
                // The kernel closes descriptors beyond the receiver's limit (unix(7), `SCM_RIGHTS`).
                let block = descriptors.pop().ok_or_else(|| {
                    io::Error::other("no descriptor was free to receive it; raise the limit (`ulimit -n`)")
                })?;
                memory::read_block(block, usize::try_from(len).map_err(io::Error::other)?)
            }
        }
    }
}

/// A block that was sent before, to be filled again once its parcel is over.
pub(crate) struct SpareBlock {
    pub(crate) block: Block,
    /// The parcel that it holds, or held.
    pub(crate) parcel: u64,
    pub(crate) since: Instant,
}

/// What a descriptor in a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HandleKind {
    Shared,
    InParts,
    Frozen,
    Descriptor,
    Bulk,
}

/// One descriptor in a message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) kind: HandleKind,
}

/// A payload in a message: the bytes, and the numbers of the handles that were sent ahead.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) body: Body,
    pub(crate) handles: Ids,
}

/// A function and its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) function: u64,
    /// The call's name where it is not the function's.
    pub(crate) name: Option<String>,
    pub(crate) arguments: Package,
}

/// What a new process is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Assignment {
    /// One call, then the end. The machine's workers are shared among so many processes like this one.
    Call { invocation: Invocation, share: u64 },
    /// A pool's worker. Its descriptors: the lane, the bell, the event; then the block of the initializer's arguments.
    Serve {
        index: u64,
        /// How many workers served in its place before it.
        generation: u32,
        /// The machine's workers are shared among so many processes like this one.
        share: u64,
        initializer: Option<Invocation>,
    },
}

/// What a new process finds in its channel: handles that the assignment names, then the assignment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Opening {
    Handles(Vec<Note>),
    Assignment(Assignment),
}

/// What a parent sends to its pool's worker later.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// Handles that coming parcels name.
    Handles(Vec<Note>),
    /// The parcel with this number, which was too large for the lane.
    Parcel { number: u64, body: Body },
    /// Memory that its last user here has dropped.
    Forget(u64),
}

/// What a worker tells its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The call is about to run; the pool's worker is ready.
    Started,
    /// The call's result.
    Value(Package),
    /// Why the call, or the pool's initializer, gave none.
    Failed(CallFailure),
    /// Why this process cannot be a worker at all.
    Refused(String),
    /// The value of this item of the parcel with this number, or its failure, which was too large for the lane or has
    /// handles.
    Large { parcel: u64, item: u32, package: Package, failed: bool },
    /// Handles that coming reports name.
    Handles(Vec<Note>),
}

/// What was in the channel.
#[derive(Debug)]
pub(crate) enum Incoming<M> {
    Message(M, Vec<Descriptor>),
    Nothing,
    End,
}

/// One side of the channel.
#[derive(Debug)]
pub(crate) struct Control {
    socket: Socket,
    identity: Option<Identity>,
}

impl Control {
    pub(crate) fn new(socket: Socket) -> Self {
        let identity = socket.identity();
        Self { socket, identity }
    }

    /// Closes it; what was sent to this side can still be received.
    pub(crate) fn shut(&self) -> io::Result<()> {
        self.socket.shut()
    }

    /// Whether its descriptor is still the one it was: a task may close what it finds.
    pub(crate) fn is_intact(&self) -> bool {
        self.socket.identity() == self.identity
    }

    /// Sends a message. `wait`: until there is room; otherwise `WouldBlock`.
    pub(crate) fn send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedDescriptor<'_>],
        wait: bool,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        codec::encode(message, &mut bytes).map_err(io::Error::other)?;
        if bytes.len() > LONGEST {
            let text = format!("a message of {} bytes: the name of a call is too long", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.socket.send(&bytes, descriptors, wait)
    }

    /// Waits for a few bytes that are no encoded message.
    pub(crate) fn receive_bytes(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.receive(buffer, true)
    }

    /// Sends a few bytes that are no encoded message.
    pub(crate) fn send_bytes(&self, bytes: &[u8], descriptors: &[BorrowedDescriptor<'_>]) -> io::Result<()> {
        self.socket.send(bytes, descriptors, false)
    }

    /// Receives a message; what does not read as one is an error.
    pub(crate) fn receive<M: DeserializeOwned>(&self, wait: bool) -> io::Result<Incoming<M>> {
        // A second thread, which is rare, takes memory of its own: the first may wait here for long.
        let (mut common, mut own) = (ROOM.try_lock(), Vec::new());
        let buffer = match &mut common {
            Ok(room) => room.as_mut_slice(),
            Err(_) => {
                own.resize(LONGEST, 0);
                &mut own
            }
        };
        match self.socket.receive(buffer, wait)? {
            Received::Nothing => Ok(Incoming::Nothing),
            Received::End => Ok(Incoming::End),
            Received::Message { len, descriptors } => {
                let message = codec::decode_whole(&buffer[..len])
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                Ok(Incoming::Message(message, descriptors))
            }
        }
    }
}

impl AsDescriptor for Control {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_> {
        self.socket.as_descriptor()
    }
}

/// The descriptors of an optional block, for a message.
pub(crate) fn borrowed(block: Option<&Block>) -> Vec<BorrowedDescriptor<'_>> {
    block.map(AsDescriptor::as_descriptor).into_iter().collect()
}
