//! The short form of `make fences`: its own program, a handful of its cells.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::binaries;
use serde_json::{Map, Value};

/// What the campaign writes of each cell.
const FIELDS: [&str; 15] = [
    "answered_after_ms_median",
    "family",
    "held_after_ms_max",
    "interval_ms",
    "lost_probes_max",
    "mac_mode",
    "median_gap_ms",
    "none_ms_max",
    "pass",
    "runs",
    "scenario",
    "two_answers_ms_max",
    "verdict",
    "wanted",
    "worst_gap_ms",
];
/// Each group is a run.
const GROUPS: u64 = 6;

/// Runs these scenarios once in one MAC mode over one family. The interval leaves a successor that waits for
/// its timer dark for longer than the loose bounds allow.
fn judge(mac_mode: &str, family: &str, scenarios: &[&str]) -> Result<()> {
    let keep = std::env::temp_dir().join(format!("baton-fences-{mac_mode}-{}", std::process::id()));
    let groups = GROUPS.to_string();
    let programs = binaries::program("baton-agent")?;
    let campaign = Command::new(env!("CARGO_BIN_EXE_baton-fences"))
        .env(binaries::READY, programs.parent().context("a program without a directory")?)
        .arg("--keep")
        .arg(&keep)
        .args(["--bounds", "loose", "--groups", &groups, "--runs", &groups])
        .args(["--intervals", "300", "--mac-modes", mac_mode, "--families", family])
        .args(["--scenarios", &scenarios.join(",")])
        .output()?;
    let said = [campaign.stdout, campaign.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    let report = fs::read_to_string(keep.join("report.json"));
    drop(fs::remove_dir_all(&keep));
    ensure!(campaign.status.success(), "{}\n{}", said[0], said[1]);
    let cells: Vec<Map<String, Value>> = serde_json::from_str(&report?)?;
    let judged: BTreeSet<_> = cells.iter().filter_map(|cell| cell["scenario"].as_str()).collect();
    ensure!(judged == scenarios.iter().copied().collect() && cells.len() == scenarios.len(), "{judged:?}");
    for cell in &cells {
        ensure!(cell.keys().eq(FIELDS), "{cell:?}");
        ensure!(cell["runs"] == GROUPS && cell["pass"] == true, "{cell:?}");
        ensure!(cell["mac_mode"] == mac_mode && cell["family"] == family, "{cell:?}");
    }
    Ok(())
}

#[test]
fn moves_lose_no_probe_the_dead_are_silent_and_a_healed_lan_is_served() -> Result<()> {
    judge("interface", "ipv4", &["graceful_stop", "switchover", "nftables_lease_alone", "split_heals"])
}

#[test]
fn moves_lose_no_probe_with_a_virtual_mac_over_ipv6_either() -> Result<()> {
    judge("virtual", "ipv6", &["graceful_stop", "switchover"])
}
