//! Between crates: what `cargo metadata` says that each one depends on, and what deny.toml bans.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{binaries, output_of};
use serde_json::Value;

type Names = BTreeSet<String>;

/// The resolved dependencies, without those for development.
struct Graph {
    members: Names,
    direct: BTreeMap<String, Names>,
    sources: BTreeMap<String, String>,
}

impl Graph {
    fn resolve() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
        command.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
        let metadata: Value = serde_json::from_str(&output_of(command.current_dir(binaries::workspace()))?)?;
        let list = |value: &Value| value.as_array().cloned().context("cargo metadata changed its form");
        let text =
            |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata changed its form");

        let (mut names, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for package in list(&metadata["packages"])? {
            let name = text(&package["name"])?;
            sources.insert(name.clone(), package["source"].as_str().unwrap_or("path").to_owned());
            names.insert(text(&package["id"])?, name);
        }
        let name_of = |id: &Value| names.get(&text(id)?).cloned().context("a package without a name");
        let members = list(&metadata["workspace_members"])?.iter().map(name_of).collect::<Result<_>>()?;
        let mut direct: BTreeMap<String, Names> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"])? {
            let entry = direct.entry(name_of(&node["id"])?).or_default();
            for dependency in list(&node["deps"])? {
                // `null` is an ordinary dependency; `build` counts too, because its code runs on our
                // machines.
                if list(&dependency["dep_kinds"])?.iter().any(|kind| kind["kind"] != "dev") {
                    entry.insert(name_of(&dependency["pkg"])?);
                }
            }
        }
        Ok(Self { members, direct, sources })
    }

    fn direct(&self, of: &str) -> Result<&Names> {
        self.direct.get(of).with_context(|| format!("there is no crate {of}"))
    }

    fn all(&self, of: &str) -> Result<Names> {
        let mut found = Names::new();
        let mut open: Vec<&String> = self.direct(of)?.iter().collect();
        while let Some(next) = open.pop() {
            if found.insert(next.clone()) {
                open.extend(self.direct(next)?);
            }
        }
        Ok(found)
    }

    fn of_the_workspace(&self, names: &Names) -> Vec<String> {
        names.intersection(&self.members).cloned().collect()
    }
}

/// What is compiled for `programs`: unlike the graph, without optional dependencies that no feature asks for.
fn compiled_into(programs: &[&str]) -> Result<Names> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    command.args(programs.iter().flat_map(|program| ["--package", program]));
    let tree = output_of(command.current_dir(binaries::workspace()))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[test]
fn crates_of_the_workspace_name_each_other_in_one_direction() -> Result<()> {
    let graph = Graph::resolve()?;
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("vrrp", &[][..]),
        ("simulator", &["vrrp"]),
        ("api-types", &["vrrp"]),
        ("baton-server", &["api-types", "vrrp"]),
        ("baton-agent", &["api-types", "vrrp"]),
        ("baton-cli", &["api-types"]),
        ("fuzz-bodies", &["api-types", "baton-agent", "baton-server", "vrrp"]),
        ("e2e", &["api-types"]),
    ]);
    ensure!(
        graph.members.iter().map(String::as_str).eq(allowed.keys().copied().collect::<BTreeSet<_>>()),
        "a crate without a rule: {:?}",
        graph.members
    );
    for (member, allowed) in allowed {
        let named = graph.of_the_workspace(graph.direct(member)?);
        let astray: Vec<_> = named.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        ensure!(astray.is_empty(), "{member} names {astray:?}");
    }
    Ok(())
}

#[test]
fn the_protocol_has_no_runtime_no_clock_and_no_sockets() -> Result<()> {
    let allowed: Names = [
        "proc-macro2",
        "quote",
        "serde",
        "serde_core",
        "serde_derive",
        "syn",
        "thiserror",
        "thiserror-impl",
        "unicode-ident",
    ]
    .map(str::to_owned)
    .into();
    let astray: Vec<String> = Graph::resolve()?.all("vrrp")?.difference(&allowed).cloned().collect();
    ensure!(astray.is_empty(), "vrrp depends on {astray:?}");
    Ok(())
}

#[test]
fn the_contract_brings_no_transport_and_no_database() -> Result<()> {
    let all = Graph::resolve()?.all("api-types")?;
    for transport in ["axum", "hyper", "reqwest", "sqlx", "tokio"] {
        ensure!(!all.contains(transport), "api-types depends on {transport}");
    }
    Ok(())
}

#[test]
fn every_dependency_comes_from_the_registry() -> Result<()> {
    let graph = Graph::resolve()?;
    for (name, source) in &graph.sources {
        let ours = graph.members.contains(name);
        ensure!(ours == (source == "path"), "{name} comes from {source}");
        ensure!(ours || source.starts_with("registry+"), "{name} comes from {source}");
    }
    Ok(())
}

/// The bans of deny.toml: each crate, and the crates that alone may depend on it.
fn bans() -> Result<BTreeMap<String, Names>> {
    let deny: toml::Table = fs::read_to_string(binaries::workspace().join("deny.toml"))?.parse()?;
    let list = deny["bans"]["deny"].as_array().context("deny.toml bans nothing")?;
    let text = |value: &toml::Value| value.as_str().map(str::to_owned).context("a name that is no text");
    let ban = |entry: &toml::Value| {
        let wrappers = entry.get("wrappers").and_then(toml::Value::as_array).into_iter().flatten();
        Ok((text(&entry["crate"])?, wrappers.map(text).collect::<Result<_>>()?))
    };
    list.iter().map(ban).collect()
}

#[test]
fn what_is_banned_is_not_shipped_and_each_heavy_library_has_one_home() -> Result<()> {
    let (graph, bans) = (Graph::resolve()?, bans()?);
    let shipped = compiled_into(&["baton-server", "baton-agent", "baton-cli"])?;
    let (homeless, homed): (Vec<_>, Vec<_>) = bans.iter().partition(|(_, wrappers)| wrappers.is_empty());
    ensure!(homeless.len() >= 5 && homed.len() >= 5, "the list is not what it should be: {bans:?}");
    for (banned, _) in homeless {
        ensure!(!shipped.contains(banned), "{banned} is among the dependencies");
    }
    for (library, wrappers) in homed {
        ensure!(shipped.contains(library), "{library} is not among the dependencies: why is it listed?");
        let counts = |name: &String| shipped.contains(name) || graph.members.contains(name);
        let depends = |name: &&String| counts(name) && graph.direct[*name].contains(library);
        let all: Names = graph.direct.keys().filter(depends).cloned().collect();
        let astray: Vec<_> = all.difference(wrappers).collect();
        ensure!(astray.is_empty(), "{library} is named by {astray:?}");
    }
    Ok(())
}
