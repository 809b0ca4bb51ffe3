//! Two processes that talk both ways.
//!
//! ```text
//! cargo run --release --example ping_pong [STROKES] [ROUNDS]
//! ```
//!
//! A ball goes to and fro between this process and another, which hits it back until the other side of the table is
//! empty. Prints the first strokes with the process that made each, and then how long a round trip takes, over 10,000 of
//! them. Messages may be anything that can travel, here a struct.

mod arguments;

use std::time::Instant;

use parallel::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Ball {
    stroke: u64,
    /// The process that hit it last.
    from: u32,
}

impl Ball {
    fn hit(&self) -> Self {
        Self { stroke: self.stroke + 1, from: std::process::id() }
    }
}

/// Hits back what comes, as long as anybody is on the other side; returns how often it did.
#[parallel]
fn play(table: Duplex<Ball, Ball>) -> u64 {
    let mut strokes = 0;
    while let Ok(ball) = table.recv() {
        table.send(ball.hit()).expect("who plays waits for the ball to come back");
        strokes += 1;
    }
    strokes
}

fn main() -> parallel::Result<()> {
    let [strokes, rounds] = arguments::numbers([("STROKES", 0..=1_000, 6), ("ROUNDS", 1..=10_000_000, 10_000)]);

    let (mine, theirs) = duplex()?;
    let player = play.spawn(theirs);
    let there = player.pid();

    let mut ball = Ball { stroke: 0, from: std::process::id() };
    for number in 0..strokes {
        ball = if number % 2 == 0 { ball.hit() } else { pass(&mine, ball)? };
        let (word, side) = if number % 2 == 0 { ("ping", "here") } else { ("          pong", "there") };
        println!("{word:<16}  stroke {:>3}, by process {} {side}", ball.stroke, ball.from);
        assert_eq!(Some(ball.from) == there, number % 2 == 1);
    }
    assert_eq!(ball.stroke, strokes);

    let start = Instant::now();
    for _ in 0..rounds {
        ball = pass(&mine, ball.hit())?;
    }
    println!("{rounds} round trips, {:.1?} each", start.elapsed() / rounds as u32);
    assert_eq!(ball.stroke, strokes + 2 * rounds);

    drop(mine); // the other side sees that nobody is left, and goes home
    assert_eq!(player.join()?, strokes / 2 + rounds);
    Ok(())
}

/// Plays the ball to the other side, and gets it back.
fn pass(table: &Duplex<Ball, Ball>, ball: Ball) -> parallel::Result<Ball> {
    table.send(ball)?;
    table.recv()
}
