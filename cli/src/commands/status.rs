//! `baton status`: who holds what. What fails comes first, and makes the exit status 1.

mod health;

use api_types::Timestamp;
use api_types::group::Group;
use api_types::node::Node;
use chrono::Utc;
use clap::{Args as ClapArgs, ValueEnum};

use self::health::{GroupHealth, Health, NodeHealth};
use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Cell, Column, Table, Terminal, Tone, age};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton status
  baton status -o json | jq -r '.groups[] | select(.healthy | not) | .name'
  watch -n 1 baton status

A group is healthy when exactly one member is active and it has no condition. A
node is healthy when its agent is connected and it has no condition.

Exit status 0: everything is healthy; 1: something is not; others as in
`baton --help`.")]
pub(crate) struct Args {
    /// The form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: StatusFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    let groups = client.list::<Group>(Kind::Groups.path(), &[], None).await?.items;
    let nodes = client.list::<Node>(Kind::Nodes.path(), &[], None).await?.items;
    let health = Health::of(groups, nodes);

    output::print(&match args.output {
        StatusFormat::Json => output::json(&health)?,
        StatusFormat::Table => {
            let terminal = Terminal::of_stdout();
            text(&health, &Table { wide: false, now: Timestamp::from(Utc::now()), terminal })
        }
    })?;
    Ok(if health.healthy { ExitStatus::Done } else { ExitStatus::Failing })
}

const GROUPS: &[Column<GroupHealth>] = &[
    Column::new("GROUP", |group, _| Cell::plain(&group.name)),
    Column::new("STATE", |group, _| state(group.healthy, "ok")),
    Column::new("ACTIVE", |group, _| {
        Cell::toned(group.active.join(" "), if group.active.len() == 1 { Tone::Plain } else { Tone::Bad })
    }),
    Column::new("FOR", |group, table| Cell::maybe(group.active_since.map(|since| age(since, table.now)))),
    Column::new("BACKUP", |group, _| Cell::plain(group.backup.join(" "))),
    Column::new("ADDRESSES", |group, _| {
        let more = group.virtual_addresses.len().saturating_sub(1);
        let first = group.virtual_addresses.first().map(ToString::to_string).unwrap_or_default();
        Cell::plain(if more == 0 { first } else { format!("{first} +{more}") })
    }),
];

const NODES: &[Column<NodeHealth>] = &[
    Column::new("NODE", |node, _| Cell::plain(&node.name)),
    Column::new("STATE", |node, _| state(node.healthy, "ok")),
    Column::new("AGENT", |node, _| Cell::plain(node.agent.as_str())),
    Column::new("SEEN", |node, table| Cell::maybe(node.last_seen_at.map(|seen| age(seen, table.now)))),
    Column::new("ACTIVE IN", |node, _| Cell::plain(node.active_in.join(" "))),
];

fn state(healthy: bool, good: &str) -> Cell {
    if healthy { Cell::toned(good, Tone::Good) } else { Cell::toned("FAILING", Tone::Bad) }
}

fn text(health: &Health, table: &Table) -> String {
    let mut sections = vec![headline(health, table.terminal)];
    let problems = problems(health, table);
    if !problems.is_empty() {
        sections.push(problems);
    }
    sections
        .extend([output::render(GROUPS, &health.groups, table), output::render(NODES, &health.nodes, table)]);
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn headline(health: &Health, terminal: Terminal) -> String {
    let groups =
        counted(health.groups.len(), "group", health.groups.iter().filter(|group| !group.healthy).count());
    let nodes = counted(health.nodes.len(), "node", health.nodes.iter().filter(|node| !node.healthy).count());
    let line = format!("{groups}; {nodes}");
    let shown = if health.healthy { terminal.good(&line) } else { terminal.bad(&line) };
    let mut text = format!("{shown}\n");
    if health.groups.is_empty() {
        text.push_str("There is no group yet: `baton apply -f FILE` makes one.\n");
    }
    text
}

fn counted(all: usize, what: &str, failing: usize) -> String {
    let plural = if all == 1 { "" } else { "s" };
    match failing {
        0 => format!("{all} {what}{plural}, all healthy"),
        failing => format!("{all} {what}{plural}, {failing} FAILING"),
    }
}

/// What is wrong, a line each: the thing, since when, and the sentence of the server.
fn problems(health: &Health, table: &Table) -> String {
    let groups = health
        .groups
        .iter()
        .flat_map(|group| group.problems.iter().map(|problem| ("group", &group.name, problem)));
    let nodes = health
        .nodes
        .iter()
        .flat_map(|node| node.problems.iter().map(|problem| ("node", &node.name, problem)));
    groups
        .chain(nodes)
        .map(|(kind, name, problem)| {
            let since =
                problem.since.map(|since| format!(" for {}", age(since, table.now))).unwrap_or_default();
            let what = table.terminal.bad(&format!("{kind}/{name}: {}{since}", problem.kind));
            format!("{what}\n    {}\n", output::clean(&problem.detail))
        })
        .collect()
}

#[cfg(test)]
mod tests;
