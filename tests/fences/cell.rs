//! A cell of the campaign: one scenario at one interval in one MAC mode over IPv4 or IPv6, and what came of
//! it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::expected::Bounds;
use crate::measure::Run;
use crate::scenario::Scenario;

/// Which MAC address answers for the groups of a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MacMode {
    Interface,
    Virtual,
}

impl MacMode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Virtual => "virtual",
        }
    }
}

/// Whose addresses the groups of a bench have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// With more groups than this the client would be the load that is judged.
const MANY: u8 = 25;

/// What all scenarios on one bench share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) interval_ms: u32,
    pub(crate) mac_mode: MacMode,
    pub(crate) family: Family,
    pub(crate) groups: u8,
}

impl Shape {
    /// How often the client asks each address.
    pub(crate) const fn probe_every(self) -> Duration {
        if self.groups > MANY { Duration::from_millis(20) } else { Duration::from_millis(1) }
    }

    /// How often the observer asks for each address.
    pub(crate) const fn ask_every(self) -> Duration {
        if self.groups > MANY { Duration::from_millis(100) } else { Duration::from_millis(5) }
    }
}

/// What came of a cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) scenario: String,
    pub(crate) interval_ms: u32,
    pub(crate) mac_mode: MacMode,
    pub(crate) family: Family,
    /// What was judged: the same sources give the same value.
    pub(crate) fingerprint: String,
    /// How many runs it shall have.
    pub(crate) wanted: usize,
    pub(crate) runs: Vec<Run>,
    /// Why it has fewer runs than wanted.
    pub(crate) error: Option<String>,
    /// What ended earlier attempts over the same sources.
    #[serde(default)]
    pub(crate) errors_before: Vec<String>,
}

impl Cell {
    pub(crate) fn empty(scenario: &Scenario, shape: Shape, wanted: usize, fingerprint: &str) -> Self {
        Self {
            scenario: scenario.name.to_owned(),
            interval_ms: shape.interval_ms,
            mac_mode: shape.mac_mode,
            family: shape.family,
            fingerprint: fingerprint.to_owned(),
            wanted,
            runs: Vec::new(),
            error: None,
            errors_before: Vec::new(),
        }
    }

    /// The cell as an earlier campaign over the same sources left it. What an error ended is judged again, and
    /// not forgotten: a fault may be what the error was.
    pub(crate) fn kept(&self, within: &Path) -> Option<Self> {
        let text = fs::read_to_string(self.file(within)).ok()?;
        let mut kept: Self = serde_json::from_str(&text).ok()?;
        if let Some(error) = kept.error.take() {
            kept.errors_before.push(error);
            kept.runs.clear();
        }
        (kept.fingerprint == self.fingerprint && kept.wanted == self.wanted).then_some(kept)
    }

    pub(crate) fn keep(&self, within: &Path) -> Result<()> {
        fs::create_dir_all(within)?;
        let file = self.file(within);
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(self)?)?;
        fs::rename(&new, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.runs.len() >= self.wanted
    }

    pub(crate) fn name(&self) -> String {
        let Self { scenario, interval_ms, .. } = self;
        format!("{scenario}.{interval_ms}.{}.{}", self.mac_mode.as_str(), self.family.as_str())
    }

    fn file(&self, within: &Path) -> PathBuf {
        within.join(format!("{}.json", self.name()))
    }

    pub(crate) fn worst(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(figure).fold(0.0, f64::max)
    }

    pub(crate) fn median_gap(&self) -> f64 {
        let mut gaps: Vec<f64> = self.runs.iter().map(|run| run.gap_ms).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        gaps.get(gaps.len() / 2).copied().unwrap_or_default()
    }

    /// The longest that somebody who was to take over took to say so; `None` where that is not judged.
    pub(crate) fn held_after_max(&self) -> Option<f64> {
        self.runs.iter().filter_map(|run| run.held_after_ms).reduce(f64::max)
    }

    /// What half of those who were to take over took until the client had an answer.
    pub(crate) fn median_answered_after(&self) -> Option<f64> {
        let mut all: Vec<f64> = self.runs.iter().filter_map(|run| run.answered_after_ms).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    pub(crate) fn lost_max(&self) -> usize {
        self.runs.iter().map(|run| run.lost).max().unwrap_or_default()
    }

    /// The runs that do not do what the scenario promises.
    pub(crate) fn failed(&self, scenario: &Scenario, bounds: Bounds) -> Vec<&Run> {
        self.runs.iter().filter(|run| !scenario.expected.is_met(run, self.interval_ms, bounds)).collect()
    }

    pub(crate) fn passes(&self, scenario: &Scenario, bounds: Bounds) -> bool {
        let all_met =
            self.failed(scenario, bounds).is_empty() && scenario.expected.is_met_by_most(&self.runs, bounds);
        self.is_complete() && self.error.is_none() && self.errors_before.is_empty() && all_met
    }
}
