//! Shared state as argument, result and message.

use std::time::Duration;

use parallel::prelude::*;
use parallel::shared::{Array, Frozen, Value};

use super::{ENOUGH, Ground, row};

/// What an array, a table and a value come to; the array is changed, and comes back with another value.
#[parallel]
fn use_all(array: Array<u64>, table: Frozen<u64>, value: Value<u64>, at: usize) -> (Array<u64>, Value<u64>) {
    let sum = table.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x));
    // Others use other places of it; one that died with the lock did no harm there.
    while array.set(at, sum).is_err() {
        let _ = array.recover();
    }
    let another = Value::new(sum ^ value.get().unwrap_or_default()).expect("there is memory");
    (array, another)
}

pub(super) fn everywhere(ground: &mut Ground<'_>) {
    let count = ground.rng.usize(1..20);
    let array = Array::<u64>::zeroed(count).expect("there is memory");
    let table = Frozen::from_vec(row(3, ground.rng.usize(8..2_000_000))).expect("there is memory");
    let value = Value::new(ground.rng.u64(..)).expect("there is memory");
    let sum = table.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x));
    let expected = sum ^ value.get().expect("nobody locks it");
    let arguments = (0..count).map(|at| (array.clone(), table.clone(), value.clone(), at));
    let retries = [0, ENOUGH][ground.rng.usize(..2)];
    let outcomes: Vec<_> = if ground.rng.bool() {
        use_all.on(ground.pool).retries(retries).par_map_results(arguments)
    } else {
        let task = use_all.retries(retries);
        let calls: Vec<_> = arguments
            .take(5)
            .map(|(array, table, value, at)| match ground.rng.bool() {
                true => task.spawn(array, table, value, at),
                false => task.on(ground.pool).submit(array, table, value, at),
            })
            .collect();
        calls.into_iter().map(JoinHandle::join).collect()
    };
    for (at, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok((same, another)) => {
                assert_eq!(despite_deaths(|| another.get(), || another.recover()), expected);
                assert_eq!((same.get(at), array.get(at)), (Some(sum), Some(sum)));
            }
            Err(error) => {
                assert_eq!(retries, 0, "it may be tried again: {error:#?}");
                ground.is_death(&error, "use_all");
            }
        }
    }
}

fn despite_deaths<T>(get: impl Fn() -> Result<T, Error>, recover: impl Fn() -> Result<(), Error>) -> T {
    loop {
        match get() {
            Ok(value) => return value,
            Err(error) if matches!(error.kind(), ErrorKind::OwnerDied { .. }) => recover().expect("no other error"),
            Err(error) => panic!("{error:#?}"),
        }
    }
}

/// Sends values that hold their own numbers; `many` to a message.
#[parallel]
fn send_values(queue: Queue<Vec<Value<u64>>>, count: u64, many: usize) -> Result<(), String> {
    for number in 0..count {
        let values: Result<Vec<_>, Error> = (0..many).map(|_| Value::new(number)).collect();
        match queue.send(values.map_err(|error| error.to_string())?) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Closed) => return Ok(()),
            Err(error) => return Err(format!("{error:#?}")),
        }
    }
    Ok(())
}

#[parallel]
fn receive_values(queue: Queue<Vec<Value<u64>>>, most: u64) -> Result<(), String> {
    let mut next = 0;
    for _ in 0..most {
        let received = queue.recv_timeout(Duration::from_millis(20)).map_err(|error| format!("{error:#?}"))?;
        let Some(values) = received else { return Ok(()) };
        next = check(&values, next)?;
    }
    Ok(())
}

/// Checks a message that is the first one or comes behind number `next - 1`; returns what comes behind it.
fn check(values: &[Value<u64>], next: u64) -> Result<u64, String> {
    let numbers: Result<Vec<u64>, Error> = values.iter().map(Value::get).collect();
    let numbers = numbers.map_err(|error| format!("{error:#?}"))?;
    match numbers.first() {
        Some(&first) if first >= next && numbers.iter().all(|number| *number == first) => Ok(first + 1),
        _ => Err(format!("{numbers:?} is not whole, or not behind {next}")),
    }
}

pub(super) fn messages(ground: &mut Ground<'_>) {
    let queue = Queue::<Vec<Value<u64>>>::bounded(ground.rng.usize(1..20)).expect("there is room for a queue");
    let (count, many) = (ground.rng.u64(1..100), ground.rng.usize(1..4));
    let sender = match ground.rng.bool() {
        true => send_values.spawn(queue.clone(), count, many),
        false => send_values.on(ground.pool).submit(queue.clone(), count, many),
    };
    let receivers: Vec<_> = (0..ground.rng.u64(..3)).map(|_| receive_values.spawn(queue.clone(), count)).collect();
    let mut next = 0;
    let mut take = |patience: Duration| match queue.recv_timeout(patience).expect("this is a sender too") {
        Some(values) => {
            next = check(&values, next).expect("whole and in order");
            true
        }
        None => false,
    };
    while !sender.is_finished() {
        take(Duration::from_millis(20));
    }
    match sender.join() {
        Ok(sent) => sent.expect("no other error"),
        Err(error) => ground.is_death(&error, "send_values"),
    }
    for receiver in receivers {
        match receiver.join() {
            Ok(received) => received.expect("whole and in order"),
            Err(error) => ground.is_death(&error, "receive_values"),
        }
    }
    while take(Duration::ZERO) {}
}
