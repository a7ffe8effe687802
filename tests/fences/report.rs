//! What the campaign leaves: `report.json` for machines, a table for people, and the page in `docs/`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cell::{Cell, Family, MacMode};
use crate::expected::Bounds;
use crate::scenario::Scenario;

/// A line of `report.json`. Times are in milliseconds. A cell with fewer runs than it shall have does not pass.
#[derive(Debug, Serialize)]
struct Line<'a> {
    scenario: &'a str,
    interval_ms: u32,
    mac_mode: MacMode,
    family: Family,
    runs: usize,
    /// How many it shall have.
    wanted: usize,
    worst_gap_ms: f64,
    median_gap_ms: f64,
    lost_probes_max: usize,
    two_answers_ms_max: f64,
    none_ms_max: f64,
    /// How long at most whoever was to take over took to advertise; `null` where nobody was called.
    held_after_ms_max: Option<f64>,
    /// How long half of them took at the most until the client had an answer.
    answered_after_ms_median: Option<f64>,
    pass: bool,
    /// The same in a word or two, and why not.
    verdict: String,
}

impl<'a> Line<'a> {
    fn of(cell: &'a Cell, scenario: &Scenario, bounds: Bounds) -> Self {
        Self {
            scenario: &cell.scenario,
            interval_ms: cell.interval_ms,
            mac_mode: cell.mac_mode,
            family: cell.family,
            runs: cell.runs.len(),
            wanted: cell.wanted,
            worst_gap_ms: cell.worst(|run| run.gap_ms),
            median_gap_ms: cell.median_gap(),
            lost_probes_max: cell.lost_max(),
            two_answers_ms_max: cell.worst(|run| run.two_answers_ms),
            none_ms_max: cell.worst(|run| run.none_ms),
            held_after_ms_max: cell.held_after_max(),
            answered_after_ms_median: cell.median_answered_after(),
            pass: cell.passes(scenario, bounds),
            verdict: verdict(cell, scenario, bounds),
        }
    }
}

/// Writes the cells, each with its scenario, as JSON.
pub(crate) fn write_json(cells: &[(Cell, Scenario)], bounds: Bounds, file: &Path) -> Result<()> {
    let lines: Vec<Line<'_>> =
        cells.iter().map(|(cell, scenario)| Line::of(cell, scenario, bounds)).collect();
    fs::create_dir_all(file.parent().context("a report without a directory")?)?;
    let new = file.with_extension("new");
    fs::write(&new, format!("{}\n", serde_json::to_string_pretty(&lines)?))?;
    fs::rename(&new, file).with_context(|| format!("cannot write {}", file.display()))
}

/// How a cell went, in a word or two.
pub(crate) fn verdict(cell: &Cell, scenario: &Scenario, bounds: Bounds) -> String {
    match (cell.passes(scenario, bounds), cell.failed(scenario, bounds).len()) {
        (true, _) => "pass".to_owned(),
        (false, _) if cell.error.is_some() => format!("ERROR after {} of {}", cell.runs.len(), cell.wanted),
        (false, 0) if cell.runs.is_empty() => "not run".to_owned(),
        (false, 0) if cell.is_complete() && !cell.errors_before.is_empty() => {
            format!("FAIL, {} attempts before ended with an error", cell.errors_before.len())
        }
        (false, 0) if cell.is_complete() => "FAIL, too few do what half of them must".to_owned(),
        (false, 0) => format!("incomplete, {} of {}", cell.runs.len(), cell.wanted),
        (false, failed) => format!("FAIL, {failed} of {}", cell.runs.len()),
    }
}

/// The table as Markdown.
pub(crate) fn table(cells: &[(Cell, Scenario)], bounds: Bounds) -> String {
    let mut text = String::from(
        "| Scenario | Interval | MAC mode | Family | Runs | Worst gap | Median gap | Lost | Two answers | None | Held after \
         | Verdict |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (cell, scenario) in cells {
        let line = Line::of(cell, scenario, bounds);
        let held_after = line.held_after_ms_max.map(|after| format!("{after:.1}")).unwrap_or_default();
        let _into_a_string = writeln!(
            text,
            "| {} | {} ms | {} | {} | {} | {:.1} | {:.1} | {} | {:.1} | {:.1} | {held_after} | {} |",
            line.scenario,
            line.interval_ms,
            line.mac_mode.as_str(),
            line.family.as_str(),
            line.runs,
            line.worst_gap_ms,
            line.median_gap_ms,
            line.lost_probes_max,
            line.two_answers_ms_max,
            line.none_ms_max,
            verdict(cell, scenario, bounds),
        );
    }
    text
}

/// The page that is kept in the repository.
pub(crate) fn page(
    cells: &[(Cell, Scenario)],
    scenarios: &[Scenario],
    judged: &str,
    machine: &str,
    bounds: Bounds,
) -> String {
    let mut text = format!(
        "# Fences, as seen from outside\n\n\
         `make fences` writes this page: real agents and a real server in network namespaces, and a client and an\n\
         observer that judge them. The client sends a UDP packet to each virtual address every millisecond through\n\
         its kernel's own neighbour cache and reads the kernel's time stamps; the observer, another host, asks for\n\
         each address every 5 ms, by ARP or by neighbour solicitations, and sees at which ports of the switch\n\
         answers come in. Each of many groups, whose advertisements fall at different times, is a run. All times\n\
         are in milliseconds: the longest time between two answers to a client, the longest time in which two\n\
         nodes answered the observer, or none did. Lost is the most probes that one run lost. Held after is the\n\
         longest from the request, from the loss of the link or from the second death of a worker until a third\n\
         host heard the new holder advertise. A cell of which an earlier attempt ended with an error fails.\n\n\
         Judged: `{judged}` (`scripts/fingerprint.sh fences`), on {machine}.\n\n"
    );
    text.push_str("| Scenario | What happens | Promised |\n|---|---|---|\n");
    for scenario in scenarios {
        let promised = scenario.expected.in_words();
        let _into_a_string = writeln!(text, "| {} | {} | {promised} |", scenario.name, scenario.what);
    }
    let passed = cells.iter().filter(|(cell, scenario)| cell.passes(scenario, bounds)).count();
    let _into_a_string =
        write!(text, "\n{passed} of {} cells pass.\n\n{}", cells.len(), table(cells, bounds));
    text
}
