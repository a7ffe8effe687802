//! What was seen, as rows of `docs/interop.md`.
//!
//! A test says what it saw in words that another run says again: counts that are exact, and times as classes.
//! The rows of the document that name a test have to be those that it wrote, no more and no fewer. `make
//! interop` sets [`ROWS`]: then they are written there instead, and the document is made of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");
/// Names the directory that rows are written to.
const ROWS: &str = "BATON_INTEROP_ROWS";
/// What holds for a column that does not apply.
pub(crate) const NOTHING: &str = "";

/// One question: a part of the document with its number, so that parts stay in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question(pub(crate) u8, pub(crate) &'static str);

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was done. The number puts the rows of a part in order.
    pub(crate) scenario: (u8, &'static str),
    /// The other program and its version.
    pub(crate) peer: String,
    /// The dialect.
    pub(crate) spoken: &'static str,
    /// Whose kernel had the address in the end.
    pub(crate) holder: String,
    /// What was counted on the wire.
    pub(crate) frames: String,
    /// From the last frame of one router to the first one of the next.
    pub(crate) takeover: String,
    /// How long a client was without an answer, or what else it saw.
    pub(crate) client: String,
}

/// What one test has seen.
pub(crate) struct Record {
    test: &'static str,
    question: Question,
    lines: Mutex<BTreeSet<String>>,
}

impl Record {
    /// Lets a test write rows, and compares them with the document.
    ///
    /// # Panics
    /// When the document says something else.
    pub(crate) fn of(test: &'static str, question: Question, run: impl FnOnce(&Self)) {
        let record = Self { test, question, lines: Mutex::default() };
        run(&record);
        let lines = record.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert!(!lines.is_empty(), "{test} saw nothing");
        match std::env::var_os(ROWS) {
            Some(directory) => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                fs::write(Path::new(&directory).join(test), text).expect("written");
            }
            None => compare(test, &lines),
        }
    }

    /// Says what was seen.
    pub(crate) fn saw(&self, row: &Row) {
        let Row { scenario: (step, scenario), peer, spoken, holder, frames, takeover, client } = row;
        let Question(number, title) = self.question;
        let test = format!("`{}`", self.test);
        let cells: [&str; 8] = [scenario, peer, spoken, holder, frames, takeover, client, &test];
        let cells = cells.join(" | ");
        eprintln!("{cells}");
        let line = format!("{number:02}-{step:02}-{peer}-{spoken}\t{title}\t| {cells} |");
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
    }
}

fn compare(test: &str, lines: &BTreeSet<String>) {
    let document = fs::read_to_string(DOCUMENT).unwrap_or_default();
    let written = rows_of(&document, test);
    let seen: BTreeSet<&str> = lines.iter().filter_map(|line| line.rsplit('\t').next()).collect();
    assert!(
        seen == written,
        "docs/interop.md says of {test}\n{written:#?}\nand this was seen\n{seen:#?}\n\
         make interop writes what is seen"
    );
}

fn rows_of<'a>(document: &'a str, test: &str) -> BTreeSet<&'a str> {
    document.lines().filter(|line| line.ends_with(&format!("| `{test}` |"))).collect()
}

#[test]
fn every_row_of_the_interoperation_table_names_a_test_that_writes_it() {
    let document = fs::read_to_string(DOCUMENT).expect("docs/interop.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/interop");
    let sources: String = fs::read_dir(folder)
        .expect("this folder")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a source"))
        .collect();
    let rows = document.lines().filter(|line| line.ends_with("` |"));
    let mut count = 0;
    for row in rows {
        let test = row.trim_end_matches("` |").rsplit('`').next().expect("a name");
        let runs = sources.contains(&format!("#[test]\nfn {test}() {{\n    Record::of("));
        let is_test = runs && sources.contains(&format!("\"{test}\","));
        assert!(is_test, "there is no test {test}: {row}");
        count += 1;
    }
    assert!(count > 0, "no row");
}
