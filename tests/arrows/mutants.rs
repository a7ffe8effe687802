//! `docs/mutants.md` gives a reason for each mutant of the core that survives, and nine in ten are killed.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::workspace;

/// Names of mutants and reasons, as `vrrp/survivors.txt` has them.
fn reasons() -> Result<Vec<(String, String)>> {
    let mut reasons: Vec<(String, String)> = Vec::new();
    for line in fs::read_to_string(workspace().join("vrrp/survivors.txt"))?.lines() {
        if let Some(reason) = line.strip_prefix("    ") {
            let (_, reasons) = reasons.last_mut().context("a reason comes after its mutant")?;
            *reasons = format!("{reasons} {reason}").trim().to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            reasons.push((line.to_owned(), String::new()));
        }
    }
    Ok(reasons)
}

#[test]
fn each_surviving_mutant_is_in_the_table_with_its_reason() -> Result<()> {
    let table = fs::read_to_string(workspace().join("docs/mutants.md"))?;
    let reasons = reasons()?;
    let (_, survivors) = table.split_once("## Survivors").context("there is no table of survivors")?;
    let rows: Vec<&str> = survivors.lines().filter(|line| line.starts_with("| `")).collect();
    ensure!(
        rows.len() == reasons.len(),
        "{} rows, {} reasons: run `make mutants`",
        rows.len(),
        reasons.len()
    );
    for (name, reason) in reasons {
        ensure!(reason.len() > 20, "{name} has no reason");
        let row = format!("| `{}` | {reason} |", name.replace('|', "\\|"));
        ensure!(rows.contains(&&*row), "the table has another reason for {name}: run `make mutants`");
        let file = name.split(':').next().unwrap_or_default();
        ensure!(workspace().join(file).is_file(), "{name} is of no file");
    }
    Ok(())
}

#[test]
fn nine_of_ten_mutants_of_the_core_are_killed() -> Result<()> {
    let table = fs::read_to_string(workspace().join("docs/mutants.md"))?;
    let all = table.lines().find(|line| line.starts_with("| all |")).context("there is no row for all")?;
    let numbers: Vec<u32> = all.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
    let [compiled, killed, endless, survived] = numbers.as_slice() else { anyhow::bail!("{all}") };
    ensure!(compiled == &(killed + endless + survived), "{all}");
    ensure!((killed + endless) * 10 >= compiled * 9, "{all}");
    Ok(())
}
