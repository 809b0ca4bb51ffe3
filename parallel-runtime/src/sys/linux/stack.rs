//! The stack of a thread: how much of it is left, and a larger stack of our own to run something on.
//!
//! A larger stack is address space that takes memory as it is touched, with a guard below it. What runs there is the same
//! thread, with its thread-locals; only the stack pointer is elsewhere. A panic is carried back by value.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::limits::{self, UserLimit};
use crate::tuning::{GUARD, LEAST_LARGER_STACK, PART_OF_STACK};

/// The address of the stack's end, as far as it has grown by now.
#[inline(always)]
pub(crate) fn here() -> usize {
    let mark = 0_u8;
    ptr::from_ref(&mark).addr()
}

/// The stack that a thread is on.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    lowest: usize,
    end: usize,
    origin: Origin,
}

/// Where a stack is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A larger one of ours.
    Ours,
    /// The system's. `limit`: the limit of stacks when the bounds were asked for, which the first thread's stack follows.
    System { limit: Option<u64> },
}

thread_local! {
    /// The stack that this thread was last seen to be on.
    static BOUNDS: Cell<Option<Bounds>> = const { Cell::new(None) };
}

/// The addresses of the stack that the calling thread is on; `None`: neither this module nor the system knows that stack.
pub(crate) fn bounds() -> Option<Range<usize>> {
    let limit = || Origin::System { limit: limits::of(UserLimit::Stack) };
    let bounds = match BOUNDS.get().filter(|bounds| bounds.origin == Origin::Ours || bounds.origin == limit()) {
        Some(bounds) => bounds,
        None => {
            let found = thread_bounds()?;
            let bounds = Bounds { lowest: found.start, end: found.end, origin: limit() };
            BOUNDS.set(Some(bounds));
            bounds
        }
    };
    let bounds = bounds.lowest..bounds.end;
    bounds.contains(&here()).then_some(bounds)
}

/// The stack that the system gave to this thread.
fn thread_bounds() -> Option<Range<usize>> {
    // SAFETY: plain data, for which zeros are as good as anything; it is filled in below.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: tells which thread runs, and nothing else.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: of the running thread, into memory of the right type.
    if unsafe { libc::pthread_getattr_np(thread, &raw mut attributes) } != 0 {
        return None;
    }
    let (mut start, mut len, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: attributes that were filled in, and places for what is asked for.
    let stack = unsafe { libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut len) };
    // SAFETY: as above.
    let guarded = unsafe { libc::pthread_attr_getguardsize(&raw const attributes, &raw mut guard) };
    // SAFETY: filled in above, and not used again.
    unsafe { libc::pthread_attr_destroy(&raw mut attributes) };
    let lowest = start.addr();
    // Before 2.27 glibc counted the guard in (its bug 22637).
    (stack == 0 && guarded == 0).then(|| lowest.saturating_add(guard)..lowest.saturating_add(len))
}

/// A larger stack of our own, for one thing at a time.
#[derive(Debug)]
pub(crate) struct Stack {
    start: NonNull<u8>,
    len: usize,
}

impl Stack {
    /// Maps a stack of about `wanted` bytes; of less where limits allow no more.
    pub(crate) fn new(wanted: usize) -> io::Result<Self> {
        let mut len = wanted.min(room()).max(LEAST_LARGER_STACK).next_multiple_of(GUARD);
        loop {
            match Self::map(len) {
                Err(_) if len > LEAST_LARGER_STACK => len = (len / PART_OF_STACK).max(LEAST_LARGER_STACK),
                outcome => return outcome,
            }
        }
    }

    fn map(len: usize) -> io::Result<Self> {
        let whole = GUARD + len;
        // Inaccessible, so that the kernel does not fill it at once where the program locks all its memory.
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: a fresh mapping, at an address that the kernel chooses.
        let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), whole, ProtFlags::empty(), flags) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // From here on it is unmapped again, whatever comes.
        let stack = Self { start, len: whole };
        // SAFETY: inside the mapping, behind the guard.
        let open = unsafe { start.as_ptr().add(GUARD) }.cast();
        // SAFETY: inside the mapping above, which only this function uses yet. Where nothing is locked nothing changes.
        let _ = unsafe { rustix::mm::munlock(open, len) };
        // SAFETY: as above.
        unsafe { rustix::mm::mprotect(open, len, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(stack)
    }

    /// How many bytes can be used.
    pub(crate) fn len(&self) -> usize {
        self.len - GUARD
    }

    /// Runs `body` on this stack; a panic in it goes on here.
    pub(crate) fn run<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let mut outcome = None;
        let mut body = Some(body);
        let lowest = self.start.as_ptr().addr() + GUARD;
        let before = BOUNDS.replace(Some(Bounds { lowest, end: lowest + self.len(), origin: Origin::Ours }));
        // SAFETY: the end of the mapping.
        let end = unsafe { self.start.as_ptr().add(self.len) };
        call_on(end, &mut || {
            if let Some(body) = body.take() {
                outcome = Some(panic::catch_unwind(AssertUnwindSafe(body)));
            }
        });
        BOUNDS.set(before);
        match outcome {
            Some(Ok(value)) => value,
            Some(Err(payload)) => panic::resume_unwind(payload),
            None => unreachable!("what was called has run"),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, on which nothing runs any more: `run` borrows it.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// How many bytes of address space a larger stack may take.
fn room() -> usize {
    let Some(limit) = limits::of(UserLimit::AddressSpace) else { return usize::MAX };
    let used = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = used.as_deref().and_then(|text| text.split(' ').next()).and_then(|pages| pages.parse::<u64>().ok());
    let used = pages.map_or(limit / 2, |pages| pages.saturating_mul(rustix::param::page_size() as u64));
    usize::try_from(limit.saturating_sub(used) / PART_OF_STACK as u64).unwrap_or(usize::MAX)
}

/// What is called on another stack.
struct Call<'a>(&'a mut dyn FnMut());

/// Calls `body`, which does not panic, with the stack pointer at `end`.
fn call_on(end: *mut u8, body: &mut dyn FnMut()) {
    extern "C" fn enter(call: *mut c_void) {
        // SAFETY: `call_on` passes its own live local, and waits on the other stack while this uses it.
        let Call(body) = unsafe { &mut *call.cast::<Call<'_>>() };
        // `body` does not panic; should it, the process ends, and nothing unwinds into another stack.
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(body)) {
            abort(payload);
        }
    }
    let mut call = Call(body);
    // SAFETY: `end` is the end of a stack that `Stack::run` has for itself, aligned as a page is; `enter` does not unwind.
    unsafe { parallel_runtime_call_on((&raw mut call).cast(), enter, end) };
}

#[cold]
fn abort(payload: Box<dyn Any + Send>) -> ! {
    std::mem::forget(payload);
    std::process::abort()
}

unsafe extern "C" {
    /// Calls `enter(call)` with the stack pointer at `end`, and returns on the stack that it was called on.
    fn parallel_runtime_call_on(call: *mut c_void, enter: extern "C" fn(*mut c_void), end: *mut u8);
}

// The frame pointer, which the callee preserves, keeps the former stack pointer, and tells unwinders where the stack goes
// on.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.parallel_runtime_call_on,\"ax\",@progbits",
    ".globl parallel_runtime_call_on",
    ".hidden parallel_runtime_call_on",
    ".type parallel_runtime_call_on,@function",
    ".p2align 4",
    "parallel_runtime_call_on:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rdx",
    "call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size parallel_runtime_call_on, .-parallel_runtime_call_on",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.parallel_runtime_call_on,\"ax\",@progbits",
    ".globl parallel_runtime_call_on",
    ".hidden parallel_runtime_call_on",
    ".type parallel_runtime_call_on,@function",
    ".p2align 4",
    "parallel_runtime_call_on:",
    ".cfi_startproc",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    ".cfi_def_cfa x29, 16",
    "mov sp, x2",
    "blr x1",
    "mov sp, x29",
    ".cfi_def_cfa sp, 16",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_endproc",
    ".size parallel_runtime_call_on, .-parallel_runtime_call_on",
    ".popsection",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panic::catch;

    /// Goes so many levels down, some hundred bytes each.
    fn down(levels: usize) -> usize {
        let kept = std::hint::black_box([levels; 32]);
        if levels == 0 { 0 } else { down(levels - 1) + kept[31] - levels + 1 }
    }

    #[test]
    fn a_larger_stack_holds_what_the_threads_own_does_not() {
        let deep = std::thread::Builder::new().stack_size(256 << 10).spawn(|| {
            let mut stack = Stack::new(256 << 20).unwrap();
            assert!(stack.len() >= 256 << 20);
            (stack.run(|| down(100_000)), stack.run(|| down(10)))
        });
        assert_eq!(deep.unwrap().join().unwrap(), (100_000, 10));
    }

    #[test]
    fn a_panic_on_a_larger_stack_goes_on_below_it() {
        let mut stack = Stack::new(LEAST_LARGER_STACK).unwrap();
        let report = catch(|| stack.run(|| panic!("up there"))).unwrap_err();
        assert_eq!(report.message(), "up there");
        assert_eq!(stack.run(|| 7), 7);
    }

    #[test]
    fn a_stack_walk_passes_from_a_larger_stack_to_the_threads_own() {
        #[inline(never)]
        fn below(stack: &mut Stack) -> String {
            stack.run(|| std::backtrace::Backtrace::force_capture().to_string())
        }
        let frames = below(&mut Stack::new(LEAST_LARGER_STACK).unwrap());
        assert!(frames.contains("a_stack_walk_passes_from_a_larger_stack"), "{frames}");
    }

    #[test]
    fn the_bounds_are_those_of_the_stack_that_one_is_on() {
        let on_thread = std::thread::Builder::new().stack_size(512 << 10).spawn(|| {
            let own = bounds().unwrap();
            // The C library gives a thread the stack of one that has ended, of four times the size at most.
            assert!(own.contains(&here()) && (256 << 10..=2 << 20).contains(&own.len()), "{own:?}");
            let mut stack = Stack::new(LEAST_LARGER_STACK).unwrap();
            let larger = stack.run(|| bounds().unwrap());
            assert_eq!(larger.len(), stack.len());
            assert!(!own.contains(&larger.start) && bounds() == Some(own));
        });
        on_thread.unwrap().join().unwrap();
        assert!(bounds().unwrap().contains(&here()));
    }
}
