//! The command line.

use crate::row::Row;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Only rows whose name or work contains one of these; all rows when empty.
    pub(crate) filters: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) list: bool,
    /// Only the rows that the main README shows, into a file of their own.
    pub(crate) headlines: bool,
    /// Measure nothing: draw what was measured before.
    pub(crate) render: bool,
    /// Whether `cargo bench` started the program, and not `cargo test --benches`, which is not to wait for it.
    pub(crate) bench: bool,
}

const USAGE: &str = "usage: cargo bench [--bench name] -- [--quick] [--list] [--headlines] [--render] [word ...]
  --quick      fewer rounds: a first look, not a result
  --list       names the rows
  --headlines  only the rows that the main README shows
  --render     measures nothing: makes charts and tables anew from the results of the last whole runs
  word         only rows whose name or description contains it";

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--bench" => options.bench = true,
                "--quick" => options.quick = true,
                "--list" => options.list = true,
                "--headlines" => options.headlines = true,
                "--render" => options.render = true,
                word if !word.starts_with('-') => options.filters.push(argument),
                "--help" | "-h" => return Err(USAGE.to_string()),
                unknown => return Err(format!("there is no option `{unknown}`\n{USAGE}")),
            }
        }
        Ok(options)
    }

    pub(crate) fn selects(&self, row: &Row) -> bool {
        let named = |word: &String| row.name.contains(word) || row.work.contains(word);
        (!self.headlines || row.headline.is_some()) && (self.filters.is_empty() || self.filters.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, work: &str) -> Row {
        Row::new(name, work, Vec::new)
    }

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn words_select_rows_by_name_or_by_work() {
        let options = parse("--bench --quick spawn sqrt").unwrap();
        assert!(options.bench && options.quick);
        assert!(options.selects(&row("spawn", "a fresh process")));
        assert!(options.selects(&row("numbers", "sqrt of 10,000")));
        assert!(!options.selects(&row("strings", "upper case")));
    }

    #[test]
    fn headlines_are_the_rows_that_have_one() {
        let options = parse("--headlines spawn").unwrap();
        assert!(!options.selects(&row("spawn", "a fresh process")));
        assert!(options.selects(&row("spawn", "a fresh process").headline("a process", &[])));
        assert!(!options.selects(&row("strings", "upper case").headline("strings", &[])));
    }

    #[test]
    fn an_unknown_option_is_refused_by_name() {
        assert!(parse("--quik").unwrap_err().contains("`--quik`"));
    }
}
