//! `baton status`: who holds what. What fails comes first, and makes the exit status 1.

mod health;

use api_types::group::Group;
use api_types::node::Node;
use clap::{Args as ClapArgs, ValueEnum};

use self::health::{GroupHealth, Health, NodeHealth, Verdict};
use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Cell, Column, Table, Terminal, Tone, age, moment};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton status
  baton status -o json | jq -r '.groups[] | select(.healthy | not) | .name'
  baton status -o wide
  watch -n 1 baton status
  baton describe group web      # who hears whom, and what is dropped

STATE of a group:
  ok       exactly one member is active, its agent was seen within 15 s, and the
           group has no condition but advice (authentication_insecure,
           priorities_too_close, priority_reserved, check_failing)
  FAILING  nobody or more than one is active, the active member is not seen, or
           the group has a condition
  UNKNOWN  no agent of its members was seen within 15 s: ACTIVE says who was the
           last to hold the addresses, and agents move them without the server
STATE of a node: ok when its agent was seen within 15 s and it has no condition.
While APPLIED (-o wide) is behind DESIRED, the agent does not run what it shall.
A name with (external) is a router without an agent; it is known only by what
the agents hear of it. SEEN is by the clock of the server.

Exit status 0: every STATE is ok; 1: one is not; others as in `baton --help`.")]
pub(crate) struct Args {
    /// The form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: StatusFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusFormat {
    /// For people; fits 80 columns where names are short
    Table,
    /// The table with more columns, and every address
    Wide,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    let groups = client.list::<Group>(&[Kind::Groups.path()], &[], None).await?;
    let nodes = client.list::<Node>(&[Kind::Nodes.path()], &[], None).await?;
    let now = nodes.at;
    let health = Health::of(&groups.items, &nodes.items, now);

    output::print(&match args.output {
        StatusFormat::Json => output::json(&health)?,
        StatusFormat::Yaml => output::yaml(&health)?,
        form @ (StatusFormat::Table | StatusFormat::Wide) => {
            let (wide, terminal) = (form == StatusFormat::Wide, Terminal::of_stdout());
            text(&health, &Table { wide, now, terminal })
        }
    })?;
    Ok(if health.healthy { ExitStatus::Done } else { ExitStatus::Failing })
}

const GROUPS: &[Column<GroupHealth>] = &[
    Column::new("GROUP", |group, _| Cell::plain(&group.name)),
    Column::new("STATE", |group, _| state(group.state)),
    Column::new("ACTIVE", |group, _| {
        let doubt = if group.state == Verdict::Unknown { "?" } else { "" };
        let active: Vec<_> = group.active.iter().map(|name| group.shown(name) + doubt).collect();
        let tone = if active.len() == 1 && doubt.is_empty() { Tone::Plain } else { Tone::Bad };
        Cell::toned(active.join(" "), tone)
    }),
    Column::new("FOR", |group, table| Cell::maybe(group.active_since.map(|since| age(since, table.now)))),
    Column::new("BACKUP", |group, _| {
        Cell::plain(group.backup.iter().map(|name| group.shown(name)).collect::<Vec<_>>().join(" "))
    }),
    Column::new("ADDRESSES", |group, table| {
        if table.wide {
            let all: Vec<_> = group.virtual_addresses.iter().map(ToString::to_string).collect();
            return Cell::plain(all.join(" "));
        }
        let more = group.virtual_addresses.len().saturating_sub(1);
        let first = group.virtual_addresses.first().map(ToString::to_string).unwrap_or_default();
        Cell::plain(if more == 0 { first } else { format!("{first} +{more}") })
    }),
    Column::wide("ACTIVE SINCE", |group, _| Cell::maybe(group.active_since.map(moment))),
];

const NODES: &[Column<NodeHealth>] = &[
    Column::new("NODE", |node, _| Cell::plain(&node.name)),
    Column::new("STATE", |node, _| state(node.state)),
    Column::new("AGENT", |node, _| Cell::plain(node.agent.as_str())),
    Column::new("SEEN", |node, table| Cell::maybe(node.last_seen_at.map(|seen| age(seen, table.now)))),
    Column::new("ACTIVE IN", |node, _| Cell::plain(node.active_in.join(" "))),
    Column::wide("VERSION", |node, _| Cell::maybe(node.agent_version.as_ref())),
    Column::wide("DESIRED", |node, _| Cell::plain(node.desired_revision.to_string())),
    Column::wide("APPLIED", |node, _| {
        let tone =
            if node.applied_revision == Some(node.desired_revision) { Tone::Plain } else { Tone::Warning };
        Cell::toned(node.applied_revision.map(|revision| revision.to_string()).unwrap_or_default(), tone)
    }),
];

fn state(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::Ok => Cell::toned("ok", Tone::Good),
        Verdict::Unknown => Cell::toned("UNKNOWN", Tone::Warning),
        Verdict::Failing => Cell::toned("FAILING", Tone::Bad),
    }
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
    let groups = counted("group", health.groups.iter().map(|group| group.state));
    let nodes = counted("node", health.nodes.iter().map(|node| node.state));
    let line = format!("{groups}; {nodes}");
    let shown = if health.healthy { terminal.good(&line) } else { terminal.bad(&line) };
    let mut text = format!("{shown}\n");
    if health.groups.is_empty() {
        text.push_str("There is no group yet: `baton apply -f FILE` makes one.\n");
    }
    text
}

fn counted(what: &str, verdicts: impl Iterator<Item = Verdict>) -> String {
    let verdicts: Vec<Verdict> = verdicts.collect();
    let count = |wanted: Verdict| verdicts.iter().filter(|&&verdict| verdict == wanted).count();
    let mut text = match verdicts.len() {
        0 => return format!("no {what}s"),
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    };
    let (failing, unknown) = (count(Verdict::Failing), count(Verdict::Unknown));
    if failing > 0 {
        text.push_str(&format!(", {failing} FAILING"));
    }
    if unknown > 0 {
        text.push_str(&format!(", {unknown} UNKNOWN"));
    }
    if failing + unknown == 0 {
        text.push_str(", all ok");
    }
    text
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
            let what = format!("{kind}/{name}: {}{since}", problem.kind);
            let what =
                if problem.is_advice() { table.terminal.warning(&what) } else { table.terminal.bad(&what) };
            format!("{what}\n    {}\n", output::clean(&problem.detail))
        })
        .collect()
}

#[cfg(test)]
mod tests;
