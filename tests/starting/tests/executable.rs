//! What somebody does to the executable while it runs, and odd places for it to be.
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use parallel_starting::{Ending, Folder, Program, copy_program};

const MOVED: &str = env!("CARGO_BIN_EXE_moved");

fn copy(folder: &Folder, name: &OsStr) -> PathBuf {
    let path = folder.file(name);
    // A link is as good as a copy here, and costs nothing; another file system wants the copy.
    if fs::hard_link(MOVED, &path).is_err() {
        copy_program(MOVED, &path);
    }
    path
}

fn calls_work_after(change: impl FnOnce(&Path)) {
    let folder = Folder::new();
    let path = copy(&folder, OsStr::new("program"));
    let mut program = Program::start(&path, &[]);
    program.wait_for("ready");
    change(&path);
    program.tell("go on");
    assert_eq!(program.end().success(), ["ready", "done"]);
}

#[test]
fn a_renamed_executable_serves_on() {
    calls_work_after(|path| fs::rename(path, path.with_file_name("other")).unwrap());
}

#[test]
fn a_deleted_executable_serves_on() {
    calls_work_after(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_deleted_folder_does_no_harm() {
    calls_work_after(|path| fs::remove_dir_all(path.parent().unwrap()).unwrap());
}

#[test]
fn a_replaced_executable_never_runs_in_its_place() {
    calls_work_after(|path| {
        let other = path.with_file_name("other");
        // It would print a line and succeed.
        copy_program("/bin/echo", &other);
        fs::rename(&other, path).unwrap();
    });
}

#[test]
fn an_executable_replaced_by_another_program_with_the_same_functions_never_runs_in_its_place() {
    calls_work_after(|path| {
        let other = path.with_file_name("other");
        copy_program(env!("CARGO_BIN_EXE_plain"), &other);
        fs::rename(&other, path).unwrap();
    });
}

#[test]
fn a_path_may_have_spaces_and_bytes_that_are_no_text() {
    let folder = Folder::named(OsStr::from_bytes(b" with spaces \xff\xfe\n and bytes"));
    let path = copy(&folder, OsStr::from_bytes(b" a program\t\xc3\x28 (deleted)"));
    let mut program = Program::start(&path, &[]);
    program.tell("go on");
    assert_eq!(program.end().success(), ["ready", "done"]);
}

#[test]
fn a_relative_path_and_a_link_lead_to_the_program_as_well() {
    let folder = Folder::new();
    copy(&folder, OsStr::new("program"));
    std::os::unix::fs::symlink("program", folder.file("link")).unwrap();
    for path in ["./program", "./link"] {
        let mut program = Program::start_as("/bin/sh", &["-c", "exec \"$0\"", path], |command| {
            command.current_dir(folder.path());
        });
        program.wait_for("ready");
        program.tell("go on");
        assert_eq!(program.end().success(), ["ready", "done"]);
    }
}

const OUTCOMES: &str = env!("CARGO_BIN_EXE_outcomes");
/// A user who has no rights, and a group that he is not in.
const NOBODY: u32 = 65534;
const GAMES: u32 = 60;

/// Whether only root can do what follows, and this is not root, or is in a place where files give no rights; then it says so.
fn needs_root(what: &str) -> bool {
    // SAFETY: a plain system call.
    let is_root = unsafe { libc::geteuid() } == 0;
    let mut place = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a constant path, and memory for the answer; zeros are one, too.
    let flags = unsafe {
        libc::statvfs(c"/tmp".as_ptr(), place.as_mut_ptr());
        place.assume_init().f_flag
    };
    let can = is_root && flags & libc::ST_NOSUID == 0;
    if !can {
        eprintln!("did not run, because it needs root, and files in /tmp that may give rights: {what}");
    }
    !can
}

/// A copy of the program in a folder that everybody may enter.
fn copy_for_all(folder: &Folder, mode: u32) -> PathBuf {
    let path = folder.file("program");
    copy_program(OUTCOMES, &path);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
    path
}

fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY);
}

/// Asserts that each call has worked, in a process with the program's rights.
fn assert_works(ending: Ending, here: &str) {
    let lines = ending.success();
    assert!(lines[0].starts_with(&format!("here: {here}")), "{lines:#?}");
    assert_eq!(lines[1..], vec!["same rights"; 7], "{lines:#?}");
}

/// Asserts that each call is refused, in words that name what may have brought the program into memory.
fn assert_not_parallel(lines: &[String]) {
    assert_eq!(lines.len(), 8, "{lines:#?}");
    for line in &lines[1..] {
        assert!(line.starts_with("NotParallel: ") && line.contains("/proc/self/exe is not this program"), "{lines:#?}");
        assert!(["loader", "valgrind", "qemu"].iter().all(|word| line.contains(word)), "{lines:#?}");
    }
}

/// The loader that this test was started with.
fn loader() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let line = maps.lines().find(|line| line.contains("/ld-")).expect("the tests are linked dynamically");
    PathBuf::from(&line[line.find('/').expect("a path")..])
}

#[test]
fn a_program_that_its_loader_was_told_to_run_starts_nothing_else() {
    for name in ["ld-2.31.so", "ld-linux-x86-64.so.2", "renamed"] {
        let folder = Folder::new();
        copy_for_all(&folder, 0o755);
        copy_program(loader(), folder.file(name));
        let program = Program::start_as(folder.file(name), &["./program", "/usr/bin/touch", "made"], |command| {
            command.current_dir(folder.path());
        });
        assert_not_parallel(&program.end().success());
        assert!(!folder.file("made").exists(), "{name}: a start has run the program's argument");
    }
}

#[test]
fn a_loader_that_cannot_be_read_is_not_taken_for_the_program() {
    if needs_root("a loader that cannot be read") {
        return;
    }
    let folder = Folder::new();
    copy_for_all(&folder, 0o755);
    copy_program(loader(), folder.file("loader"));
    fs::set_permissions(folder.file("loader"), fs::Permissions::from_mode(0o711)).expect("the file is ours");
    let program = Program::start_as(folder.file("loader"), &["./program"], |command| {
        as_nobody(command.current_dir(folder.path()));
    });
    assert_not_parallel(&program.end().success());
}

#[test]
fn a_program_that_may_be_executed_and_not_be_read_works() {
    if needs_root("a program that cannot be read") {
        return;
    }
    let folder = Folder::new();
    let program = copy_for_all(&folder, 0o711);
    assert_works(Program::start_as(program, &[], as_nobody).end(), "65534 65534");
}

#[test]
fn a_program_without_a_file_works() {
    // SAFETY: a constant name.
    let memory = unsafe { libc::memfd_create(c"program".as_ptr(), libc::MFD_CLOEXEC) };
    let path = format!("/proc/self/fd/{memory}");
    fs::write(&path, fs::read(OUTCOMES).expect("it is readable")).expect("there is memory");
    let program = Program::start_as("/proc/self/fd/9", &[], |command| {
        // SAFETY: a closure that makes one async-signal-safe call.
        unsafe {
            command.pre_exec(move || {
                if libc::dup3(memory, 9, libc::O_CLOEXEC) == 9 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            })
        };
    });
    let lines = program.end().success();
    // SAFETY: nobody else uses it.
    unsafe { libc::close(memory) };
    assert_eq!(lines[1..], vec!["same rights"; 7], "{lines:#?}");
}

#[test]
fn a_program_under_valgrind_works_or_starts_nothing_else() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("did not run, because it needs valgrind: a program under valgrind");
        return;
    }
    let program = Program::start("valgrind", &["-q", "--tool=none", OUTCOMES]);
    let Ending { status, stdout, stderr } = program.end();
    assert!(status.success() && stderr.is_empty(), "{stdout:#?} {stderr}");
    if stdout[1..].iter().any(|line| line != "same rights") {
        assert_not_parallel(&stdout);
    }
}

/// Lets the file give a capability to whoever runs it.
fn give_capability(path: &Path, capability: u32) {
    // `struct vfs_cap_data` of `linux/capability.h`: its version, with the bit that puts them into effect; those that are
    // permitted, and those that are inherited, and the same for the higher numbers.
    let words: [u32; 5] = [0x0200_0000 | 1, 1 << capability, 0, 0, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: both strings end in a zero byte, and the value has the length that is said.
    let answer = unsafe {
        libc::setxattr(path.as_ptr(), c"security.capability".as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0)
    };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

/// How a file gives rights to whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    User,
    Group,
    Capability,
}

const NET_RAW: u32 = 13;

impl Gives {
    fn program(self, folder: &Folder) -> PathBuf {
        let path = copy_for_all(folder, 0o755);
        match self {
            Self::User => fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).expect("root may"),
            Self::Group => {
                chown(&path, None, Some(GAMES)).expect("root may");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o2755)).expect("root may");
            }
            Self::Capability => give_capability(&path, NET_RAW),
        }
        path
    }

    /// What the program has: user, group, and capabilities where there are only those.
    fn rights(self) -> &'static str {
        match self {
            Self::User => "0 65534",
            Self::Group => "65534 60",
            Self::Capability => "65534 65534 0000000000002000",
        }
    }
}

#[test]
fn a_program_with_rights_from_its_file_works() {
    if needs_root("programs with rights from their files") {
        return;
    }
    for gives in [Gives::User, Gives::Group, Gives::Capability] {
        let folder = Folder::new();
        let program = gives.program(&folder);
        assert_works(Program::start_as(&program, &["calls"], as_nobody).end(), gives.rights());
    }
}

#[test]
fn a_worker_does_not_get_back_from_the_file_what_the_program_has_given_up() {
    if needs_root("programs that give up rights from their files") {
        return;
    }
    for gives in [Gives::User, Gives::Group] {
        for how in ["given up", "given up for now"] {
            let folder = Folder::new();
            let program = gives.program(&folder);
            assert_works(Program::start_as(&program, &[how], as_nobody).end(), "65534 65534 0000000000000000");
        }
    }
}

#[test]
fn a_program_with_rights_from_its_file_takes_no_orders_from_one_without_them() {
    if needs_root("programs with rights from their files") {
        return;
    }
    for gives in [Gives::User, Gives::Group, Gives::Capability] {
        let folder = Folder::new();
        let program = gives.program(&folder);
        let path = program.to_str().expect("a path in UTF-8");
        // The one who starts it is another program of the same user, and makes the channel.
        let ending = Program::start_as(OUTCOMES, &["start as worker", path], as_nobody).end();
        assert_eq!(ending.stdout, ["Some(125)"], "{gives:?}: main never runs: {ending:#?}");
        assert!(ending.stderr.contains("rights"), "{gives:?}: {ending:#?}");
    }
}

#[test]
fn a_program_with_rights_from_its_file_takes_no_orders_from_another_program_with_the_same_rights() {
    if needs_root("programs with rights from their files") {
        return;
    }
    let folder = Folder::new();
    let program = Gives::User.program(&folder);
    let mut ends = [0; 2];
    // SAFETY: fills the array.
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) }, 0);
    // Made by root, which this test is; a program of root's hands it on.
    let ending = Program::start_as(program, &["calls"], |command| {
        command.env("PARALLEL_WORKER", "1:9");
        as_nobody(command);
        let end = ends[1].as_raw_fd();
        // SAFETY: a closure that makes one async-signal-safe call.
        unsafe {
            command.pre_exec(
                move || {
                    if libc::dup2(end, 9) == 9 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
                },
            )
        };
    })
    .end();
    for end in ends {
        // SAFETY: nobody else uses it.
        unsafe { libc::close(end) };
    }
    assert_eq!((ending.status.code(), ending.stdout.len()), (Some(125), 0), "main never runs: {ending:#?}");
}
