//! The driver: starts a process for each row, follows its events, and goes on when one of them hangs or ends.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::event::{Event, Order};
use crate::options::Options;
use crate::render::{self, Shown};
use crate::report::{Outcome, Report, RowReport};
use crate::row::Row;
use crate::table;

/// One turn takes seconds at most; a contender that is silent for this long hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// The same with `--quick`, where nobody wants to wait.
const SILENCE_QUICK: Duration = Duration::from_secs(20);

pub(crate) fn main(name: &str, rows: &[Row], options: &Options) -> ExitCode {
    let selected: Vec<&Row> = rows.iter().filter(|row| options.selects(row)).collect();
    if options.list {
        selected.iter().for_each(|row| println!("{:<24} {}", row.name, row.work));
        return ExitCode::SUCCESS;
    }
    if !options.bench {
        println!("nothing measured: run `cargo bench`");
        return ExitCode::SUCCESS;
    }
    if selected.is_empty() {
        // No error: the words may be meant for another bench of the same command.
        println!("no row is called so; `--list` names them");
        return ExitCode::SUCCESS;
    }
    let outcome = if options.render { render::again(name, rows) } else { measure_all(name, &selected, options) };
    outcome.map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn measure_all(name: &str, rows: &[&Row], options: &Options) -> io::Result<()> {
    let silence = if options.quick { SILENCE_QUICK } else { SILENCE };
    let mut report = Report::begin(options.quick);
    println!("{}\n\n{}", report.line(), table::head());
    for row in rows {
        let judged = measure(row, options.quick, |order, told| follow(row_process(row, order)?, silence, told))?;
        println!("{}", table::row(&judged));
        report.push(judged);
    }
    // Some rows alone must not pass for the whole table.
    let results = if !options.filters.is_empty() {
        None
    } else if options.headlines {
        Some(Shown::Headlines)
    } else {
        Some(Shown::All(name))
    };
    let file = results.as_ref().map_or(format!("{name}.partial"), |results| results.name().to_string());
    let path = report.write(&render::results(), &format!("{file}.json"))?;
    println!("\nwritten to {}", path.display());
    results.map_or(Ok(()), |results| results.write_beside(&report))
}

/// Measures one row, again and without the culprit whenever a contender takes its process down.
fn measure(
    row: &Row,
    quick: bool,
    mut attempt: impl FnMut(&Order, &mut Attempt) -> io::Result<Option<String>>,
) -> io::Result<RowReport> {
    let names: Vec<String> = row.contenders().iter().map(|contender| contender.name().to_string()).collect();
    let mut lost: BTreeMap<String, Outcome> = BTreeMap::new();
    loop {
        let order = Order { row: row.name.clone(), quick, without: lost.keys().cloned().collect() };
        let mut told = Attempt::default();
        let ended = attempt(&order, &mut told)?;
        match (ended, told.turn) {
            (Some(reason), Some(culprit)) if !lost.contains_key(&culprit) => {
                lost.insert(culprit, Err(reason));
            }
            _ => {
                told.outcomes.extend(lost);
                return Ok(RowReport::new(row, &names, told.outcomes));
            }
        }
    }
}

/// What one process of a row told.
#[derive(Default)]
struct Attempt {
    outcomes: BTreeMap<String, Outcome>,
    turn: Option<String>,
}

impl Attempt {
    /// Takes in one event; returns whether it is the last one.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Turn { contender } => self.turn = Some(contender),
            Event::Sample { contender, round, value } => {
                if let Ok(samples) = self.outcomes.entry(contender).or_insert_with(|| Ok(Vec::new())) {
                    samples.push((round, value));
                }
            }
            Event::Failed { contender, reason } => {
                self.outcomes.insert(contender, Err(reason));
            }
            Event::Done => return true,
        }
        false
    }
}

/// This program, to measure one row.
fn row_process(row: &Row, order: &Order) -> io::Result<Command> {
    let (variable, value) = order.as_variable();
    let mut command = Command::new(env::current_exe()?);
    command.envs(row.environment.iter().map(|(name, value)| (name, value))).env(variable, value);
    Ok(command)
}

/// Runs one process to its end; returns why it ended before it was done, or `None` when it was done.
fn follow(command: Command, silence: Duration, told: &mut Attempt) -> io::Result<Option<String>> {
    let mut process = RowProcess::start(command)?;
    loop {
        match process.events.recv_timeout(silence) {
            Ok(event) => {
                if told.take(event) {
                    return Ok(None);
                }
            }
            Err(silent) => return process.end(silent == RecvTimeoutError::Timeout).map(Some),
        }
    }
}

/// The process of a row. It leads a process group, which is killed when this is dropped.
struct RowProcess {
    child: Child,
    events: Receiver<Event>,
    group: Option<Pid>,
}

impl RowProcess {
    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
        let stdout = child.stdout.take().expect("it was asked for one line above");
        Ok(Self { group: Some(Pid::from_child(&child)), events: read_events(stdout), child })
    }

    /// Ends a process that fell silent or closed its stream, and says which of them it was.
    fn end(&mut self, silent: bool) -> io::Result<String> {
        if silent && self.child.try_wait()?.is_none() {
            self.kill_group();
            return Ok("hung, killed".to_string());
        }
        self.kill_group();
        Ok(format!("took its process down: {}", self.child.wait()?))
    }

    /// Kills what is left of the group. Only once: later its number may belong to others.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // An error says that the group has no members any more.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for RowProcess {
    fn drop(&mut self) {
        self.kill_group();
        let _ = self.child.wait();
    }
}

/// Reads events on a thread of its own, so that the driver can wait with a deadline. Lines that are no events come from
/// the tasks, which share the stream; they are passed on to a person.
fn read_events(stdout: ChildStdout) -> Receiver<Event> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                // Nobody listens any more: the driver gave the process up.
                Ok(event) => drop(sender.send(event)),
                Err(_) => eprintln!("{line}"),
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Contender;
    use crate::report::Cell;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_row_is_measured_again_without_the_contender_that_hung() {
        let names = || ["parallel", "hangs"].map(|name| Contender::skipped(name, "never prepared here")).into();
        let row = Row::new("row", "work", names);
        let mut orders = Vec::new();
        let report = measure(&row, true, |order, told| {
            orders.push(order.without.clone());
            told.take(Event::Sample { contender: "parallel".into(), round: 0, value: orders.len() as f64 });
            told.take(Event::Turn { contender: "hangs".into() });
            Ok(order.without.is_empty().then(|| "hung, killed".to_string()))
        });
        let report = report.unwrap();
        assert_eq!(orders, [vec![], vec!["hangs".to_string()]]);
        // Of the second attempt: the first one's samples were taken beside a contender that hung.
        assert!(matches!(report.ours, Cell::Measured(spread) if spread.median == 2.0 && spread.samples == 1));
        assert!(matches!(&report.peers[0].cell, Cell::Missing { reason } if reason == "hung, killed"));
    }

    #[test]
    fn a_process_that_falls_silent_is_killed() {
        let ended = follow(shell("exec sleep 1000"), Duration::from_millis(50), &mut Attempt::default());
        assert_eq!(ended.unwrap().unwrap(), "hung, killed");
    }

    #[test]
    fn a_process_that_crashes_is_told_by_its_signal_and_its_last_turn() {
        let mut told = Attempt::default();
        let ended = follow(shell(r#"echo '{"Turn":{"contender":"a"}}'; kill -SEGV $$"#), SILENCE, &mut told);
        let reason = ended.unwrap().unwrap();
        assert!(reason.starts_with("took its process down: signal: 11"), "{reason}");
        assert_eq!(told.turn.as_deref(), Some("a"));
    }

    #[test]
    fn lines_that_are_no_events_are_not_taken_for_some() {
        let mut told = Attempt::default();
        let ended = follow(shell(r#"echo hello; echo '"Done"'"#), SILENCE, &mut told);
        assert_eq!(ended.unwrap(), None);
        assert!(told.outcomes.is_empty() && told.turn.is_none());
    }
}
