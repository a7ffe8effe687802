//! `docs/conformance.md` names tests that exist, leaves out no rule, and gives each an answer.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use e2e::binaries::workspace;

const CRATES: [&str; 7] = ["vrrp", "simulator", "node-agent", "api-types", "server", "cli", "tests"];

/// The rules are numbered from 1 to this.
const RULES: u32 = 98;
/// What a rule may have in place of a test; a reason follows.
const ANSWERS: [&str; 3] = ["not applicable:", "deliberate difference:", "not yet:"];

/// The names of all functions that carry `#[test]` on a line of its own, and run, in every crate.
fn tests() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut open: Vec<_> = CRATES.iter().map(|folder| workspace().join(folder)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect(&fs::read_to_string(&path)?, &mut names);
        }
    }
    Ok(names)
}

fn collect(source: &str, names: &mut BTreeSet<String>) {
    let runs = |line: &str| line.starts_with("#[") && !line.starts_with("#[ignore");
    let mut lines = source.lines().map(str::trim);
    while lines.by_ref().any(|line| line == "#[test]" || line.starts_with("#[tokio::test")) {
        let name = lines
            .by_ref()
            .find(|line| !runs(line))
            .and_then(|line| line.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next());
        names.extend(name.map(str::to_owned));
    }
}

/// The cells of each row: rule, source, requirement, what shows it.
fn rows() -> Result<Vec<Vec<String>>> {
    let table = fs::read_to_string(workspace().join("docs/conformance.md"))?;
    Ok(table
        .lines()
        .filter(|line| line.starts_with("| R") && !line.starts_with("| Rule"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect())
}

fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_conformance_table_names_exists() -> Result<()> {
    let tests = tests()?;
    for row in rows()? {
        for name in row.last().into_iter().flat_map(|cell| named(cell)) {
            ensure!(tests.contains(name), "{} names `{name}`, which is no test that runs", row[0]);
        }
    }
    Ok(())
}

#[test]
fn the_conformance_table_has_one_row_per_rule_and_each_row_an_answer() -> Result<()> {
    let rows = rows()?;
    let listed: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let wanted: Vec<String> = (1..=RULES).map(|number| format!("R{number}")).collect();
    ensure!(listed == wanted, "the rows are {listed:?}");
    for row in &rows {
        let [rule, _, _, answer] = row.as_slice() else { anyhow::bail!("{row:?} has {} cells", row.len()) };
        let has_reason = ANSWERS
            .iter()
            .any(|word| answer.split_once(word).is_some_and(|(_, reason)| reason.trim().len() > 10));
        ensure!(named(answer).next().is_some() || has_reason, "{rule} has no answer");
    }
    Ok(())
}

#[test]
fn a_test_that_is_ignored_or_only_mentioned_shows_nothing() {
    let source = "// #[test] in prose\n#[test]\n#[ignore = \"why\"]\nfn off() {}\n#[test]\nfn on() {}\n";
    let mut names = BTreeSet::new();
    collect(source, &mut names);
    assert_eq!(names, BTreeSet::from(["on".to_owned()]));
}
