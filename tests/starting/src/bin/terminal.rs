//! The foreground job of a terminal that it makes itself, in which calls do what only a foreground job may do.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::time::Duration;

use parallel::prelude::*;
use parallel_starting::{PATIENCE, eventually};

/// Many enough that the last of them are copies of a zygote.
const CALLS: u64 = 12;

type Outcome = Result<String, String>;

fn open_terminal() -> Result<File, String> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| format!("open: {error}"))
}

#[parallel]
fn ask() -> Outcome {
    let mut terminal = open_terminal()?;
    terminal.write_all(b"password: ").map_err(|error| format!("write: {error}"))?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line).map_err(|error| format!("read: {error}"))?;
    Ok(line)
}

fn set_flag(fd: i32, flag: libc::tcflag_t) -> Outcome {
    let mut state = std::mem::MaybeUninit::<libc::termios>::zeroed();
    // SAFETY: zeros are a state; the first call fills it, the second reads it.
    let answer = unsafe {
        libc::tcgetattr(fd, state.as_mut_ptr());
        (*state.as_mut_ptr()).c_lflag |= flag;
        libc::tcsetattr(fd, libc::TCSANOW, state.as_ptr())
    };
    if answer == 0 { Ok("set".into()) } else { Err(format!("tcsetattr: {}", std::io::Error::last_os_error())) }
}

#[parallel]
fn hide() -> Outcome {
    set_flag(open_terminal()?.as_raw_fd(), libc::ECHONL)
}

#[parallel]
fn hide_by_stdout() -> Outcome {
    set_flag(1, libc::ECHONL)
}

#[parallel]
fn print(number: u64) -> Outcome {
    println!("printed {number}");
    Ok("printed".into())
}

/// What a program asks that a task starts.
#[parallel]
fn ask_in_a_program() -> Outcome {
    let child = std::process::Command::new("/bin/sh").args(["-c", "read line </dev/tty"]).output();
    let output = child.map_err(|error| error.to_string())?;
    Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
}

#[parallel]
fn count(ticks: &str, end: &str) -> Outcome {
    let mut file = File::create(ticks).map_err(|error| error.to_string())?;
    while !Path::new(end).exists() {
        file.write_all(b".").map_err(|error| error.to_string())?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok("counted".into())
}

fn tell(what: &str, outcome: parallel::Result<Option<Outcome>>) {
    // An outcome of the call and one of the function; `None` is a call that hangs.
    println!("{what}: {outcome:?}");
}

fn job(what: &str, folder: &Path) {
    let file = |name: &str| folder.join(name).to_str().expect("text").to_string();
    match what {
        "calls" => {
            set_flag(0, libc::TOSTOP).expect("this is the foreground job");
            let pool = Pool::with_workers(1).expect("a pool");
            for number in 0..CALLS {
                tell("ask", ask.spawn().join_timeout(PATIENCE));
                tell("hide", hide.spawn().join_timeout(PATIENCE));
                tell("hide by stdout", hide_by_stdout.spawn().join_timeout(PATIENCE));
                tell("ask in a program", ask_in_a_program.spawn().join_timeout(PATIENCE));
                tell("print", print.spawn(number).join_timeout(PATIENCE));
                tell("print in a pool", print.on(&pool).submit(number).join_timeout(PATIENCE));
                tell("hide in a pool", hide.on(&pool).submit().join_timeout(PATIENCE));
            }
            // The program itself has the terminal as before.
            tell("here", Ok(Some(open_terminal().map(|_| "open".into()))));
        }
        "interrupt" | "stop" => {
            extern "C" fn note(_: libc::c_int) {}
            // SAFETY: the handler does nothing.
            unsafe { libc::signal(libc::SIGINT, note as *const () as libc::sighandler_t) };
            let mut handle = count.spawn(&file("ticks"), &file("end"));
            tell(what, handle.join_timeout(PATIENCE));
        }
        other => panic!("what is {other}?"),
    }
}

/// How often the call has counted.
fn ticks(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("ticks")).map_or(0, |file| file.len())
}

fn wait_for_ticks(folder: &Path) {
    let before = ticks(folder);
    eventually("the call goes on", || ticks(folder) > before + 3);
}

/// Does what a shell does: runs the job in a group of its own, in the foreground, and hears of its being stopped.
fn shell(what: &str, folder: &Path) {
    // SAFETY: plain system calls in a process of one thread; the child goes on as a process of its own.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        let job_pid = libc::fork();
        if job_pid == 0 {
            libc::setpgid(0, 0);
            libc::tcsetpgrp(0, libc::getpid());
            libc::signal(libc::SIGTTOU, libc::SIG_DFL);
            return job(what, folder);
        }
        let mut status = 0;
        while libc::waitpid(job_pid, &raw mut status, libc::WUNTRACED) == job_pid && libc::WIFSTOPPED(status) {
            // Of the job, or of a worker that has stopped it.
            wait_for_ticks(folder);
            println!("the call goes on while the program is stopped");
            File::create(folder.join("end")).expect("the folder is there");
            libc::kill(-job_pid, libc::SIGCONT);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (what, folder) = (arguments[1].as_str(), Path::new(&arguments[2]));
    let mut terminal = 0;
    // SAFETY: this process has one thread, and the child goes on as a process of its own.
    let child = unsafe { libc::forkpty(&raw mut terminal, std::ptr::null_mut(), std::ptr::null(), std::ptr::null()) };
    if child == 0 {
        return shell(what, folder);
    }
    // SAFETY: opened above, and nobody else's.
    let mut screen = unsafe { File::from_raw_fd(terminal) };
    let mut keys = screen.try_clone().expect("a descriptor");
    let folder = folder.to_path_buf();
    let key = match what {
        "interrupt" => Some(3),
        "stop" => Some(26),
        _ => None,
    };
    if let Some(key) = key {
        std::thread::spawn(move || {
            eventually("the call runs", || ticks(&folder) > 0);
            keys.write_all(&[key]).expect("the terminal is there");
            if key == 3 {
                wait_for_ticks(&folder);
                File::create(folder.join("end")).expect("the folder is there");
            }
        });
    }
    let mut text = Vec::new();
    // The end of a terminal is an error.
    let _ = screen.read_to_end(&mut text);
    print!("{}", String::from_utf8_lossy(&text).replace('\r', ""));
}
