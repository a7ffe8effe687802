//! Whom the groups hear, for people: a row for each router.

use api_types::agent_status::{HeardRouter, LocalStatus};
use chrono::TimeDelta;
use comfy_table::Table;
use vrrp::Claim;

use super::table::{length, plain_table};

/// `None` when nobody was heard. `boottime_ns` is `CLOCK_BOOTTIME`, with which routers are heard.
pub(super) fn table(status: &LocalStatus, boottime_ns: u64) -> Option<Table> {
    let heard = status.groups.iter().flat_map(|group| group.heard.iter().map(move |router| (group, router)));
    let mut table = plain_table();
    table.set_header([
        "GROUP",
        "HEARS",
        "MEMBER",
        "VERSION",
        "PRIORITY",
        "EVERY",
        "CHECKSUM",
        "LAST",
        "DIFFERS IN",
    ]);
    for (group, router) in heard {
        table.add_row(row(&group.name, router, boottime_ns));
    }
    (!table.is_empty()).then_some(table)
}

fn row(group: &str, router: &HeardRouter, boottime_ns: u64) -> [String; 9] {
    let unknown = || "-".to_owned();
    let priority = match router.priority {
        Claim::Holds(priority) => priority.to_string(),
        Claim::Resigns => "0 (resigned)".to_owned(),
    };
    let ago = i64::try_from(boottime_ns.saturating_sub(router.at_boottime_ns)).unwrap_or(i64::MAX);
    let interval = router.advertisement_interval_ms.map(|every| every.as_duration().as_millis());
    let differs = router.discrepancies.join(", ");
    [
        group.to_owned(),
        router.source.to_string(),
        router.member.clone().unwrap_or_else(|| "none: foreign".to_owned()),
        router.version.map_or_else(unknown, |version| version.to_string()),
        priority,
        interval.map_or_else(unknown, |every| format!("{every} ms")),
        router.checksum.map_or_else(unknown, |checksum| checksum.as_str().to_owned()),
        format!("{} ago", length(TimeDelta::nanoseconds(ago))),
        if differs.is_empty() { unknown() } else { differs },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = r#"{"id": "00000000-0000-0000-0000-000000000002", "name": "web", "interface": "eth0",
        "family": "ipv4", "vrid": 51, "state": "backup", "since": "2026-11-22T20:43:00.000000Z", "priority": 240,
        "effective_priority": 240, "virtual_addresses": [], "addresses_present": [], "active_source": null,
        "fault": null, "counters": {}, "heard": [
            {"source": "192.0.2.2", "priority": 200, "version": 3, "advertisement_interval_ms": 100,
             "address_count": 1, "member": "lb2", "checksum": "rfc5798", "at_boottime_ns": 4000000000,
             "discrepancies": []},
            {"source": "192.0.2.9", "priority": 0, "checksum": null, "at_boottime_ns": 1000000000,
             "discrepancies": ["interval", "address_list"]}]}"#;

    fn rows(groups: &str) -> Option<Vec<Vec<String>>> {
        let status = format!(
            r#"{{"agent_version": "0.1.0", "boot_id": "00000000-0000-0000-0000-000000000001",
            "started_at": "2026-11-22T20:41:17.000123Z", "worker_starts": 1,
            "server": {{"url": "https://baton.example:8443", "connected": true}},
            "journal": {{"unacknowledged": 0}}, "realtime": {{"scheduling": "fifo", "memory_locked": true}},
            "interfaces": [], "dropped_packets": {{}}, "groups": [{groups}]}}"#
        );
        let table = table(&serde_json::from_str(&status).unwrap(), 5_000_000_000)?.to_string();
        let words = |line: &str| {
            line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Some(table.lines().skip(1).map(words).collect())
    }

    #[test]
    fn a_row_says_who_was_heard_and_how_it_speaks() {
        assert_eq!(
            rows(GROUP).unwrap(),
            [
                ["web", "192.0.2.2", "lb2", "3", "200", "100 ms", "rfc5798", "1 s ago", "-"],
                [
                    "web",
                    "192.0.2.9",
                    "none: foreign",
                    "-",
                    "0 (resigned)",
                    "-",
                    "-",
                    "4 s ago",
                    "interval, address_list"
                ],
            ]
        );
    }

    #[test]
    fn where_nobody_is_heard_there_is_no_table() {
        assert_eq!(rows(""), None);
    }
}
