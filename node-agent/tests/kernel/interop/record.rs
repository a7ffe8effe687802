//! What was seen, as rows of `docs/interop.md`.
//!
//! A test says what it saw in words that another run says again: counts that are exact, and times as classes.
//! The rows of the document that name a test have to be those that it wrote, no more and no fewer; up to a
//! second more than a class is a busy machine. `make
//! interop` sets [`ROWS`]: then they are written there instead, and the document is made of them.

use std::collections::BTreeMap;
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
    pub(crate) frames: Told,
    /// From the last frame of one router to the first one of the next.
    pub(crate) takeover: Told,
    /// How long a client was without an answer, or what else it saw.
    pub(crate) client: Told,
}

/// A cell as it was seen, and what the document may say instead: what a machine that was not busy would have
/// seen.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    exact: String,
    instead: Vec<String>,
}

impl<Text: Into<String>> From<Text> for Told {
    /// Nothing else.
    fn from(exact: Text) -> Self {
        Self { exact: exact.into(), instead: Vec::new() }
    }
}

impl Told {
    /// The document may say this instead.
    pub(crate) fn or(mut self, instead: &str) -> Self {
        self.instead.push(instead.to_owned());
        self
    }

    /// All of it with this at its end.
    pub(crate) fn followed_by(self, end: &str) -> Self {
        let ended = |text: String| format!("{text}{end}");
        Self { exact: ended(self.exact), instead: self.instead.into_iter().map(ended).collect() }
    }

    /// All that the document may say, first what was seen.
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.exact).chain(&self.instead)
    }
}

/// What one test has seen.
pub(crate) struct Record {
    test: &'static str,
    question: Question,
    /// Each row as it was seen, with what puts it in order, and all that the document may say of it.
    lines: Mutex<BTreeMap<String, Vec<String>>>,
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
                let text: String = lines.keys().map(|line| format!("{line}\n")).collect();
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
        let with = |[frames, takeover, client]: [&str; 3]| {
            let cells: [&str; 8] = [scenario, peer, spoken, holder, frames, takeover, client, &test];
            cells.join(" | ")
        };
        let exact = with([&frames.exact, &takeover.exact, &client.exact]);
        eprintln!("{exact}");
        let each = frames.all().flat_map(|frames| {
            let pairs =
                takeover.all().flat_map(|takeover| client.all().map(move |client| (takeover, client)));
            pairs.map(move |(takeover, client)| [frames.as_str(), takeover, client])
        });
        let borne = each.map(|cells| format!("| {} |", with(cells))).collect();
        let line = format!("{number:02}-{step:02}-{peer}-{spoken}\t{title}\t| {exact} |");
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(line, borne);
    }
}

fn compare(test: &str, seen: &BTreeMap<String, Vec<String>>) {
    let document = fs::read_to_string(DOCUMENT).unwrap_or_default();
    let mut written = rows_of(&document, test);
    // Classes of one row follow one another, so that no row of the document can be another one's, too.
    let strange: Vec<_> = seen
        .values()
        .filter(|borne| {
            let at = written.iter().position(|row| borne.iter().any(|one| one == row));
            at.map(|at| written.remove(at)).is_none()
        })
        .collect();
    assert!(
        strange.is_empty() && written.is_empty(),
        "docs/interop.md says of {test}\n{written:#?}\nand instead of that this was seen\n{strange:#?}\n\
         make interop writes what is seen"
    );
}

fn rows_of<'a>(document: &'a str, test: &str) -> Vec<&'a str> {
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
