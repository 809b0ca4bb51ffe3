//! What came out: judged against the aims, and as a file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::OURS;
use crate::machine::{self, Machine};
use crate::row::{Aim, Headline, Row, Unit};
use crate::statistics::{Samples, Spread, ratio, spread};

/// What one contender's samples came to, or why there are none.
pub(crate) type Outcome = Result<Samples, String>;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    date: String,
    machine: Machine,
    quick: bool,
    load_at_start: Option<f64>,
    load_at_end: Option<f64>,
    pub(crate) rows: Vec<RowReport>,
}

/// One row, judged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowReport {
    name: String,
    pub(crate) work: String,
    pub(crate) unit: Unit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headline: Option<Headline>,
    pub(crate) aim: Option<AimReport>,
    pub(crate) ours: Cell,
    pub(crate) peers: Vec<PeerReport>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerReport {
    pub(crate) name: String,
    pub(crate) cell: Cell,
    /// Ours divided by this peer's, within a round.
    pub(crate) ratio: Option<Spread>,
    pub(crate) aim: Option<AimReport>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Measured(Spread),
    Missing { reason: String },
}

#[derive(Debug, Serialize, Deserialize)]
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

    /// Reads what an earlier run has written.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// One line that says where and when.
    pub(crate) fn line(&self) -> String {
        let load = self.load_at_start.map_or_else(String::new, |load| format!(", load {load}"));
        // There, the contenders' turns are disturbed by different things, and medians of ratios wander.
        let busy = self.load_at_start.is_some_and(|load| self.machine.is_busy_at(load));
        let busy = if busy { " (a busy machine: small differences say nothing)" } else { "" };
        let quick = if self.quick { ", a first look with few rounds" } else { "" };
        format!("{}, {}{load}{busy}{quick}", self.machine.line(), self.date)
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
            headline: row.headline.clone(),
            aim: aim_of_value(row, &cell),
            ours: cell,
            peers,
        }
    }
}

/// A row beside the one peer that a picture has room for.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) row: &'a RowReport,
    pub(crate) peer: &'a PeerReport,
    /// Ours divided by the peer's.
    pub(crate) ratio: f64,
    /// What is to be reached: a ratio to this peer, and whether it is.
    pub(crate) aim: Option<(f64, bool)>,
}

impl RowReport {
    /// Compares with the peer against which there is an aim: with several, the one that is hardest to reach. Without any
    /// it is the first one, and an aim in the row's unit becomes a ratio. `None` where nothing can be compared.
    pub(crate) fn comparison(&self) -> Option<Comparison<'_>> {
        let peers = || self.peers.iter().filter_map(|peer| Some((peer, peer.ratio?.median)));
        let hardest = peers()
            .filter_map(|(peer, ratio)| Some((peer, ratio, peer.aim.as_ref()?)))
            .max_by(|one, other| (one.1 / one.2.at_most).total_cmp(&(other.1 / other.2.at_most)));
        if let Some((peer, ratio, aim)) = hardest {
            let aim = aim.reached.map(|reached| (aim.at_most, reached));
            return Some(Comparison { row: self, peer, ratio, aim });
        }
        let (peer, ratio) = peers().next()?;
        let theirs = peer.cell.median().filter(|theirs| *theirs > 0.0);
        let aim = self.aim.as_ref().and_then(|aim| Some((aim.at_most / theirs?, aim.reached?)));
        Some(Comparison { row: self, peer, ratio, aim })
    }
}

impl Cell {
    fn new(outcome: &Outcome) -> Self {
        let measured = outcome.as_ref().map_err(Clone::clone).and_then(|samples| {
            spread(samples.iter().map(|(_, value)| *value)).ok_or_else(|| "was not measured".to_string())
        });
        measured.map_or_else(|reason| Self::Missing { reason }, Self::Measured)
    }

    pub(crate) fn median(&self) -> Option<f64> {
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

/// A report for tests of what shows it.
#[cfg(test)]
pub(crate) fn sample() -> Report {
    use tests::judged;
    let one = |value| Ok(vec![(0, value)]);
    let missing = Err("skipped: not <here>".to_string());
    let map = Row::new("map", "Vec<u8> & more", Vec::new).aim("rayon", 1.1).headline("a map", &["rayon", "loky"]);
    let slow = Row::new("slow", "slow", Vec::new).aim("procspawn", 1.0).aim("futex, spinning", 60.0);
    let memory = Row::new("memory", "memory", Vec::new).unit(Unit::Bytes).aim_value(1e6);
    let rows = vec![
        judged(&map, &[(OURS, one(1.0)), ("serial", one(4.0)), ("rayon", one(2.0)), ("loky", missing)]),
        judged(&slow, &[(OURS, one(0.09)), ("procspawn", one(0.1)), ("futex, spinning", one(0.001))]),
        judged(&memory, &[(OURS, one(2e6)), ("a process that waits", one(1e6))]),
        judged(&Row::new("none", "no aim", Vec::new), &[(OURS, one(1.0)), ("rayon", one(1.0))]),
        judged(&Row::new("alone", "alone", Vec::new), &[(OURS, one(1.0)), ("rayon", Err("hangs".to_string()))]),
    ];
    let machine = r#"{"cpu":"a quick CPU","cores":2,"memory_bytes":1,"kernel":"6.1"}"#;
    let (date, machine) = ("2026-01-02T03:04:05Z".to_string(), serde_json::from_str(machine).unwrap());
    Report { date, machine, quick: false, load_at_start: Some(0.5), load_at_end: None, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn judged(row: &Row, outcomes: &[(&str, Outcome)]) -> RowReport {
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

    #[test]
    fn a_row_is_compared_with_the_peer_whose_aim_is_hardest_to_reach() {
        let report = sample();
        let compared = |at: usize| report.rows[at].comparison().map(|row| (row.peer.name.as_str(), row.aim));
        assert_eq!(compared(0), Some(("rayon", Some((1.1, true)))));
        assert_eq!(compared(1), Some(("futex, spinning", Some((60.0, false)))));
        assert_eq!(compared(2), Some(("a process that waits", Some((1.0, false)))));
        assert_eq!(compared(3), Some(("rayon", None)));
        assert_eq!(compared(4), None);
    }

    #[test]
    fn a_busy_machine_is_named_where_the_figures_are() {
        let busy = |load| Report { load_at_start: load, ..sample() }.line().contains("busy");
        assert_eq!([Some(0.5), Some(2.0), Some(2.5), None].map(busy), [false, false, true, false]);
    }

    #[test]
    fn a_report_that_was_written_can_be_read() {
        let text = serde_json::to_string_pretty(&sample()).unwrap();
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap(), text);
        assert!(text.contains("\"unit\": \"seconds\""));
    }
}
