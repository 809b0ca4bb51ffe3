//! A pool's decisions, simulated.
//!
//! The files of `pool/state` are the runtime's own. Here they decide for workers that start late, die at each step, stall,
//! scribble and are killed from outside, while callers submit, cancel, signal, abandon and close, all in virtual time. A run
//! is drawn from a seed; `world` says what must hold after each step and at its end. A run that fails is told with its
//! story, made as short as it can be.

#![cfg(test)]
// The simulation uses a part of each file.
#![allow(dead_code, unreachable_pub, reason = "the runtime uses the rest")]

#[path = "../../../parallel-runtime/src/call/map/asking.rs"]
mod asking;
#[path = "../../../parallel-runtime/src/call/map/chunker.rs"]
mod chunker;
#[path = "../../../parallel-runtime/src/pause.rs"]
mod pause;
#[path = "../../../parallel-runtime/src/pool/state/mod.rs"]
mod state;
#[path = "../../../parallel-runtime/src/tuning.rs"]
mod tuning;
#[path = "../../../parallel-runtime/src/call/map/window.rs"]
mod window;

mod engine;
mod lazy;
mod lot;
mod plan;
mod process;
mod runs;
mod world;
