//! Python's `multiprocessing` and loky as contenders: a `python3` that runs `peer.py` and takes the samples itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use parallel_benches::Contender;
use serde::{Deserialize, Serialize};

/// The name of the contender from Python's own library.
pub(crate) const MULTIPROCESSING: &str = "multiprocessing";
/// The name of the contender that is installed from PyPI; where it is not, its cell says so.
pub(crate) const LOKY: &str = "loky";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/peer.py");

#[derive(Clone, Copy, Serialize)]
struct Request {
    library: &'static str,
    work: &'static str,
    items: u64,
    workers: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Sample(f64),
    Error(String),
}

/// The work of this name in `peer.py`, on a pool of `workers`.
pub(crate) fn multiprocessing(work: &'static str, items: u64, workers: usize) -> Contender {
    with(MULTIPROCESSING, work, items, workers)
}

/// The same with loky, for the works that need a pool and nothing else.
pub(crate) fn loky(work: &'static str, items: u64, workers: usize) -> Contender {
    with(LOKY, work, items, workers)
}

fn with(library: &'static str, work: &'static str, items: u64, workers: usize) -> Contender {
    Contender::gauge(library, move || {
        let mut python = Python::start()?;
        Ok(move || python.sample(Request { library, work, items, workers }))
    })
}

/// A running `python3`; the end of its input ends it.
struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Result<Self, String> {
        let mut command = Command::new("python3");
        // Without `-B` the folder of the script would be littered with compiled copies.
        command.args(["-B", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("python3: {error}"))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("python3 has no standard output")?);
        Ok(Self { child, requests, answers })
    }

    fn sample(&mut self, request: Request) -> Result<f64, String> {
        let lost = |error: std::io::Error| format!("python3: {error}");
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        let requests = self.requests.as_mut().ok_or("python3 has no standard input")?;
        writeln!(requests, "{request}").map_err(lost)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(lost)?;
        match serde_json::from_str(&line) {
            Ok(Answer::Sample(value)) => Ok(value),
            Ok(Answer::Error(error)) => Err(error),
            Err(_) => Err(format!("python3 answered `{}`", line.trim())),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.requests.take());
        // Reaps it; its status tells nothing that its answers did not.
        let _ = self.child.wait();
    }
}
