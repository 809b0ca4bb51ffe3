//! What came out: judged against the aims, and as a file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::OURS;
use crate::machine::{self, Machine};
use crate::row::{Aim, Row, Unit};
use crate::statistics::{Samples, Spread, ratio, spread};

/// What one contender's samples came to, or why there are none.
pub(crate) type Outcome = Result<Samples, String>;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    machine: Machine,
    quick: bool,
    load_at_start: Option<f64>,
    load_at_end: Option<f64>,
    rows: Vec<RowReport>,
}

/// One row, judged.
#[derive(Debug, Serialize)]
pub(crate) struct RowReport {
    name: String,
    pub(crate) work: String,
    #[serde(serialize_with = "unit_name")]
    pub(crate) unit: Unit,
    pub(crate) aim: Option<AimReport>,
    pub(crate) ours: Cell,
    pub(crate) peers: Vec<PeerReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PeerReport {
    pub(crate) name: String,
    pub(crate) cell: Cell,
    /// Ours divided by this peer's, within a round.
    pub(crate) ratio: Option<Spread>,
    pub(crate) aim: Option<AimReport>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Measured(Spread),
    Missing { reason: String },
}

#[derive(Debug, Serialize)]
pub(crate) struct AimReport {
    pub(crate) at_most: f64,
    /// `None`: could not be measured.
    pub(crate) reached: Option<bool>,
}

impl Report {
    pub(crate) fn begin(quick: bool) -> Self {
        Self {
            date: machine::date(),
            machine: Machine::this(),
            quick,
            load_at_start: machine::load(),
            load_at_end: None,
            rows: Vec::new(),
        }
    }

    /// One line that says where and when.
    pub(crate) fn line(&self) -> String {
        let load = self.load_at_start.map_or_else(String::new, |load| format!(", load {load}"));
        format!("{}, {}{load}", self.machine.line(), self.date)
    }

    pub(crate) fn push(&mut self, row: RowReport) {
        self.rows.push(row);
    }

    pub(crate) fn write(&mut self, folder: &Path, file: &str) -> io::Result<PathBuf> {
        self.load_at_end = machine::load();
        fs::create_dir_all(folder)?;
        let path = folder.join(file);
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(path)
    }
}

impl RowReport {
    /// Judges what the contenders of `row` came to; `order` is the order in which they are shown.
    pub(crate) fn new(row: &Row, order: &[String], mut outcomes: BTreeMap<String, Outcome>) -> Self {
        let mut outcome = |name: &str| outcomes.remove(name).unwrap_or_else(|| Err("was not measured".to_string()));
        let ours = outcome(OURS);
        let peer = |name: &String| {
            let theirs = outcome(name);
            let ratio = both(&ours, &theirs).and_then(|(ours, theirs)| ratio(ours, theirs));
            PeerReport { name: name.clone(), ratio, aim: aim_against(row, name, ratio), cell: Cell::new(&theirs) }
        };
        let peers = order.iter().filter(|name| *name != OURS).map(peer).collect();
        let cell = Cell::new(&ours);
        Self {
            name: row.name.clone(),
            work: row.work.clone(),
            unit: row.unit,
            aim: aim_of_value(row, &cell),
            ours: cell,
            peers,
        }
    }
}

impl Cell {
    fn new(outcome: &Outcome) -> Self {
        let measured = outcome.as_ref().map_err(Clone::clone).and_then(|samples| {
            spread(samples.iter().map(|(_, value)| *value)).ok_or_else(|| "was not measured".to_string())
        });
        measured.map_or_else(|reason| Self::Missing { reason }, Self::Measured)
    }

    fn median(&self) -> Option<f64> {
        match self {
            Self::Measured(spread) => Some(spread.median),
            Self::Missing { .. } => None,
        }
    }
}

fn both<'a>(ours: &'a Outcome, theirs: &'a Outcome) -> Option<(&'a Samples, &'a Samples)> {
    Some((ours.as_ref().ok()?, theirs.as_ref().ok()?))
}

fn aim_against(row: &Row, name: &str, ratio: Option<Spread>) -> Option<AimReport> {
    row.aims.iter().find_map(|aim| match aim {
        Aim::Ratio { against, at_most } if against == name => {
            Some(AimReport { at_most: *at_most, reached: ratio.map(|ratio| ratio.median <= *at_most) })
        }
        _ => None,
    })
}

fn aim_of_value(row: &Row, ours: &Cell) -> Option<AimReport> {
    row.aims.iter().find_map(|aim| match aim {
        Aim::Value { at_most } => {
            Some(AimReport { at_most: *at_most, reached: ours.median().map(|median| median <= *at_most) })
        }
        Aim::Ratio { .. } => None,
    })
}

// serde asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn unit_name<S: serde::Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match unit {
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Count => "count",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(row: &Row, outcomes: &[(&str, Outcome)]) -> RowReport {
        let order: Vec<String> = outcomes.iter().map(|(name, _)| (*name).to_string()).collect();
        let outcomes = outcomes.iter().map(|(name, outcome)| ((*name).to_string(), outcome.clone())).collect();
        RowReport::new(row, &order, outcomes)
    }

    #[test]
    fn an_aim_is_judged_by_the_median_of_the_ratios() {
        let row = Row::new("row", "work", Vec::new).aim("rayon", 1.5);
        let rayon = Ok(vec![(0, 1.0), (1, 1.0), (2, 1.0)]);
        for (ours, reached) in [([1.0, 1.5, 9.0], true), ([1.0, 1.6, 9.0], false)] {
            let ours = Ok(ours.into_iter().enumerate().collect());
            let report = judged(&row, &[(OURS, ours), ("rayon", rayon.clone())]);
            assert_eq!(report.peers[0].aim.as_ref().unwrap().reached, Some(reached));
        }
    }

    #[test]
    fn an_aim_without_a_measurement_is_neither_reached_nor_missed() {
        let row = Row::new("row", "work", Vec::new).aim("rayon", 1.5).aim_value(1.0);
        let report = judged(&row, &[(OURS, Err("panicked".into())), ("rayon", Ok(vec![(0, 1.0)]))]);
        assert_eq!(report.peers[0].aim.as_ref().unwrap().reached, None);
        assert_eq!(report.aim.unwrap().reached, None);
    }

    #[test]
    fn an_aim_in_the_unit_itself_needs_no_peer() {
        let row = Row::new("row", "work", Vec::new).unit(Unit::Bytes).aim_value(10.0);
        assert_eq!(judged(&row, &[(OURS, Ok(vec![(0, 10.0)]))]).aim.unwrap().reached, Some(true));
        assert_eq!(judged(&row, &[(OURS, Ok(vec![(0, 11.0)]))]).aim.unwrap().reached, Some(false));
    }
}
