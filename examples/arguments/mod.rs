//! What the examples share: numbers from the command line, given by position.

use std::ops::RangeInclusive;

/// Reads one number for each of `wanted`: its name, the values that make sense, and the default when it is left out.
///
/// Digits may be grouped, `5_000_000`. Ends the program with a message when a number is not one of those values.
pub(crate) fn numbers<const N: usize>(wanted: [(&str, RangeInclusive<u64>, u64); N]) -> [u64; N] {
    let given: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let usage = || wanted.iter().map(|(name, ..)| format!(" [{name}]")).collect::<String>();
    if let Some(text) = given.get(N) {
        refuse(&format!("`{text}` is one argument too many"), &usage());
    }
    std::array::from_fn(|place| {
        let (name, range, default) = &wanted[place];
        let Some(text) = given.get(place) else { return *default };
        match text.replace('_', "").parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                refuse(&format!("{name} is a number from {} to {}, not `{text}`", range.start(), range.end()), &usage())
            }
        }
    })
}

fn refuse(message: &str, usage: &str) -> ! {
    eprintln!("error: {message}\nusage: {}{usage}", env!("CARGO_CRATE_NAME"));
    std::process::exit(2)
}
