//! Inside crates: what the files of a folder name.
//!
//! Comments are left out, so that prose may speak of anything; everything else is searched for whole words.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::binaries;

/// A Rust file without its comments.
struct Source {
    path: PathBuf,
    code: String,
}

/// Every Rust file below `folder` of the workspace; of the whole workspace, if it is empty.
fn sources(folder: &str) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let root = binaries::workspace();
    let mut open = vec![root.join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                let path = entry?.path();
                if !is_built(&path) {
                    open.push(path);
                }
            }
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            let text = fs::read_to_string(&path)?;
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            found.push(Source { path: path.strip_prefix(&root)?.to_owned(), code });
        }
    }
    ensure!(!found.is_empty(), "there is nothing in {folder}");
    Ok(found)
}

/// Whether cargo or git made it.
fn is_built(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target" || name == ".git")
}

impl Source {
    fn names(&self, word: &str) -> bool {
        let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let goes_on = word.ends_with(part_of_a_name) && after.is_some_and(part_of_a_name);
            !goes_on && !before.is_some_and(part_of_a_name)
        })
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Fails when a file of `folder`, other than below one of `except`, names one of `words`.
fn nothing_names(folder: &str, except: &[&str], words: &[&str]) -> Result<()> {
    let mut astray = Vec::new();
    for source in sources(folder)?.iter().filter(|source| !except.iter().any(|home| source.is_in(home))) {
        astray.extend(
            words
                .iter()
                .filter(|word| source.names(word))
                .map(|word| format!("{} names {word}", source.path.display())),
        );
    }
    ensure!(astray.is_empty(), "{}", astray.join("\n"));
    Ok(())
}

#[test]
fn the_protocol_reads_no_clock_opens_no_socket_and_spawns_nothing() -> Result<()> {
    let words =
        ["SystemTime", "Instant::now", "UdpSocket", "TcpStream", "std::fs", "std::thread", "std::process"];
    nothing_names("vrrp/src", &[], &words)
}

#[test]
fn rules_of_the_domain_know_neither_http_nor_sql() -> Result<()> {
    nothing_names("server/src/domain", &[], &["axum", "sqlx", "crate::http", "crate::store", "StatusCode"])
}

#[test]
fn handlers_do_not_know_the_table_that_lists_them() -> Result<()> {
    nothing_names("server/src/http", &[], &["crate::router", "crate::openapi", "crate::serve"])?;
    nothing_names("server/src/store", &[], &["crate::router", "crate::http", "crate::agents"])
}

#[test]
fn only_the_store_holds_sql() -> Result<()> {
    let words = ["query!", "query_as!", "query_scalar!", "query_as", "query_scalar", "QueryBuilder"];
    // The embedded Postgres makes and asks for its own databases and roles before there is a store.
    nothing_names("server/src", &["server/src/store", "server/src/embedded_postgres"], &words)
}

#[test]
fn the_store_knows_nothing_of_those_who_ask_it() -> Result<()> {
    nothing_names("server/src/store", &[], &["axum", "crate::http", "crate::router", "StatusCode"])
}

#[test]
fn the_routes_do_not_know_where_they_are_listed() -> Result<()> {
    nothing_names("server/src/http", &[], &["crate::router"])
}

#[test]
fn only_problem_rs_knows_the_status_codes_of_refusals() -> Result<()> {
    let refusals = [
        "StatusCode::BAD_REQUEST",
        "StatusCode::UNAUTHORIZED",
        "StatusCode::FORBIDDEN",
        "StatusCode::NOT_FOUND",
        "StatusCode::METHOD_NOT_ALLOWED",
        "StatusCode::CONFLICT",
        "StatusCode::PRECONDITION_FAILED",
        "StatusCode::PAYLOAD_TOO_LARGE",
        "StatusCode::UNSUPPORTED_MEDIA_TYPE",
        "StatusCode::UNPROCESSABLE_ENTITY",
        "StatusCode::SERVICE_UNAVAILABLE",
        "StatusCode::INTERNAL_SERVER_ERROR",
    ];
    nothing_names("server/src", &["server/src/http/problem.rs", "server/src/http/problem"], &refusals)
}

#[test]
fn the_two_halves_of_the_agent_never_name_each_other() -> Result<()> {
    nothing_names(
        "node-agent/src/dataplane",
        &[],
        &["crate::control", "reqwest", "tokio_tungstenite", "serde_json"],
    )?;
    nothing_names("node-agent/src/control", &[], &["crate::dataplane", "rtnetlink", "pnet_packet"])
}

#[test]
fn unsafe_code_has_its_homes() -> Result<()> {
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    for folder in ["vrrp", "simulator", "api-types", "cli", "tests/harness", "tests/demo", "tests/e2e"] {
        nothing_names(folder, &[], &words)?;
    }
    nothing_names("node-agent", &["node-agent/src/sys"], &words)?;
    nothing_names("server", &["server/src/embedded_postgres"], &words)
}

#[test]
fn no_file_has_outgrown_its_question() -> Result<()> {
    const MOST_LINES: usize = 500;
    let (mut outgrown, mut seen) = (Vec::new(), 0);
    for source in sources("")? {
        let lines = fs::read_to_string(binaries::workspace().join(&source.path))?.lines().count();
        seen += 1;
        if lines > MOST_LINES {
            outgrown.push(format!("{} has {lines} lines", source.path.display()));
        }
    }
    ensure!(seen > 300, "only {seen} files");
    ensure!(outgrown.is_empty(), "more than {MOST_LINES}:\n{}", outgrown.join("\n"));
    Ok(())
}

#[test]
fn a_word_is_found_whole_and_never_in_a_comment() -> Result<()> {
    let own = sources("tests/arrows")?;
    let this = own.iter().find(|source| source.path == Path::new("tests/arrows/sources.rs"));
    let this = this.context("this file")?;
    ensure!(this.names("Source") && !this.names(&["Sour", "c"].concat()), "words are found whole");
    ensure!(!this.names(&["prose", "may"].join(" ")), "comments are left out");
    Ok(())
}
