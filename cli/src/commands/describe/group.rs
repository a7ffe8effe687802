//! A group: how it speaks, how its members stand, whom they hear.

use api_types::check::CheckStatus;
use api_types::group::{Group, Member, MemberStatus, Standby};
use api_types::peer::Peer;
use api_types::protocol::{Authentication, VirtualRoute, VirtualRule};
use api_types::transition::State;

use super::{facts, hooks, problems};
use crate::commands::tracked;
use crate::output::{self, Cell, Column, Table, Tone, age};

/// How many addresses a line names.
const NAMED: usize = 8;

pub(super) fn sections(group: &Group, table: &Table) -> Vec<String> {
    let members: Vec<_> = group
        .members
        .iter()
        .filter_map(|member| {
            let status = group.status.members.iter().find(|status| status.name == member.name().as_str())?;
            Some(Row { member: member.clone(), status: status.clone() })
        })
        .collect();
    let heard: Vec<_> = group
        .status
        .members
        .iter()
        .flat_map(|member| {
            member.peers.iter().map(|peer| Heard { by: member.name.clone(), peer: peer.clone() })
        })
        .collect();
    vec![
        summary(group, table),
        problems(&group.status.conditions, table.now, table.terminal),
        output::render(MEMBERS, &members, table),
        output::render(CHECKS, &checks(group), table),
        output::render(hooks::RUNS, &hooks::runs(group), table),
        output::render(HEARD, &heard, table),
    ]
}

fn summary(group: &Group, table: &Table) -> String {
    let unadvertised = &group.status.unadvertised_addresses;
    let router = format!(
        "VRID {}, version {}, {}, every {} ms, by {}",
        group.vrid,
        group.version.number(),
        group.family.as_str(),
        group.advertisement_interval_ms.as_millis(),
        group.transport.as_str(),
    );
    let hops = match group.max_hops.get() {
        0 => String::new(),
        hops => format!("{hops} routers may lie between members"),
    };
    let preemption = match (group.preempt_mode, group.preempt_delay_ms.as_millis()) {
        (false, _) => "a lower priority keeps the addresses".to_owned(),
        (true, 0) => String::new(),
        (true, delay) => format!("after {delay} ms"),
    };
    let authentication = match &group.authentication {
        Some(Authentication::SimpleText { .. }) => "simple text, which keeps nobody out".to_owned(),
        None => String::new(),
    };
    let gate = if group.accept_mode { "" } else { "off: only ARP and ND reach the addresses" };
    facts(&[
        ("group", group.name.to_string()),
        ("description", group.description.clone()),
        ("segment", group.segment.to_string()),
        ("virtual router", router),
        ("hops", hops),
        (
            "MAC address",
            format!(
                "of the {}",
                if group.mac_mode.as_str() == "virtual" { "virtual router" } else { "interface" }
            ),
        ),
        ("checksum", group.checksum.as_str().to_owned()),
        ("authentication", authentication),
        ("preemption", preemption),
        ("accept mode", gate.to_owned()),
        ("tracks", group.track.iter().map(tracked::in_words).collect::<Vec<_>>().join(", ")),
        ("before active", hooks::before_active(group)),
        ("hooks", hooks::in_words(group)),
        ("addresses", named(&group.virtual_addresses)),
        ("not advertised", named(unadvertised)),
        ("routes", group.virtual_routes.iter().map(route).collect::<Vec<_>>().join(", ")),
        ("rules", group.virtual_rules.iter().map(rule).collect::<Vec<_>>().join(", ")),
        (
            "active",
            if group.status.active.is_empty() { "nobody".to_owned() } else { group.status.active.join(" ") },
        ),
        (
            "switchover",
            group.status.switchover.as_ref().map_or_else(String::new, |switchover| {
                let since = age(switchover.requested_at, table.now);
                format!("to {}, {}, requested {since} ago", switchover.to, switchover.state.as_str())
            }),
        ),
        ("standby", standby(group)),
        ("not ready", not_ready(group)),
    ])
}

/// Who could take over now, the next one first.
fn standby(group: &Group) -> String {
    let Standby { ready, unknown, .. } = &group.status.standby;
    let unknown = unknown.iter().map(|name| format!("{name} (no agent)"));
    let able: Vec<_> = ready.iter().cloned().chain(unknown).collect();
    if able.is_empty() { "nobody".to_owned() } else { able.join(", ") }
}

/// Who could not take over now, and why.
fn not_ready(group: &Group) -> String {
    let reasons = group.status.members.iter().filter_map(|member| member.not_ready_because.as_deref());
    reasons.collect::<Vec<_>>().join("; ")
}

fn named(addresses: &[api_types::VirtualAddress]) -> String {
    let mut text: Vec<_> = addresses.iter().take(NAMED).map(ToString::to_string).collect();
    if addresses.len() > NAMED {
        text.push(format!("and {} more", addresses.len() - NAMED));
    }
    text.join(" ")
}

/// As `ip route` writes it.
fn route(route: &VirtualRoute) -> String {
    let mut text = route.destination.to_string();
    text.extend(route.gateway.map(|gateway| format!(" via {gateway}")));
    text.extend(route.metric.map(|metric| format!(" metric {metric}")));
    text.extend(route.table.map(|table| format!(" table {table}")));
    text
}

/// As `ip rule` writes it.
fn rule(rule: &VirtualRule) -> String {
    let mut text = format!("{}:", rule.preference);
    text.extend(rule.from.map(|from| format!(" from {from}")));
    text.extend(rule.to.map(|to| format!(" to {to}")));
    text + &format!(" lookup {}", rule.table)
}

struct Row {
    member: Member,
    status: MemberStatus,
}

const MEMBERS: &[Column<Row>] = &[
    Column::new("MEMBER", |row, _| Cell::plain(&row.status.name)),
    Column::new("AT", |row, _| match &row.member {
        Member::Node(node) => Cell::plain(&node.interface),
        Member::External(external) => Cell::plain(external.address.to_string()),
    }),
    Column::new("PRIORITY", |row, _| Cell::plain(row.member.priority().to_string())),
    Column::new("EFFECTIVE", |row, _| {
        let effective = row.status.effective_priority;
        let as_declared = effective.is_none_or(|effective| effective == row.member.priority());
        let tone = if as_declared { Tone::Plain } else { Tone::Warning };
        Cell::toned(effective.map(|effective| effective.to_string()).unwrap_or_default(), tone)
    }),
    Column::new("STATE", |row, _| match row.status.state {
        Some(State::Fault) => {
            let why = row.status.fault.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            Cell::toned(format!("fault{why}"), Tone::Bad)
        }
        state => Cell::maybe(state.map(State::as_str)),
    }),
    Column::new("FOR", |row, table| Cell::maybe(row.status.since.map(|since| age(since, table.now)))),
    Column::new("AGENT", |row, _| match row.status.connected {
        Some(true) => Cell::plain("connected"),
        Some(false) => Cell::toned("disconnected", Tone::Bad),
        None => Cell::plain("none"),
    }),
    Column::new("CHECKSUM", |row, _| Cell::maybe(row.status.checksum.map(|form| form.as_str()))),
    Column::new("SENT", |row, _| {
        Cell::maybe(row.status.counters.map(|counters| counters.advertisement_sent))
    }),
    Column::new("HEARD", |row, _| {
        Cell::maybe(row.status.counters.map(|counters| counters.advertisement_rcvd))
    }),
    Column::new("DROPPED", |row, _| {
        let Some(counters) = row.status.counters else { return Cell::plain("") };
        let now = row.status.dropping.join(", ");
        if now.is_empty() {
            return Cell::plain(counters.packets_dropped.to_string());
        }
        Cell::toned(format!("{} ({now})", counters.packets_dropped), Tone::Warning)
    }),
];

struct Checked {
    on: String,
    status: CheckStatus,
}

fn checks(group: &Group) -> Vec<Checked> {
    let members = group.status.members.iter();
    members
        .flat_map(|member| {
            member.checks.iter().map(|status| Checked { on: member.name.clone(), status: status.clone() })
        })
        .collect()
}

const CHECKS: &[Column<Checked>] = &[
    Column::new("CHECKED ON", |checked, _| Cell::plain(&checked.on)),
    Column::new("CHECK", |checked, _| Cell::plain(&checked.status.check)),
    Column::new("WEIGHT", |checked, _| Cell::plain(checked.status.weight.get().to_string())),
    Column::new("STANDS", |checked, _| {
        let (word, tone) = tracked::word(&checked.status);
        Cell::toned(word, tone)
    }),
    Column::new("FOR", |checked, table| Cell::maybe(checked.status.since.map(|since| age(since, table.now)))),
    Column::new("DETAIL", |checked, _| Cell::plain(&checked.status.detail)),
];

struct Heard {
    by: String,
    peer: Peer,
}

const HEARD: &[Column<Heard>] = &[
    Column::new("HEARD BY", |heard, _| Cell::plain(&heard.by)),
    Column::new("ROUTER", |heard, _| match &heard.peer.member {
        Some(member) => Cell::plain(member),
        None => Cell::toned("foreign", Tone::Bad),
    }),
    Column::new("SOURCE", |heard, _| Cell::plain(heard.peer.source.to_string())),
    Column::new("SPEAKS", |heard, _| Cell::plain(if heard.peer.speaking { "yes" } else { "no" })),
    Column::new("LAST HEARD", |heard, table| {
        Cell::plain(format!("{} ago", age(heard.peer.last_heard_at, table.now)))
    }),
    Column::new("PRIORITY", |heard, _| Cell::plain(heard.peer.priority.octet().to_string())),
    Column::new("VERSION", |heard, _| Cell::plain(heard.peer.version.number().to_string())),
    Column::new("CHECKSUM", |heard, _| Cell::maybe(heard.peer.checksum.map(|form| form.as_str()))),
    Column::new("INTERVAL", |heard, _| {
        Cell::plain(format!("{} ms", heard.peer.advertisement_interval_ms.as_millis()))
    }),
    Column::new("ADDRESSES", |heard, _| Cell::plain(heard.peer.address_count.to_string())),
    Column::new("ODD", |heard, _| Cell::toned(heard.peer.discrepancies.join(", "), Tone::Warning)),
];
