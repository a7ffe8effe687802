//! Every planted fault can still be planted, and `docs/bug-bank.md` says who finds it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn patches() -> Vec<PathBuf> {
    let directory = root().join("simulator/bug-bank");
    directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_planted_fault_fits_the_code_as_it_is() {
    for patch in patches() {
        let fits =
            Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root()).output().unwrap();
        assert!(fits.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&fits.stderr));
    }
}

#[test]
fn the_table_names_each_fault_and_somebody_who_finds_it() {
    let table = std::fs::read_to_string(root().join("docs/bug-bank.md")).unwrap();
    assert!(patches().len() >= 15, "{} faults", patches().len());
    for patch in patches() {
        let name = patch.file_stem().unwrap().to_str().unwrap().to_owned();
        let row = table.lines().find(|line| line.starts_with(&format!("| {name} |")));
        let cells: Vec<&str> =
            row.unwrap_or_else(|| panic!("no row for {name}")).split('|').map(str::trim).collect();
        assert!(cells[3] != "nothing" || cells[4] != "nothing", "nobody finds {name}");
    }
}
