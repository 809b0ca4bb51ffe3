//! Large rows of numbers and texts: each travels in memory of its own, which is written once and read once.
//!
//! ```text
//! memory   row's number u64 | length u64, of the row | … | the row, from 64 KiB on
//! ```
//!
//! Memory that was written once is written again in a tenth of the time. So the sender of a row keeps its memory for a
//! while, and uses it for another row once this process holds it no more and the receiver has put 0 in the place of the
//! row's number. Both sides keep it mapped meanwhile: to map it and unmap it takes as long as to copy the row. The descriptor
//! travels with each row, so neither side needs to know what the other keeps.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::poison::lock;
use crate::sys::bytes::SharedBytes;
use crate::sys::memory::{self, FileIdentity, Mapping, Use};
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};
use crate::tuning::{BULK_ROWS, MAPPED_ROWS};

/// Room for the words, and a page of any machine, so that the row starts on one; what is not touched takes no memory.
const HEAD: usize = 64 << 10;

/// The words in front of a row.
#[repr(C)]
struct Words {
    /// The number of the row; 0 once its receiver has no use for it any more.
    row: AtomicU64,
    len: AtomicU64,
}

fn words(head: &Mapping) -> &Words {
    // SAFETY: the mapping is page-aligned, longer than the words, and lives as long as the borrow. The words are atomic:
    // any process may write them, and any bits are a value.
    unsafe { &*head.as_ptr().cast::<Words>() }
}

/// A row on its way to another process.
#[derive(Debug)]
pub(crate) struct Bulk {
    memory: Descriptor,
    head: Mapping,
    /// The number of the row that is in it.
    number: AtomicU64,
    written: Mutex<Written>,
}

/// What rows have taken of their memory.
#[derive(Debug, Default)]
struct Written {
    /// The longest row so far, in bytes: so many are there.
    len: usize,
    /// The place of rows, up to the longest or an earlier one. It is mapped when a second row is written.
    place: Option<Mapping>,
}

impl Bulk {
    fn new() -> io::Result<Self> {
        let memory = memory::create_growing(HEAD)?;
        let head = Mapping::shared(memory.as_descriptor(), HEAD)?;
        Ok(Self { memory, head, number: AtomicU64::new(0), written: Mutex::default() })
    }

    fn fill(&self, row: &[u8]) -> io::Result<()> {
        let number = memory::random_id()?;
        let words = words(&self.head);
        words.len.store(row.len() as u64, Relaxed);
        self.write(row)?;
        words.row.store(number, Release);
        self.number.store(number, Relaxed);
        Ok(())
    }

    /// Copies a row to its place. What was never written is written by a system call, which fails where there is no memory: a store
    /// would end the process.
    fn write(&self, row: &[u8]) -> io::Result<()> {
        let mut written = lock(&self.written);
        let known = written.len.min(row.len());
        if known > 0 && written.place.as_ref().is_none_or(|place| place.len() < known) {
            // The former one first: both would take twice the address space.
            written.place = None;
            written.place = Mapping::behind(self.memory.as_descriptor(), HEAD, written.len, Use::Write).ok();
        }
        let at = match &written.place {
            Some(place) if known > 0 => {
                place.bytes().range(0, known).copy_from(&row[..known]);
                known
            }
            _ => 0,
        };
        if at < row.len() {
            memory::write_at(self.memory.as_descriptor(), &row[at..], (HEAD + at) as u64)?;
        }
        written.len = written.len.max(row.len());
        Ok(())
    }

    /// Marks the memory as in use, because the row is sent, perhaps once more; returns the row's number.
    pub(crate) fn announce(&self) -> u64 {
        let number = self.number.load(Relaxed);
        words(&self.head).row.store(number, Release);
        number
    }
}

impl Bulk {
    /// The row as it arrives, for a receiver in this process.
    pub(crate) fn arrive_here(&self) -> io::Result<Arrived> {
        Arrived::open(self.announce(), self.memory.try_clone()?)
    }
}

impl AsDescriptor for Bulk {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_> {
        self.memory.as_descriptor()
    }
}

/// Memory of rows, and when it was used last.
struct Kept<T> {
    memory: Arc<T>,
    since: Instant,
}

/// Memory for rows that leave this process.
static KEPT: Mutex<Vec<Kept<Bulk>>> = Mutex::new(Vec::new());
/// Memory in which rows have arrived, as it is mapped here.
static MAPPED: Mutex<Vec<Kept<Arrival>>> = Mutex::new(Vec::new());
/// Whether any memory is kept: spares [`let_go`] the locks where none is.
static ANY: AtomicBool = AtomicBool::new(false);

/// Puts a row into memory that can be sent; `None` where it must travel in another way.
pub(crate) fn load(row: &[u8]) -> Option<Arc<Bulk>> {
    if !is_own() {
        return None;
    }
    let bulk = {
        let mut kept = lock(&KEPT);
        let is_free = |kept: &Kept<Bulk>| Arc::strong_count(&kept.memory) == 1 && !is_busy(&kept.memory);
        match kept.iter().position(is_free) {
            Some(free) => {
                kept[free].since = Instant::now();
                Arc::clone(&kept[free].memory)
            }
            None if kept.len() < BULK_ROWS => {
                let bulk = Arc::new(Bulk::new().ok()?);
                kept.push(Kept { memory: Arc::clone(&bulk), since: Instant::now() });
                ANY.store(true, Relaxed);
                bulk
            }
            None => return None,
        }
    };
    tell_kept();
    // Where there is no memory for the row, the other way may need less, or gives the error.
    bulk.fill(row).ok().map(|()| bulk)
}

fn tell_kept() {
    if let Some(hook) = KEEPS.get() {
        hook();
    }
}

/// What is called when memory is kept, because it is to be given back some time.
static KEEPS: OnceLock<fn()> = OnceLock::new();

/// Sets what is called when memory is kept, so that [`let_go`] is called some time; called at once where some is kept already. The
/// first hook counts.
pub(crate) fn on_keep(hook: fn()) {
    if KEEPS.set(hook).is_ok() && ANY.load(Relaxed) {
        hook();
    }
}

/// Whether the memory that is kept is this process's: a forked process has a copy of the list, but shares the memory in it
/// with the process that it was forked from.
fn is_own() -> bool {
    static OWNER: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id();
    OWNER.compare_exchange(0, own, Relaxed, Relaxed).map_or_else(|owner| owner == own, |_| true)
}

fn is_busy(bulk: &Bulk) -> bool {
    words(&bulk.head).row.load(Acquire) != 0
}

/// Gives back memory that this process holds no more and that no row was put into for `patience`, or came in; says when to look
/// again, if some is left.
pub(crate) fn let_go(patience: Duration) -> Option<Instant> {
    if !ANY.load(Relaxed) {
        return None;
    }
    let (mut kept, mut mapped) = (lock(&KEPT), lock(&MAPPED));
    let now = Instant::now();
    let next = [forget_old(&mut kept, patience, now), forget_old(&mut mapped, patience, now)];
    ANY.store(!(kept.is_empty() && mapped.is_empty()), Relaxed);
    next.into_iter().flatten().min()
}

fn forget_old<T>(kept: &mut Vec<Kept<T>>, patience: Duration, now: Instant) -> Option<Instant> {
    // A row that waits to be sent or read still holds its memory.
    let in_use = |kept: &Kept<T>| Arc::strong_count(&kept.memory) > 1;
    kept.retain(|kept| in_use(kept) || now.duration_since(kept.since) < patience);
    kept.iter().map(|kept| if in_use(kept) { now } else { kept.since } + patience).min()
}

/// Memory in which rows arrive.
#[derive(Debug)]
struct Arrival {
    identity: FileIdentity,
    head: Mapping,
    /// The place of rows, up to the longest so far.
    row: Mapping,
}

impl Arrival {
    /// Maps memory that another process has filled.
    fn map(identity: FileIdentity, memory: BorrowedDescriptor<'_>) -> io::Result<Self> {
        memory::check_not_shrinking(memory)?;
        let head = Mapping::shared(memory, HEAD)?;
        let row = Mapping::behind(memory, HEAD, len_in(&head)?, Use::Read)?;
        Ok(Self { identity, head, row })
    }

    /// The same as it is mapped here, unless the row in it is longer than those before.
    fn find(memory: BorrowedDescriptor<'_>) -> io::Result<Arc<Self>> {
        let identity = memory::identity(memory)?;
        if !is_own() {
            return Ok(Arc::new(Self::map(identity, memory)?));
        }
        let mut mapped = lock(&MAPPED);
        if let Some(place) = mapped.iter().position(|kept| kept.memory.identity == identity) {
            let kept = &mut mapped[place];
            if len_in(&kept.memory.head)? <= kept.memory.row.len() {
                kept.since = Instant::now();
                return Ok(Arc::clone(&kept.memory));
            }
            // Before it is mapped anew: both would take twice the address space.
            mapped.swap_remove(place);
        }
        let arrival = Arc::new(Self::map(identity, memory)?);
        if mapped.len() < MAPPED_ROWS {
            mapped.push(Kept { memory: Arc::clone(&arrival), since: Instant::now() });
            ANY.store(true, Relaxed);
            drop(mapped);
            tell_kept();
        }
        Ok(arrival)
    }
}

/// The length of the row that is in memory.
fn len_in(head: &Mapping) -> io::Result<usize> {
    usize::try_from(words(head).len.load(Acquire)).map_err(io::Error::other)
}

/// A row that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The process where it arrived.
    owner: u32,
    number: u64,
    len: usize,
    memory: Arc<Arrival>,
}

impl Arrived {
    /// Finds the row with this number in memory that another process has filled.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the memory is too short, or may shrink: its maker could take mapped pages away.
    pub(crate) fn open(number: u64, memory: Descriptor) -> io::Result<Self> {
        let memory = Arrival::find(memory.as_descriptor())?;
        let len = len_in(&memory.head)?;
        if len == 0 || len > memory.row.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row that changed its length on the way"));
        }
        Ok(Self { owner: std::process::id(), number, len, memory })
    }

    /// The row's bytes. `None` in a process that was forked from the one where it arrived: once that one has read the row,
    /// another may be in the memory.
    pub(crate) fn bytes(&self) -> Option<SharedBytes<'_>> {
        self.is_here().then(|| self.memory.row.bytes().range(0, self.len))
    }

    /// Whether this is the process where it arrived, and not one that was forked from it.
    pub(crate) fn is_here(&self) -> bool {
        self.owner == std::process::id()
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if !self.is_here() {
            // The row belongs to the process that this one was forked from, which may still need it.
            return;
        }
        // There may be another row in it by now, if this one was sent and taken back.
        let _ = words(&self.memory.head).row.compare_exchange(self.number, 0, Release, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(bulk: &Bulk) -> Arrived {
        bulk.arrive_here().unwrap()
    }

    // One test: the memory that is kept is the process's.
    #[test]
    fn memory_is_taken_again_once_both_sides_are_through_with_it() {
        let bulk = load(b"first").unwrap();
        let row = arrived(&bulk);
        assert_eq!(row.bytes().unwrap().to_vec(), b"first");
        let address = Arc::as_ptr(&bulk);
        drop(bulk);
        let second = load(b"second").unwrap();
        assert!(!std::ptr::eq(address, Arc::as_ptr(&second)), "its receiver reads it still");
        drop(row);
        let third = load(b"third").unwrap();
        assert!(std::ptr::eq(address, Arc::as_ptr(&third)));
        assert_eq!(arrived(&third).bytes().unwrap().to_vec(), b"third");
        // Its receiver is through with it, but it may be sent to another.
        assert!(!std::ptr::eq(address, Arc::as_ptr(&load(b"fourth").unwrap())));
        let all: Vec<_> = std::iter::from_fn(|| load(b"more")).collect();
        assert!(all.len() < BULK_ROWS, "{}", all.len());
        drop(all);
        assert!(let_go(Duration::from_secs(60)).is_some());
        drop(third);
        // One is still to be sent.
        assert!(let_go(Duration::ZERO).is_some());
        assert_eq!(lock(&KEPT).len(), 1);
        // One that comes too late sets nothing free but its own row.
        let late = arrived(&second);
        second.fill(b"again").unwrap();
        drop(late);
        assert!(is_busy(&second));
        // And one that is sent once more is in use once more.
        let number = second.announce();
        drop(arrived(&second));
        assert!(!is_busy(&second));
        assert_eq!(second.announce(), number);
        assert!(is_busy(&second));
        // What is on its way is not harmed.
        assert_eq!(arrived(&second).bytes().unwrap().to_vec(), b"again");
        drop(second);
        assert!(let_go(Duration::ZERO).is_none());
    }

    #[test]
    fn other_memory_is_refused() {
        let memory = memory::create_growing(HEAD).unwrap();
        let head = Mapping::shared(memory.as_descriptor(), HEAD).unwrap();
        words(&head).len.store(1, Relaxed);
        assert!(Arrived::open(1, memory).is_err(), "longer than it is");
        let file = tempfile();
        assert!(Arrived::open(1, file).is_err(), "it could be cut short");
    }

    fn tempfile() -> Descriptor {
        let path = std::env::temp_dir().join(format!("parallel-bulk-{}", std::process::id()));
        std::fs::write(&path, [0; HEAD]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.into()
    }
}
