//! The status for people: the agent in a few lines, then a row for each group.

use std::fmt::Write as _;

use api_types::agent_status::{LocalGroupStatus, LocalStatus};
use api_types::transition::State;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

pub(super) fn render(status: &LocalStatus) -> String {
    let mut facts = plain_table();
    facts.add_row(["node", status.node.as_deref().unwrap_or("not enrolled")]);
    facts.add_row(["agent", &agent(status)]);
    facts.add_row(["server", &server(status)]);
    let revision = status.applied_revision.map_or_else(|| "none".to_owned(), |revision| revision.to_string());
    facts.add_row(["revision", &revision]);
    if let Some(rejection) = &status.rejection {
        for reason in &rejection.reasons {
            let group = reason.group.as_deref().map(|group| format!("group {group}: ")).unwrap_or_default();
            facts.add_row(["rejected", &format!("{}: {group}{}", rejection.revision, reason.detail)]);
        }
    }
    facts.add_row(["journal", &journal(status)]);
    facts.add_row(["realtime", &realtime(status)]);

    let mut text = trimmed(&facts);
    let _ = writeln!(text);
    if status.groups.is_empty() {
        let _ = writeln!(text, "no groups");
        return text;
    }
    let mut groups = plain_table();
    groups.set_header([
        "GROUP",
        "VRID",
        "INTERFACE",
        "STATE",
        "SINCE",
        "PRIORITY",
        "ADDRESSES",
        "ACTIVE ROUTER",
    ]);
    for group in &status.groups {
        groups.add_row(row(group));
    }
    text.push_str(&trimmed(&groups));
    for group in &status.groups {
        if let Some(fault) = &group.fault {
            let _ = writeln!(text, "{} is in fault: {fault}", group.name);
        }
    }
    text
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
}

fn trimmed(table: &Table) -> String {
    let lines = table.to_string();
    lines.lines().fold(String::new(), |text, line| text + line.trim() + "\n")
}

fn agent(status: &LocalStatus) -> String {
    let restarts = match status.worker_starts {
        0 | 1 => String::new(),
        starts => format!(", worker started {starts} times"),
    };
    format!("{} since {}, boot {}{restarts}", status.agent_version, status.started_at, status.boot_id)
}

fn server(status: &LocalStatus) -> String {
    let link = &status.server;
    let since = link.since.map(|since| format!(" since {since}")).unwrap_or_default();
    let state = if link.connected { "connected" } else { "not connected" };
    let why = link.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{}, {state}{since}{why}", link.url)
}

fn journal(status: &LocalStatus) -> String {
    let degraded =
        status.journal.degraded.as_ref().map(|why| format!("; kept in memory: {why}")).unwrap_or_default();
    format!("{} transitions not acknowledged{degraded}", status.journal.unacknowledged)
}

fn realtime(status: &LocalStatus) -> String {
    let realtime = &status.realtime;
    let memory = if realtime.memory_locked { "memory locked" } else { "memory not locked" };
    let detail = realtime.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("scheduling {}, {memory}{detail}", realtime.scheduling)
}

fn row(group: &LocalGroupStatus) -> [String; 8] {
    let priority = if group.priority == group.effective_priority {
        group.priority.to_string()
    } else {
        format!("{} ({})", group.effective_priority, group.priority)
    };
    let active = match (group.state, group.active_source) {
        (State::Active, _) => "this node".to_owned(),
        (_, Some(source)) => source.to_string(),
        (_, None) => "-".to_owned(),
    };
    let present = |address| if group.addresses_present.contains(address) { "*" } else { "" };
    let addresses: Vec<_> =
        group.virtual_addresses.iter().map(|address| format!("{address}{}", present(address))).collect();
    [
        group.name.clone(),
        group.vrid.to_string(),
        group.interface.clone(),
        group.state.as_str().to_owned(),
        group.since.to_string(),
        priority,
        addresses.join(" "),
        active,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "node": "lb1", "agent_version": "0.1.0", "boot_id": "00000000-0000-0000-0000-000000000001",
        "started_at": "2026-11-22T20:41:17.000123Z", "worker_starts": 2,
        "server": {"url": "https://baton.example:8443", "connected": false,
                   "since": "2026-11-22T20:42:00.000000Z", "last_error": "cannot connect: refused"},
        "applied_revision": {"epoch": 1, "counter": 12}, "rejection": null,
        "journal": {"unacknowledged": 3, "degraded": "disk full"},
        "realtime": {"scheduling": "fifo", "memory_locked": true, "detail": null}, "interfaces": [],
        "groups": [{"id": "00000000-0000-0000-0000-000000000002", "name": "web", "interface": "eth0",
            "family": "ipv4", "vrid": 51, "state": "backup", "since": "2026-11-22T20:43:00.000000Z",
            "priority": 240, "effective_priority": 200, "virtual_addresses": ["192.0.2.10/24"],
            "addresses_present": [], "active_source": "192.0.2.2", "fault": null,
            "counters": {"advertisements_sent": 0, "advertisements_received": 9, "priority_zero_sent": 0,
                "priority_zero_received": 0, "announcements_sent": 0, "addresses_restored": 0}}]
    }"#;

    #[test]
    fn a_person_sees_what_runs_and_what_is_wrong() {
        let status: LocalStatus = serde_json::from_str(ANSWER).unwrap();
        let text = render(&status);
        for wanted in [
            "lb1",
            "worker started 2 times",
            "https://baton.example:8443, not connected since 2026-11-22T20:42:00.000000Z: cannot connect: refused",
            "1.12",
            "3 transitions not acknowledged; kept in memory: disk full",
            "scheduling fifo, memory locked",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
        }
        let row = text.lines().find(|line| line.starts_with("web")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "web",
                "51",
                "eth0",
                "backup",
                "2026-11-22T20:43:00.000000Z",
                "200",
                "(240)",
                "192.0.2.10/24",
                "192.0.2.2"
            ]
        );
    }

    #[test]
    fn an_agent_that_never_enrolled_says_so() {
        let mut status: LocalStatus = serde_json::from_str(ANSWER).unwrap();
        status.node = None;
        status.groups.clear();
        let text = render(&status);
        assert!(text.contains("not enrolled") && text.contains("no groups"), "{text}");
    }
}
