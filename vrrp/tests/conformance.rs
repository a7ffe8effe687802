//! The table of `CONFORMANCE.md` names tests that exist, and leaves out no rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn sources(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![fs::read_to_string(&path).unwrap()],
            _ => vec![],
        })
        .collect()
}

fn is_ignore(line: &str) -> bool {
    line.starts_with("#[ignore")
}

/// The names of all functions that carry `#[test]` on a line of its own, and run.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for source in ["src", "tests"].iter().flat_map(|directory| sources(&root.join(directory))) {
        let mut lines = source.lines().map(str::trim);
        while lines.by_ref().any(|line| line == "#[test]") {
            let mut attributes = lines.by_ref().skip_while(|line| line.starts_with("#[") && !is_ignore(line));
            let name = attributes.next().and_then(|line| line.strip_prefix("fn ")?.split('(').next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

fn rows() -> Vec<Vec<String>> {
    include_str!("../CONFORMANCE.md")
        .lines()
        .filter(|line| line.starts_with("| R") && !line.starts_with("| Rule"))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// `R1`, `R61–R65` and `R74, R75` as numbers.
fn rules(cell: &str) -> Vec<u32> {
    let number = |text: &str| text.trim().strip_prefix('R').unwrap().parse::<u32>().unwrap();
    cell.split(',')
        .flat_map(|part| match part.split_once('–') {
            Some((first, last)) => (number(first)..=number(last)).collect(),
            None => vec![number(part)],
        })
        .collect()
}

#[test]
fn every_test_that_the_table_names_exists() {
    let tests = tests();
    for row in rows() {
        for name in row[4].split('`').skip(1).step_by(2) {
            assert!(tests.contains(name), "{} names `{name}`, which is no test", row[1]);
        }
    }
}

#[test]
fn the_table_has_a_row_for_every_rule_and_each_row_an_answer() {
    let listed: Vec<u32> = rows().iter().flat_map(|row| rules(&row[1])).collect();
    assert_eq!(listed, (1..=91).collect::<Vec<_>>());
    for row in rows() {
        let answered = row[4].contains('`') || ["agent", "not yet"].iter().any(|word| row[4].contains(word));
        assert!(answered, "{}", row[1]);
    }
}
