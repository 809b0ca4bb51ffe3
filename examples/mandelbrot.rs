//! The Mandelbrot set, each row of the picture in a worker.
//!
//! ```text
//! cargo run --release --example mandelbrot [FILE] [WIDTH]
//! ```
//!
//! Writes a PNG (by default `target/mandelbrot.png`, 1200 pixels wide), and prints a small version of it, the times in
//! this process and in the pool, and the speed-up. Rows through the middle take much longer than those at the edge; the
//! pool shares them out as workers become free.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, process};

use parallel::prelude::*;

const ROUNDS: u32 = 300;

/// One row of grey values: how soon each point leaves the set, black where it never does.
#[parallel]
fn row(y: usize, width: usize, height: usize) -> Vec<u8> {
    let scale = 3.0 / width as f64;
    let imaginary = (y as f64 - height as f64 / 2.0) * scale;
    (0..width).map(|x| grey(x as f64 * scale - 2.2, imaginary)).collect()
}

fn grey(real: f64, imaginary: f64) -> u8 {
    let (mut x, mut y) = (0.0, 0.0);
    for round in 0..ROUNDS {
        (x, y) = (x * x - y * y + real, 2.0 * x * y + imaginary);
        if x * x + y * y > 4.0 {
            return 255 - ((f64::from(round) / f64::from(ROUNDS)).sqrt() * 255.0) as u8;
        }
    }
    0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/mandelbrot.png");
    let file = env::args_os().nth(1).map_or_else(|| default.into(), PathBuf::from);
    let width = env::args_os().nth(2).map_or(Some(1_200), |text| text.to_str()?.parse().ok());
    let width = width.filter(|width| (3..=20_000).contains(width) && env::args_os().len() <= 3).unwrap_or_else(|| {
        eprintln!("error: WIDTH is a number from 3 to 20000\nusage: mandelbrot [FILE] [WIDTH]");
        process::exit(2)
    });
    let height = width * 4 / 5;
    let workers = Pool::global()?.workers();

    let start = Instant::now();
    let expected: Vec<Vec<u8>> = (0..height).map(|y| row(y, width, height)).collect();
    let serial = start.elapsed();

    let start = Instant::now();
    let rows = row.par_map((0..height).map(|y| (y, width, height)))?;
    let parallel = start.elapsed();
    assert!(rows == expected, "the pool computes what this process does");

    print(&rows);
    println!("one process  {serial:>10.1?}");
    println!("{workers:>2} workers   {parallel:>10.1?}  {:>5.2}x", serial.as_secs_f64() / parallel.as_secs_f64());

    write(&file, width, height, &rows.concat())?;
    println!("{width} x {height} pixels in {}", file.display());
    Ok(())
}

fn print(rows: &[Vec<u8>]) {
    const SHADES: &[u8; 10] = b"@%#*+=-:. ";
    for line in (0..24).map(|line| &rows[line * rows.len() / 24]) {
        let greys = (0..72).map(|column| line[column * line.len() / 72]);
        let text: String = greys.map(|grey| SHADES[usize::from(grey) * 10 / 256] as char).collect();
        println!("{}", text.trim_end());
    }
}

fn write(file: &Path, width: usize, height: usize, pixels: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(file)?), width.try_into()?, height.try_into()?);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(())
}
