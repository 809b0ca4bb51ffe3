//! Queues and duplex channels between processes: a message is whole or absent, and those of one sender come in order.

use std::collections::HashMap;
use std::time::Duration;

use parallel::channel::Duplex;
use parallel::prelude::*;

use super::{Ground, row};

/// Longer than a killed process takes to be noticed.
const MOMENT: Duration = Duration::from_millis(20);

/// A message that tells sender and number, and whether it is whole.
fn message(sender: u64, number: u64, len: usize) -> Vec<u64> {
    let mut message = vec![sender, number];
    message.extend(row(sender ^ (number << 8), len));
    message.push(!number);
    message
}

/// The sender and number of a message.
fn read(message: &[u64]) -> Result<(u64, u64), String> {
    let &[sender, number, .., end] = message else { return Err(format!("a message of {} words", message.len())) };
    let middle = &message[2..message.len() - 1];
    let is_whole = end == !number && middle == row(sender ^ (number << 8), middle.len() * 8);
    is_whole.then_some((sender, number)).ok_or_else(|| format!("message {number} of {sender} is not whole"))
}

/// Checks messages as they come.
#[derive(Default)]
struct Order(HashMap<u64, u64>);

impl Order {
    fn check(&mut self, message: &[u64]) -> Result<(), String> {
        let (sender, number) = read(message)?;
        match self.0.insert(sender, number) {
            Some(before) if before >= number => Err(format!("message {number} of {sender} came behind {before}")),
            _ => Ok(()),
        }
    }
}

#[parallel]
fn send(queue: Queue<Vec<u64>>, sender: u64, count: u64, longest: usize) -> Result<(), String> {
    for number in 0..count {
        let len = (number as usize).wrapping_mul(0x9e37_79b9) % longest;
        queue.send(message(sender, number, len)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[parallel]
fn receive(queue: Queue<Vec<u64>>, most: u64) -> Result<u64, String> {
    let mut order = Order::default();
    for received in 0..most {
        match queue.recv_timeout(MOMENT).map_err(|error| error.to_string())? {
            Some(message) => order.check(&message)?,
            None => return Ok(received),
        }
    }
    Ok(most)
}

pub(super) fn queue(ground: &mut Ground<'_>) {
    let queue = if ground.rng.bool() { Queue::new() } else { Queue::bounded(ground.rng.usize(1..100)) };
    let queue = queue.expect("there is room for a queue");
    let (count, longest) = (ground.rng.u64(1..400), ground.rng.usize(1..20_000));
    let senders: Vec<_> = (0..ground.rng.u64(1..4))
        .map(|sender| match ground.rng.bool() {
            true => send.spawn(queue.clone(), sender, count, longest),
            false => send.on(ground.pool).submit(queue.clone(), sender, count, longest),
        })
        .collect();
    let receivers: Vec<_> = (0..ground.rng.u64(..3)).map(|_| receive.spawn(queue.clone(), count)).collect();
    let mut order = Order::default();
    let mut take = |patience: Duration| {
        let message = queue.recv_timeout(patience).expect("this is a sender too");
        message.map(|message| order.check(&message).expect("in order and whole")).is_some()
    };
    while senders.iter().any(|sender| !sender.is_finished()) {
        take(MOMENT);
    }
    for sender in senders {
        match sender.join() {
            Ok(sent) => sent.expect("somebody is left to receive"),
            Err(error) => ground.is_death(&error, "send"),
        }
    }
    for receiver in receivers {
        match receiver.join() {
            Ok(received) => assert!(received.expect("in order and whole") <= count),
            Err(error) => ground.is_death(&error, "receive"),
        }
    }
    while take(Duration::ZERO) {}
    assert_eq!(queue.len(), 0);
    // It serves on.
    queue.send(message(99, 1, 100)).expect("this is a receiver too");
    assert!(take(Duration::ZERO));
}

#[parallel]
fn echo_all(side: Duplex<Vec<u64>, Vec<u64>>) {
    while let Ok(message) = side.recv() {
        if side.send(message).is_err() {
            return;
        }
    }
}

pub(super) fn echo(ground: &mut Ground<'_>) {
    let (mine, theirs) = duplex::<Vec<u64>, Vec<u64>>().expect("there is room for a channel");
    let call = match ground.rng.bool() {
        true => echo_all.spawn(theirs),
        false => echo_all.on(ground.pool).submit(theirs),
    };
    let mut sent = 0;
    let mut received = 0;
    let count = ground.rng.u64(1..300);
    let ahead = ground.rng.u64(1..20);
    let is_closed = loop {
        if sent < count && sent - received < ahead {
            let len = ground.rng.usize(..10_000);
            match mine.send(message(7, sent, len)) {
                Ok(()) => sent += 1,
                Err(error) => break Some(error.into()),
            }
        } else if received < sent {
            match mine.recv() {
                Ok(message) => {
                    assert_eq!(read(&message), Ok((7, received)), "each comes back, in order");
                    received += 1;
                }
                Err(error) => break Some(error),
            }
        } else {
            break None;
        }
    };
    drop(mine);
    let outcome = call.join();
    if let Some(error) = is_closed {
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error:#?}");
        assert!(outcome.is_err(), "the other side was not dead");
    }
    if let Err(error) = outcome {
        ground.is_death(&error, "echo_all");
    }
}
