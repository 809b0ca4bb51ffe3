//! The rounds of one row, in the row's own process.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::contender::Sampler;
use crate::event::{Event, Order};
use crate::row::Row;

/// How long the rounds go on.
struct Scale {
    rounds: usize,
    /// A contender that has used this much time sits out the rounds that are left ...
    budget: Duration,
    /// ... once it has this many samples.
    enough: usize,
}

/// Odd numbers of rounds, so that a median is a sample.
const FULL: Scale = Scale { rounds: 15, budget: Duration::from_secs(5), enough: 5 };
const QUICK: Scale = Scale { rounds: 3, budget: Duration::from_secs(1), enough: 1 };

struct Turns {
    name: String,
    sampler: Sampler,
    samples: usize,
    spent: Duration,
}

/// Measures the row that the order names and writes the events to standard output.
pub(crate) fn main(rows: &[Row], order: &Order) -> ExitCode {
    let Some(row) = rows.iter().find(|row| row.name == order.row) else {
        eprintln!("there is no row `{}`", order.row);
        return ExitCode::from(2);
    };
    // Ctrl-C reaches the driver alone, which then takes this process along. It has no error for a signal that exists.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let mut tell = |event: Event| {
        let line = serde_json::to_string(&event).expect("an event always has a JSON form");
        writeln!(std::io::stdout(), "{line}").expect("the driver reads until this process ends");
    };
    // The table shows the reason; standard error has the place of the panic, and no backtrace in the middle of the table.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    measure(row, order, &mut tell);
    tell(Event::Done);
    ExitCode::SUCCESS
}

fn measure(row: &Row, order: &Order, tell: &mut dyn FnMut(Event)) {
    let scale = if order.quick { QUICK } else { FULL };
    let mut turns = prepare(row, order, tell);
    for round in 0..scale.rounds {
        // Another contender begins each round, so that none always follows the same one.
        let count = turns.len().max(1);
        turns.rotate_left(usize::from(round > 0) % count);
        turns.retain_mut(|turn| {
            if turn.spent >= scale.budget && turn.samples >= scale.enough {
                return true;
            }
            match take(turn, tell) {
                Some(value) => {
                    tell(Event::Sample { contender: turn.name.clone(), round, value });
                    turn.samples += 1;
                    true
                }
                None => false,
            }
        });
    }
    for turn in turns {
        // A contender may hang at its end, too.
        tell(Event::Turn { contender: turn.name.clone() });
        drop(turn);
    }
}

/// Prepares each contender and lets it do its work once unmeasured: pages, caches and pools are warm from then on.
fn prepare(row: &Row, order: &Order, tell: &mut dyn FnMut(Event)) -> Vec<Turns> {
    let mut turns = Vec::new();
    for contender in row.contenders() {
        let name = contender.name().to_string();
        if order.without.contains(&name) {
            continue;
        }
        tell(Event::Turn { contender: name.clone() });
        match caught(|| contender.prepare()) {
            Ok(sampler) => {
                let mut turn = Turns { name, sampler, samples: 0, spent: Duration::ZERO };
                if take(&mut turn, tell).is_some() {
                    turn.spent = Duration::ZERO;
                    turns.push(turn);
                }
            }
            Err(reason) => tell(Event::Failed { contender: name, reason }),
        }
    }
    turns
}

/// Takes one sample; a failure is told.
fn take(turn: &mut Turns, tell: &mut dyn FnMut(Event)) -> Option<f64> {
    tell(Event::Turn { contender: turn.name.clone() });
    let start = Instant::now();
    let outcome = caught(|| (turn.sampler)());
    turn.spent += start.elapsed();
    match outcome {
        Ok(value) => Some(value),
        Err(reason) => {
            tell(Event::Failed { contender: turn.name.clone(), reason });
            None
        }
    }
}

/// Turns a panic into a reason.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(format!("panicked: {}", words(&*payload))))
}

fn words(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "with something other than text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Contender;

    fn events_of(contenders: fn() -> Vec<Contender>, without: &[&str]) -> Vec<Event> {
        let row = Row::new("row", "work", contenders);
        let without = without.iter().map(ToString::to_string).collect();
        let mut events = Vec::new();
        measure(&row, &Order { row: "row".into(), quick: true, without }, &mut |event| events.push(event));
        events
    }

    fn order_of_samples(events: &[Event]) -> Vec<(usize, &str)> {
        let samples = events.iter().filter_map(|event| match event {
            Event::Sample { contender, round, .. } => Some((*round, contender.as_str())),
            _ => None,
        });
        samples.collect()
    }

    fn constant(name: &str, value: f64) -> Contender {
        Contender::gauge(name, move || Ok(move || Ok(value)))
    }

    #[test]
    fn contenders_take_turns_and_another_one_begins_each_round() {
        let events = events_of(|| vec![constant("a", 1.0), constant("b", 2.0)], &[]);
        assert_eq!(order_of_samples(&events), [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]);
    }

    #[test]
    fn a_panic_costs_only_its_own_contender() {
        let events = events_of(
            || {
                let panics = Contender::timed("panics", 1, || || panic!("too {}", "late"), |(): &()| true);
                vec![panics, constant("a", 1.0)]
            },
            &[],
        );
        let failed = Event::Failed { contender: "panics".into(), reason: "panicked: too late".into() };
        assert!(events.contains(&failed));
        assert_eq!(order_of_samples(&events), [(0, "a"), (1, "a"), (2, "a")]);
    }

    #[test]
    fn a_wrong_result_is_no_sample() {
        let events = events_of(|| vec![Contender::timed("wrong", 1, || || 3, |result| *result == 4)], &[]);
        let failed = Event::Failed { contender: "wrong".into(), reason: "gave a wrong result".into() };
        assert!(events.contains(&failed));
        assert!(order_of_samples(&events).is_empty());
    }

    #[test]
    fn a_contender_left_out_is_not_even_prepared() {
        let events = events_of(|| vec![constant("left out", 1.0)], &["left out"]);
        assert!(events.is_empty());
    }
}
