//! One small installation, as the API document shows it: a segment, a node, a check and a group.

use api_types::counters::{GroupCounters, InterfaceCounters};
use api_types::fences::{FenceStatus, Fences};
use api_types::timing::{TimerLag, Timing};
use serde_json::{Value, json};

pub(super) fn segment_spec() -> Value {
    json!({
        "name": "frontend",
        "description": "VLAN 12, the load balancers",
        "prefixes": ["192.0.2.0/24"],
    })
}

pub(super) fn segment() -> Value {
    answered(segment_spec(), json!({"groups": 1}))
}

pub(super) fn node_spec() -> Value {
    json!({"name": "lb1", "description": "rack 3"})
}

pub(super) fn node() -> Value {
    answered(
        node_spec(),
        json!({
            "enrolled": true,
            "connected": true,
            "last_seen_at": "2026-11-22T20:41:17.000123Z",
            "agent_version": "0.1.0",
            "boot_id": "019ab1c2-0000-4000-8000-0000000000b1",
            "capabilities": ["switchover", "assist", "drain", "fast_start", "checks", "sync_groups"],
            "drain": null,
            "interfaces": [{
                "name": "eth0",
                "mac": "02:00:00:00:00:01",
                "up": true,
                "carrier": true,
                "addresses": ["192.0.2.1/24"],
            }],
            "interface_counters": [InterfaceCounters {
                interface: "eth0".to_owned(),
                ip_ttl_errors: 3,
                ..InterfaceCounters::default()
            }],
            "fences": Fences {
                guard: FenceStatus::armed(),
                nftables_lease: FenceStatus::broken("there is no program nft on this host"),
                address_lease: FenceStatus::armed(),
                self_check: FenceStatus { acted: 1, ..FenceStatus::armed() },
            },
            "timing": Timing {
                realtime: true,
                lag: TimerLag { samples: 640, p99_us: 224, max_us: 4_310 },
            },
            "desired_revision": {"epoch": 1, "counter": 7},
            "applied_revision": {"epoch": 1, "counter": 7},
            "rejection": null,
            "conditions": [{
                "kind": "fence_not_armed",
                "detail": "on and not armed: nftables_lease (there is no program nft on this host)",
                "since": "2026-11-22T20:41:12.000456Z",
            }],
        }),
    )
}

pub(super) fn check_spec() -> Value {
    json!({
        "name": "nginx",
        "description": "the web server answers",
        "probe": {
            "kind": "http",
            "url": "http://127.0.0.1:8080/health",
            "host": "www.example.org",
            "expected_status": ["200-299"],
            "body_match": "^ok",
            "verify_certificate": true,
        },
        "interval_ms": 1_000,
        "timeout_ms": 500,
        "rise": 2,
        "fall": 3,
    })
}

pub(super) fn check() -> Value {
    answered(check_spec(), json!({"groups": ["web"]}))
}

pub(super) fn sync_group_spec() -> Value {
    json!({
        "name": "edge",
        "description": "both sides of the router",
        "groups": ["inside", "outside"],
    })
}

pub(super) fn sync_group() -> Value {
    let mut example = answered(sync_group_spec(), json!(null));
    if let Some(fields) = example.as_object_mut() {
        fields.remove("status");
    }
    example
}

pub(super) fn group_spec() -> Value {
    json!({
        "name": "web",
        "description": "the public web site",
        "segment": "frontend",
        "family": "ipv4",
        "vrid": 51,
        "version": 3,
        "advertisement_interval_ms": 100,
        "preempt_mode": true,
        "preempt_delay_ms": 0,
        "accept_mode": true,
        "mac_mode": "interface",
        "transport": "multicast",
        "max_hops": 0,
        "require_link_local": true,
        "authentication": null,
        "checksum": "auto",
        "virtual_addresses": ["192.0.2.10/24"],
        "virtual_routes": [],
        "virtual_rules": [],
        "track": [{"check": "nginx", "weight": 0, "reverse": false}],
        "pre_active": {"hook": "conntrackd-commit", "timeout_ms": 2000},
        "hooks": [{"on": "backup", "hook": "conntrackd-backup", "timeout_ms": 30000}],
        "members": [
            {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240},
            {"kind": "node", "node": "lb2", "interface": "eth0", "priority": 200},
            {"kind": "external", "name": "old-keepalived", "address": "192.0.2.4", "priority": 100},
        ],
    })
}

pub(super) fn group() -> Value {
    let since = "2026-11-22T20:41:17.000123Z";
    answered(
        group_spec(),
        json!({
            "active": ["lb1"],
            "members": [
                {
                    "name": "lb1", "state": "active", "since": since, "effective_priority": 240, "connected": true, "ready": true,
                    "not_ready_because": null, "fault": null,
                    "checksum": "rfc5798", "counters": counters(5_171, 1), "dropping": [], "peers": [],
                    "checks": [passes(since)],
                    "hooks": [],
                },
                {
                    "name": "lb2", "state": "backup", "since": since, "effective_priority": 200, "connected": true, "ready": true,
                    "not_ready_because": null, "fault": null,
                    "checksum": "rfc5798", "counters": counters(0, 5_170), "dropping": [],
                    "peers": [{
                        "source": "192.0.2.1", "member": "lb1", "version": 3, "priority": 240,
                        "advertisement_interval_ms": 100, "checksum": "rfc5798", "address_count": 1,
                        "discrepancies": [], "speaking": true, "last_heard_at": "2026-11-22T20:49:54.100020Z",
                    }],
                    "checks": [passes(since)],
                    "hooks": [],
                },
                {
                    "name": "old-keepalived", "state": null, "since": null, "effective_priority": null, "connected": null, "ready": null,
                    "not_ready_because": null, "fault": null,
                    "checksum": null, "counters": null, "dropping": [], "peers": [], "checks": [],
                    "hooks": [],
                },
            ],
            "standby": {"ready": ["lb2"], "unknown": ["old-keepalived"], "not_ready": []},
            "unadvertised_addresses": [],
            "switchover": null,
            "conditions": [],
        }),
    )
}

pub(super) fn switchover_spec() -> Value {
    json!({"to": "lb2"})
}

pub(super) fn switchover() -> Value {
    json!({
        "id": "019ab1c2-0000-7000-8000-000000000002",
        "group": "web",
        "group_id": "019ab1c2-0000-7000-8000-000000000001",
        "from": "lb1",
        "to": "lb2",
        "actor": {"kind": "token", "name": "on-call", "id": "019ab1c2-0000-7000-8000-000000000003"},
        "state": "active",
        "reason": null,
        "requested_at": "2026-11-22T20:41:17.000123Z",
        "active_at": "2026-11-22T20:41:17.018702Z",
        "ended_at": null,
        "bound_at": "2026-11-22T20:41:17.009214Z",
        "failover": "019ab1c2-0000-7000-8000-000000000004",
        "gap_ms": 0.0,
        "gap_method": "release_to_announcement",
    })
}

pub(super) fn drain_spec() -> Value {
    json!({"reason": "new power supply"})
}

pub(super) fn drain() -> Value {
    json!({
        "reason": "new power supply",
        "since": "2026-11-22T20:41:17.000123Z",
        "actor": {"kind": "token", "name": "on-call", "id": "019ab1c2-0000-7000-8000-000000000003"},
    })
}

fn passes(since: &str) -> Value {
    json!({"check": "nginx", "weight": 0, "passing": true, "detail": "200 OK, the body matches", "since": since})
}

fn counters(sent: u64, received: u64) -> Value {
    let counters = GroupCounters {
        advertisement_sent: sent,
        advertisement_rcvd: received,
        active_transitions: u64::from(sent > 0),
        ..GroupCounters::default()
    };
    json!(counters)
}

/// What the server adds to a specification.
fn answered(mut spec: Value, status: Value) -> Value {
    spec["id"] = json!("019ab1c2-0000-7000-8000-000000000001");
    spec["generation"] = json!(3);
    spec["created_at"] = json!("2026-11-20T09:00:00.000000Z");
    spec["updated_at"] = json!("2026-11-22T20:41:00.250000Z");
    spec["status"] = status;
    spec
}

#[cfg(test)]
mod tests {
    use api_types::check::{Check, CheckSpec};
    use api_types::drain::{Drain, DrainSpec};
    use api_types::group::Group;
    use api_types::node::{Node, NodeSpec};
    use api_types::segment::{Segment, SegmentSpec};
    use api_types::switchover::{Switchover, SwitchoverSpec};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::domain::group::GroupDraft;
    use crate::http::fields::{self, FromFields};

    fn is_what_the_server_answers<T: DeserializeOwned + Serialize>(example: Value) {
        let read: T = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), example);
    }

    fn is_what_the_server_accepts<T: FromFields + Serialize>(example: Value) {
        let read: T = fields::read(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), example);
    }

    #[test]
    fn the_examples_are_true() {
        is_what_the_server_answers::<Segment>(segment());
        is_what_the_server_answers::<Node>(node());
        is_what_the_server_answers::<Check>(check());
        is_what_the_server_answers::<Group>(group());
        is_what_the_server_answers::<Switchover>(switchover());
        is_what_the_server_answers::<Drain>(drain());
        is_what_the_server_accepts::<SwitchoverSpec>(switchover_spec());
        is_what_the_server_accepts::<DrainSpec>(drain_spec());
        is_what_the_server_accepts::<SegmentSpec>(segment_spec());
        is_what_the_server_accepts::<NodeSpec>(node_spec());
        is_what_the_server_accepts::<CheckSpec>(check_spec());
        let group: GroupDraft = fields::read(group_spec()).unwrap();
        assert_eq!(crate::domain::group::faults_of(&group), []);
        assert_eq!(serde_json::to_value(group.complete().unwrap()).unwrap(), group_spec());
    }
}
