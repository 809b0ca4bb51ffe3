//! The killer: sends signals to processes of the program at random moments. Which, when and how is drawn from the seed.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::board::Board;
use crate::census::{children, status};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A pool's, or a spawned call's; or one that is just being started.
    Worker,
    Zygote,
    /// A copy of the zygote that has not begun.
    Spare,
    /// A process that a worker has started.
    Nested,
}

/// How the killer goes about it for a while.
#[derive(Debug, Clone, Copy)]
enum Weather {
    /// Nobody is hit.
    Calm,
    /// Somebody is hit, on the average so many times a second.
    Rain(u32),
    /// The same, but one kind only.
    Hunt(Kind),
    /// Everybody at once, now and then.
    Flood,
}

impl Weather {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u32(..10) {
            0 => Self::Calm,
            1..=5 => Self::Rain(80),
            6 => Self::Rain(250),
            7 => Self::Hunt(Kind::Worker),
            8 => Self::Hunt([Kind::Zygote, Kind::Spare, Kind::Nested][rng.usize(..3)]),
            _ => Self::Flood,
        }
    }

    fn pause(self, rng: &mut Rng) -> Duration {
        let mean = match self {
            Self::Calm => Duration::from_millis(20),
            Self::Rain(rate) => Duration::from_secs(1) / rate,
            Self::Hunt(_) => Duration::from_millis(12),
            Self::Flood => Duration::from_millis(100),
        };
        mean.mul_f64(2.0 * rng.f64())
    }
}

/// A process that is hit, by a descriptor that stands for no other.
struct Target(OwnedFd);

impl Target {
    /// Takes aim at a process, if it is still what it was: a child of `parent`.
    fn at(pid: u32, parent: u32) -> Option<Self> {
        // SAFETY: a plain system call, which gives a descriptor or an error.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let number = i32::try_from(answer).ok().filter(|number| *number >= 0)?;
        // SAFETY: just opened, and nobody else's.
        let target = Self(unsafe { OwnedFd::from_raw_fd(number) });
        // Whoever has the number now is that parent's child; if it had another owner before, that one is dead.
        status(pid).is_some_and(|(_, is_child_of, _)| is_child_of == parent).then_some(target)
    }

    fn send(&self, signal: i32) {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a plain system call on a descriptor that is alive.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, no_info, 0) };
        if answer != 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::ESRCH), "a signal to a process of ours: {error}");
        }
    }
}

/// A process that was stopped, until when, and how that ends.
struct Stopped {
    target: Target,
    until: Instant,
    signal: i32,
}

/// Hits processes until it is told to stop; leaves none stopped.
pub(crate) fn run(board: &Board, mut rng: Rng) {
    let mut stopped: Vec<Stopped> = Vec::new();
    while !board.kills_are_over() {
        let weather = Weather::draw(&mut rng);
        let until = Instant::now() + Duration::from_millis(rng.u64(200..2_000));
        while Instant::now() < until && !board.kills_are_over() {
            std::thread::sleep(weather.pause(&mut rng));
            stopped.retain(|stop| {
                let stays = stop.until > Instant::now();
                if !stays {
                    stop.target.send(stop.signal);
                }
                stays
            });
            let found = find();
            let victims: Vec<(u32, u32, Kind)> = match weather {
                Weather::Calm => Vec::new(),
                Weather::Rain(_) => one(&found, &mut rng, |_| true),
                Weather::Hunt(kind) => one(&found, &mut rng, |found| found == kind),
                Weather::Flood => found,
            };
            for (pid, parent, kind) in victims {
                let Some(target) = Target::at(pid, parent) else { continue };
                let signal = draw_signal(&mut rng);
                target.send(signal);
                board.count(format!("signal {signal} to a {kind:?}"));
                if signal == libc::SIGSTOP {
                    let longest = if rng.u32(..10) == 0 { 400 } else { 40 };
                    let until = Instant::now() + Duration::from_millis(rng.u64(1..longest));
                    let signal = if rng.bool() { libc::SIGCONT } else { libc::SIGKILL };
                    stopped.push(Stopped { target, until, signal });
                }
            }
        }
    }
    stopped.iter().for_each(|stop| stop.target.send(libc::SIGCONT));
}

fn draw_signal(rng: &mut Rng) -> i32 {
    match rng.u32(..20) {
        0 => libc::SIGSEGV,
        1 => libc::SIGABRT,
        2 | 3 => libc::SIGSTOP,
        _ => libc::SIGKILL,
    }
}

/// One of those that are wanted; each kind is as likely as the others, however many there are of it.
fn one(found: &[(u32, u32, Kind)], rng: &mut Rng, is_wanted: impl Fn(Kind) -> bool) -> Vec<(u32, u32, Kind)> {
    let kinds = [Kind::Worker, Kind::Worker, Kind::Worker, Kind::Zygote, Kind::Spare, Kind::Nested];
    let kind = kinds[rng.usize(..kinds.len())];
    let wanted: Vec<_> = found.iter().filter(|(.., each)| is_wanted(*each)).copied().collect();
    let of_kind: Vec<_> = wanted.iter().filter(|(.., each)| *each == kind).copied().collect();
    let from = if of_kind.is_empty() { wanted } else { of_kind };
    if from.is_empty() { Vec::new() } else { vec![from[rng.usize(..from.len())]] }
}

/// All processes of the program: number, parent, and what they are.
fn find() -> Vec<(u32, u32, Kind)> {
    let me = std::process::id();
    let mine = children(me);
    let is_zygote =
        |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "zygote");
    let mut found = Vec::new();
    for &pid in &mine {
        let Some((_, _, group)) = status(pid) else { continue };
        let kind = match group {
            group if group != pid && mine.contains(&group) => Kind::Spare,
            _ if is_zygote(pid) => Kind::Zygote,
            _ => Kind::Worker,
        };
        found.push((pid, me, kind));
        found.extend(children(pid).into_iter().map(|child| (child, pid, Kind::Nested)));
    }
    found
}
