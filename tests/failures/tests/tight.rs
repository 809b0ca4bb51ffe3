//! Little of something, and calls that the system refuses: everything works, or says what is missing.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parallel_failures::outside::{Running, passes};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tight");

/// Makes calls of all sorts under one limit after the other.
fn under(letter: &str, values: &[u64]) {
    for value in values {
        let mut running = Running::start(PROGRAM, ["under", letter, &value.to_string()]);
        let status = running.wait();
        let said = running.said();
        // With less, the same program does not come to `main`; and what Rust cannot allocate ends it.
        let has_no_memory = matches!(letter, "d" | "v") && said.contains("memory allocation of");
        assert!(status.success() || has_no_memory, "-{letter} {value}: {status}: {said}");
        running.check_nothing_is_left();
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_named_and_kills_nobody() {
    under("f", &[0, 4096, 300_000, 800_000, 3_000_000]);
}

#[test]
fn a_limit_on_descriptors_is_named() {
    under("n", &[4, 7, 12, 18]);
}

#[test]
fn a_limit_on_processes_is_named() {
    under("u", &[1, 2, 4]);
}

#[test]
fn a_limit_on_address_space_or_data_is_named() {
    under("v", &[12_000_000, 20_000_000, 60_000_000]);
    under("d", &[1_000_000, 6_000_000]);
}

#[test]
fn a_limit_on_the_stack_is_named_and_others_do_no_harm() {
    under("s", &[40_000, 65_536]);
    under("l", &[0]);
    under("c", &[0]);
}

#[test]
fn a_limit_that_a_task_sets_is_felt_in_its_worker_alone() {
    passes(PROGRAM, ["own_limits"]);
}

#[test]
fn a_refused_system_call_is_named() {
    for name in [
        "clone",
        "close_range",
        "epoll_create1",
        "epoll_ctl",
        "epoll_wait",
        "eventfd2",
        "execve",
        "fcntl",
        "ftruncate",
        "getppid",
        "memfd_create",
        "pidfd_open",
        "prlimit64",
        "sendmsg",
        "socketpair",
        "waitid",
    ] {
        // EPERM, as most sandboxes say, and ENOSYS, as others do.
        for errno in if name == "memfd_create" { &["1", "38"][..] } else { &["1"] } {
            passes(PROGRAM, ["refusal", name, errno]);
        }
    }
}

/// Runs a way that says on stderr what it could not try.
fn tries(way: &str) {
    let mut running = Running::start(PROGRAM, [way]);
    let status = running.wait();
    assert!(status.success(), "{status}: {}", running.said());
    for line in running.said().lines().filter(|line| line.starts_with("not run: ")) {
        eprintln!("{way}: {line}");
    }
    running.check_nothing_is_left();
}

#[test]
fn an_error_says_that_proc_is_not_mounted() {
    tries("unmounted");
}

#[test]
fn twenty_thousand_queues_leave_room_for_the_program() {
    tries("many_queues");
}

#[test]
fn a_queue_takes_its_share_of_the_address_space_and_says_when_it_needs_more() {
    tries("share");
}

#[test]
fn a_core_dump_has_nothing_of_a_queue() {
    tries("core");
}

#[test]
fn a_queue_is_not_filled_where_all_memory_is_locked() {
    tries("locked");
}

/// A control group of its own, with little memory, for one run.
struct Group(PathBuf);

impl Group {
    /// `None` where this process may make none.
    fn new(name: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let group_of = |controller: &str| own.lines().find_map(|line| line.split_once(controller)?.1.strip_prefix(':'));
        let own_memory = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let is_memory = fields.next()?.split(',').any(|controller| controller == "memory");
            if is_memory { fields.next() } else { None }
        });
        let (parent, limit) = match own_memory {
            Some(group) => (format!("/sys/fs/cgroup/memory{group}"), "memory.limit_in_bytes"),
            None => (format!("/sys/fs/cgroup{}", group_of("0:")?), "memory.max"),
        };
        let folder = PathBuf::from(parent).join(format!("parallel-{name}-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        fs::write(group.0.join(limit), (96 << 20).to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a way in a group with little memory.
fn in_group(way: &str) {
    let Some(group) = Group::new(way) else {
        eprintln!("{way}: not run: no control group with a limit on memory can be made here");
        return;
    };
    passes(PROGRAM, [way, group.0.to_str().expect("a plain name")]);
}

#[test]
fn a_death_for_lack_of_memory_is_told_as_such() {
    in_group("killed");
}

#[test]
fn a_neighbours_death_for_lack_of_memory_is_not_taken_for_a_workers() {
    in_group("neighbour");
}
