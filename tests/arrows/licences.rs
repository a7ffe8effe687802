//! Every dependency may be used: its licence is one that deny.toml allows, even where `cargo deny` is not
//! installed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{binaries, output_of};
use serde_json::Value;

/// Whether an SPDX expression can be satisfied with what is allowed. `/` is an old way to write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    let either = split(expression, &[" OR ", "/"]);
    if either.len() > 1 {
        return either.iter().any(|one| is_allowed(one, allowed));
    }
    let each = split(expression, &[" AND "]);
    if each.len() > 1 {
        return each.iter().all(|one| is_allowed(one, allowed));
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(expression),
    }
}

/// The parts between `separators` that stand outside parentheses.
fn split<'a>(expression: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let (mut parts, mut begun, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, letter) in expression.char_indices() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        let here = separators.iter().find(|separator| expression[at..].starts_with(**separator));
        if let Some(separator) = here
            && depth == 0
            && at >= begun
        {
            parts.push(&expression[begun..at]);
            begun = at + separator.len();
        }
    }
    parts.push(&expression[begun..]);
    parts
}

#[test]
fn every_licence_is_one_that_is_allowed() -> Result<()> {
    let deny: toml::Table = fs::read_to_string(binaries::workspace().join("deny.toml"))?.parse()?;
    let allowed = deny["licenses"]["allow"].as_array().context("deny.toml allows no licence")?;
    let allowed = allowed.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect();

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    command.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&output_of(command.current_dir(binaries::workspace()))?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata changed its form")?;
    ensure!(packages.len() > 100, "only {} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        ensure!(is_allowed(licence, &allowed), "{} has licence {licence:?}", package["name"]);
    }
    Ok(())
}

#[test]
fn an_expression_is_read_as_spdx_means_it() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    let good = ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR (MIT AND ISC)", "Apache-2.0 WITH LLVM-exception", "(MIT)"];
    for expression in good {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "Apache-2.0", "mit"] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}
