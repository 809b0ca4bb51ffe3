use parallel::prelude::*;
use std::error::Error;
use std::fs;
use std::io;

#[derive(Debug)]
enum Mine {
    Io(io::Error),
}

#[parallel]
fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path)
}

#[parallel]
fn boxed(path: &str) -> Result<String, Box<dyn Error>> {
    Ok(fs::read_to_string(path)?)
}

#[parallel]
fn mine(path: &str) -> Result<String, Mine> {
    fs::read_to_string(path).map_err(Mine::Io)
}

#[parallel]
fn ours(path: &str) -> parallel::Result<String> {
    mine.spawn(path).join().map(|_| String::new())
}

fn main() {}
