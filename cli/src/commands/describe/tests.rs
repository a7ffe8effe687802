use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-22T21:00:00.000000Z";

fn table() -> Table {
    Table { wide: true, now: serde_json::from_value(json!(NOW)).unwrap(), terminal: Terminal::PLAIN }
}

fn shown(sections: Vec<String>) -> String {
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What lb2 is, and what it hears.
fn lb2() -> Value {
    let heard = |source: &str, member: Value, odd: Value| {
        json!({"source": source, "member": member, "version": 3, "priority": 240, "advertisement_interval_ms": 100,
               "checksum": "rfc5798", "address_count": 1, "discrepancies": odd, "speaking": true,
               "last_heard_at": "2026-11-22T20:59:58.000000Z"})
    };
    json!({"name": "lb2", "state": "fault", "since": "2026-11-22T20:55:00.000000Z", "connected": true,
           "ready": false, "not_ready_because": "lb2 has no carrier on eth0",
           "fault": "eth0 has no carrier", "effective_priority": 190, "checksum": "rfc5798", "dropping": ["auth", "version"],
           "counters": {"advertisement_rcvd": 3000, "packets_dropped": 7},
           "peers": [heard("10.77.0.11", json!("lb1"), json!([])),
                     heard("10.77.0.66", json!(null), json!(["interval"]))],
           "checks": [{"check": "nginx", "weight": -30, "passing": false,
                       "detail": "127.0.0.1:80 refuses connections", "since": "2026-11-22T20:58:00.000000Z"}]})
}

fn web() -> Group {
    serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "name": "web", "description": "", "segment": "lan",
        "family": "ipv4", "vrid": 51, "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true,
        "preempt_delay_ms": 5000, "accept_mode": false, "mac_mode": "virtual", "transport": "unicast", "max_hops": 2,
        "require_link_local": true, "authentication": null, "checksum": "auto",
        "virtual_addresses": ["10.77.0.100/24"],
        "virtual_routes": [{"destination": "10.80.0.0/16", "gateway": "10.77.0.1", "table": 7}],
        "virtual_rules": [{"from": "10.77.0.100/32", "table": 7, "preference": 100}],
        "track": [{"check": "nginx", "weight": -30, "reverse": false},
                  {"check": "maintenance", "weight": 0, "reverse": true}],
        "members": [
            {"kind": "node", "node": "lb2", "interface": "eth0", "priority": 220},
            {"kind": "external", "name": "old", "address": "10.77.0.9", "priority": 100},
        ],
        "generation": 1, "created_at": NOW, "updated_at": NOW,
        "status": {"active": [], "unadvertised_addresses": [],
            "switchover": {"id": "018f4e6e-7c1a-7000-8000-000000000009", "to": "lb2", "state": "requested",
                           "requested_at": "2026-11-22T20:59:00.000000Z"},
            "members": [lb2(), {"name": "old", "state": null, "since": null, "connected": null}],
            "conditions": [{"kind": "foreign_router", "detail": "10.77.0.66 is no member.",
                            "since": "2026-11-22T20:58:00.000000Z"}]},
    }))
    .unwrap()
}

#[test]
fn a_group_is_told_from_how_it_speaks_to_who_hears_whom() {
    assert_eq!(
        shown(group::sections(&web(), &table())),
        "\
group           web
segment         lan
virtual router  VRID 51, version 3, ipv4, every 100 ms, by unicast
hops            2 routers may lie between members
MAC address     of the virtual router
checksum        auto
preemption      after 5000 ms
accept mode     off: only ARP and ND reach the addresses
tracks          nginx (-30 while it fails), maintenance (fault while it passes)
addresses       10.77.0.100/24
routes          10.80.0.0/16 via 10.77.0.1 table 7
rules           100: from 10.77.0.100/32 lookup 7
active          nobody
switchover      to lb2, requested, requested 60s ago
standby         nobody
not ready       lb2 has no carrier on eth0

foreign_router for 2m
    10.77.0.66 is no member.

MEMBER  AT         PRIORITY  EFFECTIVE  STATE                        FOR  AGENT      CHECKSUM  SENT  HEARD  DROPPED
lb2     eth0       220       190        fault (eth0 has no carrier)  5m   connected  rfc5798   0     3000   7 (auth, version)
old     10.77.0.9  100       -          -                            -    none       -         -     -      -

CHECKED ON  CHECK  WEIGHT  STANDS  FOR  DETAIL
lb2         nginx  -30     fails   2m   127.0.0.1:80 refuses connections

HEARD BY  ROUTER   SOURCE      SPEAKS  LAST HEARD  PRIORITY  VERSION  CHECKSUM  INTERVAL  ADDRESSES  ODD
lb2       lb1      10.77.0.11  yes     2s ago      240       3        rfc5798   100 ms    1          -
lb2       foreign  10.77.0.66  yes     2s ago      240       3        rfc5798   100 ms    1          interval
"
    );
}

#[test]
fn a_node_is_told_with_its_fences_and_what_is_dropped_on_each_interface() {
    let interface = |name: &str, carrier: bool| {
        let addresses = ["10.77.0.11/24"];
        json!({"name": name, "mac": "02:00:00:00:00:01", "up": true, "carrier": carrier, "addresses": addresses})
    };
    let lb1: Node = serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000002", "name": "lb1", "description": "rack 3", "generation": 1,
        "created_at": NOW, "updated_at": NOW,
        "status": {"enrolled": true, "connected": true, "last_seen_at": "2026-11-22T20:59:57.000000Z",
            "agent_version": "0.1.0", "boot_id": null,
            "drain": {"since": "2026-11-22T20:55:00.000000Z", "reason": "new fan",
                      "actor": {"kind": "token", "name": "on-call", "id": null}},
            "interfaces": [interface("eth0", true), interface("eth1", false)],
            "interface_counters": [
                {"interface": "", "overflow_errors": 9},
                {"interface": "eth0", "ip_ttl_errors": 3, "vrid_errors": 1, "source_errors": 2,
                 "destination_errors": 5},
            ],
            "fences": {"guard": {"state": "armed", "detail": null, "acted": 1, "lapsed": 0},
                "self_check": {"state": "off", "detail": null, "acted": 0, "lapsed": 0},
                "nftables_lease": {"state": "armed", "detail": "not for web", "acted": 0, "lapsed": 2},
                "address_lease": {"state": "not_armed", "detail": "no room", "acted": 0, "lapsed": 0}},
            "desired_revision": {"epoch": 1, "counter": 7}, "applied_revision": {"epoch": 1, "counter": 6},
            "rejection": null, "conditions": []},
    }))
    .unwrap();
    assert_eq!(
        shown(node::sections(&lb1, &table())),
        "\
node               lb1
description        rack 3
agent              connected
seen               3s ago
drained            for 5m by on-call: new fan
version            0.1.0
revision           1.6 runs, 1.7 is desired
dropped elsewhere  overflow=9

FENCE           STATE      ACTED  LAPSED  DETAIL
guard           armed      1      0       -
nftables_lease  armed      0      2       not for web
address_lease   not_armed  0      0       no room
self_check      off        0      0       -

INTERFACE  STATE       MAC                ADDRESSES      DROPPED
eth0       up          02:00:00:00:00:01  10.77.0.11/24  vrid=1 ttl=3 source=2 destination=5
eth1       no carrier  02:00:00:00:00:01  10.77.0.11/24  -
"
    );
}

#[test]
fn a_check_is_told_with_how_it_stands_on_each_member() {
    let check: Check = serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000003", "name": "nginx", "description": "the web server",
        "probe": {"kind": "http", "url": "https://127.0.0.1/health", "host": "www.example.org",
                  "expected_status": ["204", "200-299"], "body_match": "^ok", "verify_certificate": false},
        "interval_ms": 500, "timeout_ms": 250, "rise": 3, "fall": 2, "generation": 1, "created_at": NOW,
        "updated_at": NOW, "status": {"groups": ["web"]},
    }))
    .unwrap();
    assert_eq!(
        shown(check::sections(&check, &[web()], &table())),
        "\
check         nginx
description   the web server
probe         http https://127.0.0.1/health
expects       status 204 or 200-299, a body in which \"^ok\" is found, asked for as www.example.org, with any certificate
runs          every 500 ms, for 250 ms at most
passes after  3 good in a row
fails after   2 bad in a row
tracked by    web: nginx (-30 while it fails)

GROUP  MEMBER  WEIGHT  STANDS  FOR  DETAIL
web    lb2     -30     fails   2m   127.0.0.1:80 refuses connections
"
    );
}
