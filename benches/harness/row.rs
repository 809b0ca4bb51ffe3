//! Rows: one kind of work, its contenders, and what is to be reached.

use serde::{Deserialize, Serialize};

use crate::contender::Contender;

/// What a row's samples count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time, in seconds.
    Seconds,
    /// Memory, in bytes.
    Bytes,
    /// Events.
    Count,
}

/// What is to be reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aim {
    /// At most so many times what this contender needs.
    Ratio { against: String, at_most: f64 },
    /// At most so much, in the row's unit.
    Value { at_most: f64 },
}

/// How the main README shows a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Headline {
    /// What the work is called there.
    pub(crate) work: String,
    /// The peers that are shown, in this order, measured or not.
    pub(crate) against: Vec<String>,
}

/// One kind of work.
pub struct Row {
    pub(crate) name: String,
    pub(crate) work: String,
    pub(crate) unit: Unit,
    pub(crate) aims: Vec<Aim>,
    pub(crate) headline: Option<Headline>,
    pub(crate) environment: Vec<(String, String)>,
    contenders: Box<dyn Fn() -> Vec<Contender>>,
}

impl Row {
    /// A row that measures time. `name` selects it on the command line, `work` is what the table calls it; `contenders`
    /// runs in the row's own process.
    pub fn new(
        name: impl Into<String>,
        work: impl Into<String>,
        contenders: impl Fn() -> Vec<Contender> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            work: work.into(),
            unit: Unit::Seconds,
            aims: Vec::new(),
            headline: None,
            environment: Vec::new(),
            contenders: Box::new(contenders),
        }
    }

    /// Measures something other than time.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Sets a variable for the row's own process, and so for every contender.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// Says that at most `at_most` times what the contender `against` needs is to be reached.
    #[must_use]
    pub fn aim(mut self, against: &str, at_most: f64) -> Self {
        self.aims.push(Aim::Ratio { against: against.to_string(), at_most });
        self
    }

    /// Says that at most this much, in the row's unit, is to be reached.
    #[must_use]
    pub fn aim_value(mut self, at_most: f64) -> Self {
        self.aims.push(Aim::Value { at_most });
        self
    }

    /// Shows the row in the main README too, beside these peers and under this name.
    #[must_use]
    pub fn headline(mut self, work: &str, against: &[&str]) -> Self {
        let against = against.iter().map(ToString::to_string).collect();
        self.headline = Some(Headline { work: work.to_string(), against });
        self
    }

    pub(crate) fn contenders(&self) -> Vec<Contender> {
        (self.contenders)()
    }
}
