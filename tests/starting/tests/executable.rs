//! What somebody does to the executable while it runs, and odd places for it to be.
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use parallel_starting::{Folder, Program};

const MOVED: &str = env!("CARGO_BIN_EXE_moved");

fn copy(folder: &Folder, name: &OsStr) -> PathBuf {
    let path = folder.file(name);
    // A link is as good as a copy here, and costs nothing; another file system wants the copy.
    if fs::hard_link(MOVED, &path).is_err() {
        fs::copy(MOVED, &path).expect("the folder is writable");
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
        fs::copy("/bin/echo", &other).unwrap();
        fs::rename(&other, path).unwrap();
    });
}

#[test]
fn an_executable_replaced_by_another_program_with_the_same_functions_never_runs_in_its_place() {
    calls_work_after(|path| {
        let other = path.with_file_name("other");
        fs::copy(env!("CARGO_BIN_EXE_plain"), &other).unwrap();
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
