//! The status for people, who may read it at night: first what needs them, then the agent in a few lines, then a
//! row for each group, for each check that one tracks, and for each router that one hears.

use std::fmt::Write as _;

use api_types::Timestamp;
use api_types::agent_status::{LocalGroupStatus, LocalStatus};
use api_types::fences::FenceStatus;
use api_types::transition::State;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::{checks, heard};

/// `now` is the time by the wall clock that the status was made with, `boottime_ns` the same by
/// `CLOCK_BOOTTIME`.
pub(super) fn render(status: &LocalStatus, now: DateTime<Utc>, boottime_ns: u64) -> String {
    let mut text = String::new();
    for problem in problems(status, now) {
        let _ = writeln!(text, "! {problem}");
    }
    if !text.is_empty() {
        text.push('\n');
    }

    let mut facts = plain_table();
    facts.add_row(["node", status.node.as_deref().unwrap_or("not enrolled")]);
    facts.add_row(["agent", &agent(status, now)]);
    facts.add_row(["server", &server(status, now)]);
    let revision = status.applied_revision.map_or_else(|| "none".to_owned(), |revision| revision.to_string());
    facts.add_row(["revision", &revision]);
    facts.add_row(["journal", &format!("{} not acknowledged by a server", transitions(status))]);
    facts.add_row(["realtime", &realtime(status)]);
    if let Some(timing) = &status.timing {
        facts.add_row(["timers", &timing.summary()]);
    }
    for (name, fence) in status.fences.each() {
        facts.add_row([&format!("fence {name}"), &fence_summary(fence)]);
    }
    facts.add_row(["dropped", &dropped(status)]);
    text.push_str(&trimmed(&facts));
    text.push('\n');

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
        "WHY",
        "SINCE",
        "PRIORITY",
        "ADDRESSES",
        "ACTIVE ROUTER",
    ]);
    for group in &status.groups {
        groups.add_row(row(group, now));
    }
    text.push_str(&trimmed(&groups));
    if let Some(checks) = checks::table(status, now) {
        text.push('\n');
        text.push_str(&trimmed(&checks));
    }
    if let Some(heard) = heard::table(status, boottime_ns) {
        text.push('\n');
        text.push_str(&trimmed(&heard));
    }
    text
}

/// What somebody should do something about, the groups first.
fn problems(status: &LocalStatus, now: DateTime<Utc>) -> Vec<String> {
    let mut problems = Vec::new();
    for group in &status.groups {
        let name = &group.name;
        match (&group.fault, group.state) {
            (Some(lack), State::Backup | State::Active) => {
                problems.push(format!("{name} is {}, but {lack}", group.state.as_str()));
            }
            (Some(fault), State::Initialize) => {
                problems.push(format!("{name} takes no part in the election: {fault}"));
            }
            (Some(fault), State::Fault) => problems.push(format!("{name} is in fault: {fault}")),
            (None, State::Fault) => problems.push(format!("{name} is in fault")),
            (None, State::Initialize) => problems.push(format!("{name} takes no part in the election")),
            (None, State::Backup | State::Active) => {}
        }
        problems.extend(checks::problems(group));
        if let Some(waits) = &group.waits_for {
            problems.push(format!("{name} would take over, but {waits}"));
        }
        for address in group.virtual_addresses.iter().filter(|_| group.state == State::Active) {
            if !group.addresses_present.contains(address) {
                problems.push(format!("{name} is active, but {address} is not bound"));
            }
        }
    }
    if let Some(rejection) = &status.rejection {
        for reason in &rejection.reasons {
            let group = reason.group.as_deref().map(|group| format!("group {group}: ")).unwrap_or_default();
            problems.push(format!("revision {} was rejected: {group}{}", rejection.revision, reason.detail));
        }
    }
    let link = &status.server;
    if !link.connected {
        let why = link.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        problems.push(format!("no session with the server{}{why}", ago(link.since, now)));
    }
    if let Some(why) = &status.journal.degraded {
        problems.push(format!("transitions are kept in memory: {why}"));
    }
    if status.parent_gone {
        problems
            .push("the parent process is gone: restart the agent, or nobody replaces the worker".to_owned());
    }
    if status.worker_deaths > 0 {
        let deaths = status.worker_deaths;
        let times = if deaths == 1 { "once".to_owned() } else { format!("{deaths} times") };
        problems.push(format!("the worker died and was started again, {times} in this boot"));
    }
    problems
}

pub(super) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
}

fn trimmed(table: &Table) -> String {
    let lines = table.to_string();
    lines.lines().fold(String::new(), |text, line| text + line.trim() + "\n")
}

fn agent(status: &LocalStatus, now: DateTime<Utc>) -> String {
    format!(
        "{}, worker number {} runs since {}, boot {}",
        status.agent_version,
        status.worker_starts,
        point(status.started_at, now),
        status.boot_id
    )
}

fn server(status: &LocalStatus, now: DateTime<Utc>) -> String {
    let link = &status.server;
    let state = if link.connected { "connected" } else { "not connected" };
    let since = link.since.map(|since| format!(" since {}", point(since, now))).unwrap_or_default();
    format!("{}, {state}{since}", link.url)
}

fn transitions(status: &LocalStatus) -> String {
    match status.journal.unacknowledged {
        1 => "1 transition".to_owned(),
        number => format!("{number} transitions"),
    }
}

fn realtime(status: &LocalStatus) -> String {
    let realtime = &status.realtime;
    let memory = if realtime.memory_locked { "memory locked" } else { "memory not locked" };
    let detail = realtime.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("scheduling {}, {memory}{detail}", realtime.scheduling)
}

fn fence_summary(fence: &FenceStatus) -> String {
    let counted = [(fence.acted, "acted"), (fence.lapsed, "lapsed")];
    let counted = counted.into_iter().filter(|(number, _)| *number > 0);
    counted.fold(fence.summary(), |text, (number, word)| format!("{text}, {word} {number} times"))
}

fn dropped(status: &LocalStatus) -> String {
    let causes: Vec<_> = status
        .dropped_packets
        .iter()
        .filter(|(_, number)| **number > 0)
        .map(|(cause, number)| format!("{number} for {cause}"))
        .collect();
    if causes.is_empty() { "no packets".to_owned() } else { format!("packets: {}", causes.join(", ")) }
}

fn row(group: &LocalGroupStatus, now: DateTime<Utc>) -> [String; 9] {
    let priority = if group.priority == group.effective_priority {
        group.priority.to_string()
    } else {
        format!("{} (configured {})", group.effective_priority, group.priority)
    };
    let active = match (group.state, group.active_source) {
        (State::Active, _) => "this node".to_owned(),
        (_, Some(source)) => source.to_string(),
        (_, None) => "none heard".to_owned(),
    };
    let bound = |address| if group.addresses_present.contains(address) { " (bound)" } else { "" };
    let addresses: Vec<_> =
        group.virtual_addresses.iter().map(|address| format!("{address}{}", bound(address))).collect();
    [
        group.name.clone(),
        group.vrid.to_string(),
        group.interface.clone(),
        group.state.as_str().to_owned(),
        group.reason.map_or("-", |reason| reason.as_str()).to_owned(),
        point(group.since, now),
        priority,
        addresses.join(", "),
        active,
    ]
}

/// A time, to the second, and how long ago that was.
pub(super) fn point(at: Timestamp, now: DateTime<Utc>) -> String {
    let at = at.as_datetime();
    format!("{} ({} ago)", at.to_rfc3339_opts(SecondsFormat::Secs, true), length(now - at))
}

fn ago(since: Option<Timestamp>, now: DateTime<Utc>) -> String {
    since.map(|since| format!(" for {}", length(now - since.as_datetime()))).unwrap_or_default()
}

/// A length of time in its two largest units.
pub(super) fn length(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "node": "lb1", "agent_version": "0.1.0", "boot_id": "00000000-0000-0000-0000-000000000001",
        "started_at": "2026-11-22T20:41:17.000123Z", "worker_starts": 3, "worker_deaths": 1,
        "server": {"url": "https://baton.example:8443", "connected": false,
                   "since": "2026-11-22T20:42:00.000000Z", "last_error": "cannot connect: refused"},
        "applied_revision": {"epoch": 1, "counter": 12},
        "rejection": {"revision": {"epoch": 1, "counter": 13}, "reasons": [{"group": "db", "detail": "no eth9"}]},
        "journal": {"unacknowledged": 3, "degraded": "disk full"},
        "realtime": {"scheduling": "fifo", "memory_locked": true, "detail": null}, "interfaces": [],
        "dropped_packets": {"checksum": 4, "ttl": 0},
        "timing": {"realtime": true, "lag": {"samples": 800, "p99_us": 300, "max_us": 31000}},
        "fences": {"guard": {"state": "armed", "acted": 2, "lapsed": 1},
            "nftables_lease": {"state": "not_armed", "detail": "there is no nft"}},
        "groups": [{"id": "00000000-0000-0000-0000-000000000002", "name": "web", "interface": "eth0",
            "family": "ipv4", "vrid": 51, "state": "backup", "since": "2026-11-22T20:43:00.000000Z",
            "reason": "higher_priority_heard",
            "priority": 240, "effective_priority": 200, "virtual_addresses": ["192.0.2.10/24"],
            "addresses_present": [], "active_source": "192.0.2.2", "fault": null,
            "counters": {"advertisement_sent": 0, "advertisement_rcvd": 9, "priority_zero_pkts_sent": 0,
                "priority_zero_pkts_rcvd": 0, "announcements_sent": 0, "addresses_restored": 0}}]
    }"#;

    fn answer() -> LocalStatus {
        serde_json::from_str(ANSWER).unwrap()
    }

    fn shown(status: &LocalStatus) -> String {
        render(status, "2026-11-22T23:45:05Z".parse().unwrap(), 0)
    }

    #[test]
    fn a_person_sees_what_runs_and_why() {
        let text = shown(&answer());
        for wanted in [
            "lb1",
            "worker number 3 runs since 2026-11-22T20:41:17Z (3 h 3 min ago)",
            "https://baton.example:8443, not connected since 2026-11-22T20:42:00Z (3 h 3 min ago)",
            "1.12",
            "3 transitions not acknowledged by a server",
            "scheduling fifo, memory locked",
            "packets: 4 for checksum\n",
            "armed, acted 2 times, lapsed 1 times\n",
            "not armed (there is no nft)\n",
            "99 of 100 at most 0.3 ms late in the last minute, the worst 31.0 ms\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
        }
        let row = text.lines().find(|line| line.starts_with("web")).unwrap();
        let words: Vec<_> = row.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(
            words,
            [
                "web",
                "51",
                "eth0",
                "backup",
                "higher_priority_heard",
                "2026-11-22T20:43:00Z (3 h 2 min ago)",
                "200 (configured 240)",
                "192.0.2.10/24",
                "192.0.2.2"
            ]
        );
    }

    #[test]
    fn what_needs_somebody_comes_first_and_the_groups_before_the_rest() {
        let mut status = answer();
        status.parent_gone = true;
        status.groups[0].fault = Some("interface eth0 is down".to_owned());
        let mut active = status.groups[0].clone();
        (active.name, active.state, active.fault) = ("db".to_owned(), State::Active, None);
        let lacking = "packets to the addresses cannot be shut out".to_owned();
        let open =
            LocalGroupStatus { name: "app".to_owned(), fault: Some(lacking), ..status.groups[0].clone() };
        status.groups[0].state = State::Fault;
        status.groups.extend([active, open]);
        let text = shown(&status);
        let problems: Vec<_> = text.lines().take_while(|line| line.starts_with("! ")).collect();
        assert_eq!(
            problems,
            [
                "! web is in fault: interface eth0 is down",
                "! db is active, but 192.0.2.10/24 is not bound",
                "! app is backup, but packets to the addresses cannot be shut out",
                "! revision 1.13 was rejected: group db: no eth9",
                "! no session with the server for 3 h 3 min: cannot connect: refused",
                "! transitions are kept in memory: disk full",
                "! the parent process is gone: restart the agent, or nobody replaces the worker",
                "! the worker died and was started again, once in this boot",
            ]
        );
    }

    #[test]
    fn where_nothing_is_wrong_nothing_stands_out() {
        let mut status = answer();
        (status.worker_deaths, status.server.connected) = (0, true);
        (status.rejection, status.journal.degraded) = (None, None);
        let text = shown(&status);
        assert!(text.starts_with("node"), "{text}");
    }

    #[test]
    fn an_agent_that_never_enrolled_says_so() {
        let mut status = answer();
        status.node = None;
        status.groups.clear();
        let text = shown(&status);
        assert!(text.contains("not enrolled") && text.contains("no groups"), "{text}");
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        for (seconds, wanted) in
            [(-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(length(TimeDelta::seconds(seconds)), wanted);
        }
    }
}
