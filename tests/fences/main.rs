//! `make fences`: every way in which addresses move or must not, judged by a client and an observer.
//!
//! A campaign consists of cells (scenario, interval, MAC mode, family). Each finished cell is kept, so that a
//! campaign that was interrupted, or ran out of time, goes on where it ended; a cell that was judged on other
//! sources, or that an error ended, is judged again.

mod bench;
mod cell;
mod expected;
mod group;
mod measure;
mod own_program;
mod report;
mod scenario;
mod scenarios;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use e2e::{Lab, Subnets, binaries};
use nix::unistd::geteuid;

use crate::bench::Bench;
use crate::cell::{Cell, Family, MacMode, Shape};
use crate::expected::{Bounds, Expected};
use crate::scenario::{ALL, Scenario};

/// IPv6 differs in how addresses are bound, asked for and silenced, which takes as long at any interval.
const IPV6_AT_MS: u32 = 100;

/// Judges fences and planned moves from outside, in network namespaces (root).
#[derive(Debug, Parser)]
struct Arguments {
    /// Where cells and the report are kept.
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = binaries::workspace().join("target/fences"))]
    keep: PathBuf,
    /// No cell begins that may not be done by the time that so many minutes have passed.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    scenarios: Vec<String>,
    /// The intervals, in milliseconds.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000])]
    intervals: Vec<u32>,
    /// The MAC modes.
    #[arg(long, value_delimiter = ',', default_values = ["interface", "virtual"])]
    mac_modes: Vec<MacMode>,
    /// The families; IPv6 is judged at 100 ms only, unless it is the only one.
    #[arg(long, value_delimiter = ',', default_values = ["ipv4", "ipv6"])]
    families: Vec<Family>,
    /// How many groups a bench has.
    #[arg(long, default_value_t = 20)]
    groups: u8,
    /// How many runs a cell shall have, in place of what its scenario says.
    #[arg(long)]
    runs: Option<usize>,
    /// How exactly times are judged.
    #[arg(long, default_value = "exact")]
    bounds: Bounds,
    /// What is judged; cells that were judged with another value are judged again.
    #[arg(long, default_value = "")]
    fingerprint: String,
    /// A page to write the table of a whole campaign to.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

impl Arguments {
    /// Whether the campaign is a whole one, by the promises: no part of one makes a page.
    fn judge_everything(&self) -> bool {
        let Ok(whole) = Self::try_parse_from(["baton-fences"]) else { return false };
        let chosen = |this: &Self| {
            let Self { scenarios, intervals, mac_modes, families, groups, runs, bounds, .. } = this;
            format!("{:?}", (scenarios, intervals, mac_modes, families, groups, runs, bounds))
        };
        chosen(self) == chosen(&whole)
    }
}

fn main() -> ExitCode {
    match campaign(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every cell passes.
fn campaign(arguments: &Arguments) -> Result<bool> {
    ensure!(geteuid().is_root(), "run as root: the campaign makes network namespaces");
    let chosen: Vec<Scenario> =
        ALL.iter().filter(|one| is_chosen(one, &arguments.scenarios)).copied().collect();
    ensure!(!chosen.is_empty(), "there is no such scenario");
    let until = Instant::now() + Duration::from_secs(arguments.minutes * 60);
    let kept_in = arguments.keep.join("cells");
    let mut cells = Vec::new();
    for shape in shapes(arguments, &chosen) {
        let mut bench_cells: Vec<(Cell, Scenario)> = chosen
            .iter()
            .filter(|scenario| scenario.is_judged_on(shape, arguments.groups))
            .map(|scenario| {
                let wanted = arguments.runs.unwrap_or(scenario.runs);
                let empty = Cell::empty(scenario, shape, wanted, &arguments.fingerprint);
                (empty.kept(&kept_in).unwrap_or(empty), *scenario)
            })
            .collect();
        let is_next = |(cell, scenario): &(Cell, Scenario)| is_open(cell) && has_time(scenario, until);
        while let Some(next) = bench_cells.iter().position(is_next) {
            let failed_before = failures(&bench_cells);
            if let Err(error) = on_one_bench(shape, &mut bench_cells, until, arguments) {
                eprintln!("{error:#}");
                // It was no scenario, but the bench.
                if failures(&bench_cells) == failed_before {
                    bench_cells[next].0.error = Some(format!("{error:#}"));
                }
            }
        }
        cells.extend(bench_cells);
        report::write_json(&cells, arguments.bounds, &arguments.keep.join("report.json"))?;
        if let Some(page) = arguments.page.as_ref().filter(|_| arguments.judge_everything()) {
            let judged = &arguments.fingerprint;
            fs::write(page, report::page(&cells, &chosen, judged, &machine(), arguments.bounds))?;
        }
    }
    let table = report::table(&cells, arguments.bounds);
    println!("{table}");
    fs::write(arguments.keep.join("table.md"), &table)?;
    Ok(cells.iter().all(|(cell, scenario)| cell.passes(scenario, arguments.bounds)))
}

/// The benches. Short intervals come first: they take least. A bench of its own comes after those that most
/// share at the same interval, and so before the longer intervals: when the time is up, the last cells of many
/// are missing rather than what takes longest of all.
fn shapes(arguments: &Arguments, chosen: &[Scenario]) -> Vec<Shape> {
    let own = chosen.iter().filter_map(|scenario| scenario.groups);
    let sizes: BTreeSet<u8> = own.chain([arguments.groups]).collect();
    let mut shapes = Vec::new();
    for &interval_ms in &arguments.intervals {
        for &groups in &sizes {
            for &family in &arguments.families {
                for &mac_mode in &arguments.mac_modes {
                    shapes.push(Shape { interval_ms, mac_mode, family, groups });
                }
            }
        }
    }
    let is_wanted = |shape: &Shape| {
        shape.family == Family::Ipv4 || shape.interval_ms == IPV6_AT_MS || arguments.families.len() == 1
    };
    shapes.retain(is_wanted);
    shapes
}

fn is_chosen(scenario: &Scenario, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == scenario.name)
}

const fn is_open(cell: &Cell) -> bool {
    cell.runs.len() < cell.wanted && cell.error.is_none()
}

/// Whether a whole cell of it fits into the time that is left.
fn has_time(scenario: &Scenario, until: Instant) -> bool {
    until.saturating_duration_since(Instant::now()) >= scenario.takes
}

/// Runs what is open on a fresh bench. After an error the bench is not to be trusted any more.
fn on_one_bench(
    shape: Shape,
    cells: &mut [(Cell, Scenario)],
    until: Instant,
    arguments: &Arguments,
) -> Result<()> {
    let (kept_in, bounds) = (arguments.keep.join("cells"), arguments.bounds);
    Lab::run_on(Subnets::default(), |lab| {
        let begun = Instant::now();
        let bench = Bench::set_up(lab, shape)?;
        println!("a bench stands after {:.1} s", begun.elapsed().as_secs_f64());
        for (cell, scenario) in cells {
            let begun = Instant::now();
            if !has_time(scenario, until) {
                continue;
            }
            while is_open(cell) && Instant::now() < until {
                match scenario.run(&bench) {
                    Ok(runs) => cell.runs.extend(runs),
                    Err(error) => {
                        cell.error = Some(format!("{error:#}"));
                        cell.keep(&kept_in)?;
                        return Err(error);
                    }
                }
                if !is_open(cell) {
                    cell.keep(&kept_in)?;
                    let took = begun.elapsed().as_secs_f64();
                    println!("{}: {} ({took:.1} s)", cell.name(), report::verdict(cell, scenario, bounds));
                    if let (Expected::Begins, Some(half)) = (scenario.expected, cell.median_answered_after())
                    {
                        println!("half of them answered within {half:.1} ms of the request");
                    }
                    for run in cell.failed(scenario, bounds).iter().take(2) {
                        eprintln!("{run}");
                    }
                }
            }
        }
        Ok(())
    })
}

fn failures(cells: &[(Cell, Scenario)]) -> usize {
    cells.iter().filter(|(cell, _)| cell.error.is_some()).count()
}

fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("Linux {}, {processors} processors", kernel.trim())
}
