//! How the checks of this node stand, a row for each group that tracks one.

use api_types::agent_status::{LocalGroupStatus, LocalStatus};
use api_types::check::CheckStatus;
use api_types::transition::State;
use chrono::{DateTime, Utc};
use comfy_table::Table;

use super::table::{plain_table, point};

/// `None` when no group tracks any.
pub(super) fn table(status: &LocalStatus, now: DateTime<Utc>) -> Option<Table> {
    if status.groups.iter().all(|group| group.checks.is_empty()) {
        return None;
    }
    let mut table = plain_table();
    table.set_header(["GROUP", "CHECK", "WEIGHT", "STANDS", "SINCE", "FOUND"]);
    for group in &status.groups {
        for check in &group.checks {
            table.add_row(row(group, check, now));
        }
    }
    Some(table)
}

fn row(group: &LocalGroupStatus, check: &CheckStatus, now: DateTime<Utc>) -> [String; 6] {
    let stands = match check.passing {
        Some(true) => "passes",
        Some(false) => "fails",
        None => "not run yet",
    };
    let weight = match check.weight.get() {
        0 => "fault".to_owned(),
        weight => format!("{weight:+}"),
    };
    [
        group.name.clone(),
        check.check.clone(),
        weight,
        stands.to_owned(),
        check.since.map_or_else(|| "-".to_owned(), |since| point(since, now)),
        if check.detail.is_empty() { "-".to_owned() } else { check.detail.clone() },
    ]
}

/// The checks that cost a group some of its priority. Those that put it in fault are told as its fault.
pub(super) fn problems(group: &LocalGroupStatus) -> Vec<String> {
    let takes_part = matches!(group.state, State::Backup | State::Active);
    let costs = |check: &&CheckStatus| check.passing == Some(false) && !check.weight.is_fault();
    let checks = group.checks.iter().filter(costs).filter(|_| takes_part);
    checks
        .map(|check| {
            let CheckStatus { check, detail, .. } = check;
            let (name, priority, declared) = (&group.name, group.effective_priority, group.priority);
            format!("{name} has priority {priority} instead of {declared}: check {check} fails: {detail}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = r#"{"id": "00000000-0000-0000-0000-000000000002", "name": "web", "interface": "eth0",
        "family": "ipv4", "vrid": 51, "state": "backup", "since": "2026-11-22T20:43:00.000000Z",
        "priority": 240, "effective_priority": 210, "virtual_addresses": ["192.0.2.10/24"],
        "addresses_present": [], "active_source": null, "fault": null,
        "counters": {"advertisement_sent": 0, "advertisement_rcvd": 9, "priority_zero_pkts_sent": 0,
            "priority_zero_pkts_rcvd": 0, "announcements_sent": 0, "addresses_restored": 0},
        "checks": [
            {"check": "nginx", "weight": 0, "passing": true, "detail": "status 200 at 127.0.0.1:80",
             "since": "2026-11-22T20:43:00.000000Z"},
            {"check": "uplink", "weight": -30, "passing": false, "detail": "interface eth1 is down",
             "since": "2026-11-22T20:44:00.000000Z"},
            {"check": "new", "weight": 5, "passing": null, "detail": "", "since": null}]}"#;

    #[test]
    fn a_row_says_what_a_check_does_how_it_stands_and_what_it_found() {
        let group: LocalGroupStatus = serde_json::from_str(GROUP).unwrap();
        let now = "2026-11-22T20:45:00Z".parse().unwrap();
        let rows: Vec<_> = group.checks.iter().map(|check| row(&group, check, now).join("|")).collect();
        assert_eq!(
            rows,
            [
                "web|nginx|fault|passes|2026-11-22T20:43:00Z (2 min 0 s ago)|status 200 at 127.0.0.1:80",
                "web|uplink|-30|fails|2026-11-22T20:44:00Z (1 min 0 s ago)|interface eth1 is down",
                "web|new|+5|not run yet|-|-",
            ]
        );
        assert_eq!(
            problems(&group),
            ["web has priority 210 instead of 240: check uplink fails: interface eth1 is down"]
        );
    }
}
