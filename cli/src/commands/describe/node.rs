//! A node: its agent, its fences, its interfaces, and what is dropped on them.

use api_types::counters::InterfaceCounters;
use api_types::drain::Drain;
use api_types::fences::{FenceState, FenceStatus, Fences};
use api_types::node::{Interface, Node};
use api_types::timing::Timing;

use super::{facts, problems};
use crate::commands::agent_link::AgentLink;
use crate::output::{self, Cell, Column, Table, Tone, age};

pub(super) fn sections(node: &Node, table: &Table) -> Vec<String> {
    let status = &node.status;
    let counters = status.interface_counters.as_deref().unwrap_or_default();
    let interfaces: Vec<_> = status
        .interfaces
        .iter()
        .flatten()
        .map(|interface| Row {
            interface: interface.clone(),
            counters: counters.iter().find(|one| one.interface == interface.name).cloned(),
        })
        .collect();
    let elsewhere = counters.iter().find(|one| one.interface.is_empty());
    let revision = status.applied_revision.map_or_else(|| "none".to_owned(), |applied| applied.to_string());
    let summary = facts(&[
        ("node", node.name.to_string()),
        ("description", node.description.clone()),
        ("agent", AgentLink::of(node).as_str().to_owned()),
        ("seen", status.last_seen_at.map(|seen| format!("{} ago", age(seen, table.now))).unwrap_or_default()),
        ("drained", status.drain.as_ref().map(|drain| drained(drain, table)).unwrap_or_default()),
        ("version", status.agent_version.clone().unwrap_or_default()),
        ("revision", format!("{revision} runs, {} is desired", status.desired_revision)),
        ("timers", status.timing.as_ref().map(Timing::summary).unwrap_or_default()),
        ("dropped elsewhere", elsewhere.map(dropped).unwrap_or_default()),
    ]);
    let fences: Vec<_> = status.fences.iter().flat_map(fences).collect();
    vec![
        summary,
        problems(&status.conditions, table.now, table.terminal),
        if fences.is_empty() { String::new() } else { output::render(FENCES, &fences, table) },
        output::render(INTERFACES, &interfaces, table),
    ]
}

fn drained(drain: &Drain, table: &Table) -> String {
    let by = drain.actor.name.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    let why = if drain.reason.is_empty() { String::new() } else { format!(": {}", drain.reason) };
    format!("for {}{by}{why}", age(drain.since, table.now))
}

struct Row {
    interface: Interface,
    counters: Option<InterfaceCounters>,
}

struct Fence {
    name: &'static str,
    status: FenceStatus,
}

fn fences(fences: &Fences) -> impl Iterator<Item = Fence> {
    fences.each().map(|(name, status)| Fence { name, status: status.clone() }).into_iter()
}

const FENCES: &[Column<Fence>] = &[
    Column::new("FENCE", |fence, _| Cell::plain(fence.name)),
    Column::new("STATE", |fence, _| {
        let tone = if fence.status.state == FenceState::NotArmed { Tone::Warning } else { Tone::Plain };
        Cell::toned(fence.status.state.as_str(), tone)
    }),
    Column::new("ACTED", |fence, _| Cell::plain(fence.status.acted.to_string())),
    Column::new("LAPSED", |fence, _| Cell::plain(fence.status.lapsed.to_string())),
    Column::new("DETAIL", |fence, _| Cell::maybe(fence.status.detail.as_ref())),
];

const INTERFACES: &[Column<Row>] = &[
    Column::new("INTERFACE", |row, _| Cell::plain(&row.interface.name)),
    Column::new("STATE", |row, _| match (row.interface.up, row.interface.carrier) {
        (true, true) => Cell::plain("up"),
        (true, false) => Cell::toned("no carrier", Tone::Bad),
        (false, _) => Cell::toned("down", Tone::Bad),
    }),
    Column::new("MAC", |row, _| Cell::maybe(row.interface.mac.as_ref())),
    Column::new("ADDRESSES", |row, _| {
        let addresses: Vec<_> = row.interface.addresses.iter().map(ToString::to_string).collect();
        Cell::plain(addresses.join(" "))
    }),
    Column::new("DROPPED", |row, _| Cell::plain(row.counters.as_ref().map(dropped).unwrap_or_default())),
];

fn dropped(counters: &InterfaceCounters) -> String {
    let causes = counters.dropped().into_iter().filter(|(_, count)| *count > 0);
    causes.map(|(cause, count)| format!("{cause}={count}")).collect::<Vec<_>>().join(" ")
}
