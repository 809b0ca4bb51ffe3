use parallel::prelude::*;
use std::fs::File;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Instant;

#[parallel]
fn open(from: File) {
    let _ = from;
}

#[parallel]
fn instant(at: &Instant) {
    let _ = at;
}

#[parallel]
fn counted(text: Arc<String>) {
    let _ = text;
}

#[parallel]
fn sender(to: mpsc::Sender<u8>) {
    let _ = to;
}

#[parallel]
fn local(text: Rc<str>) {
    let _ = text;
}

#[parallel]
fn closure(run: Box<dyn Fn(u8) -> u8>) {
    let _ = run;
}

#[parallel]
fn raise(flag: Value<bool>) {
    let _ = flag;
}

#[parallel]
fn sum(rows: Vec<[f64; 64]>) {
    let _ = rows;
}

#[parallel]
fn chars(text: Array<char>) {
    let _ = text;
}

#[parallel]
fn failed(error: Box<dyn std::error::Error + Send + Sync>) {
    let _ = error;
}

fn main() {}
