//! How the members speak, and what moves with the addresses.

use serde_json::json;

use super::*;

/// The fields that break a rule, whatever the agents of this release can do.
fn broken(changes: Changes<'_>) -> Vec<String> {
    let mut faults = Faults::default();
    check_rules(&with(changes), &mut faults);
    faults.into_fields().into_iter().map(|fault| fault.pointer).collect()
}

/// Fields of an IPv6 group of `first` and another address.
fn ipv6(first: &str) -> [(&'static str, Value); 3] {
    let members = json!([node("lb1", "eth0", 240), external("old", "fe80::4", 100)]);
    let addresses = json!([first, "2001:db8::11/64"]);
    [("family", json!("ipv6")), ("virtual_addresses", addresses), ("members", members)]
}

#[test]
fn versions_and_intervals_go_together() {
    let nothing: [&str; 0] = [];
    let cases: [(Changes<'_>, &[&str]); 6] = [
        (&[("version", json!(2))], &[]),
        (&[("version", json!(2)), ("advertisement_interval_ms", json!(255_000))], &[]),
        (
            &[("version", json!(2)), ("advertisement_interval_ms", json!(1_500))],
            &["/advertisement_interval_ms"],
        ),
        (&[("advertisement_interval_ms", json!(41_000))], &["/advertisement_interval_ms"]),
        (&[("version", json!(2)), ("authentication", json!({"type": "simple_text", "text": "s3cret"}))], &[]),
        (&[("authentication", json!({"type": "simple_text", "text": "s3cret"}))], &["/authentication"]),
    ];
    for (changes, wanted) in cases {
        assert_eq!(broken(changes), wanted, "{changes:?}");
    }
    let [family, addresses, members] = ipv6("fe80::10/64");
    assert_eq!(broken(&[family.clone(), addresses.clone(), members.clone()]), nothing);
    assert_eq!(broken(&[family, addresses, members, ("version", json!(2))]), ["/version"]);
}

#[test]
fn unicast_needs_somebody_to_speak_to_and_only_it_passes_routers() {
    let alone = json!([node("lb1", "eth0", 240)]);
    let cases: [(Changes<'_>, &[&str]); 5] = [
        (&[("transport", json!("unicast"))], &[]),
        (&[("transport", json!("unicast")), ("max_hops", json!(254))], &[]),
        (&[("transport", json!("unicast")), ("members", alone.clone())], &["/members"]),
        (&[("members", alone)], &[]),
        (&[("max_hops", json!(1))], &["/max_hops"]),
    ];
    for (changes, wanted) in cases {
        assert_eq!(broken(changes), wanted, "{changes:?}");
    }
}

#[test]
fn over_ipv6_link_local_comes_first_unless_it_is_told_otherwise() {
    let asked = |first: &str, more: Changes<'_>| {
        let changes: Vec<_> = ipv6(first).into_iter().chain(more.iter().cloned()).collect();
        broken(&changes)
    };
    let nothing: [&str; 0] = [];
    assert_eq!(asked("fe80::10/64", &[]), nothing);
    assert_eq!(asked("2001:db8::10/64", &[]), ["/virtual_addresses/0"]);
    assert_eq!(asked("2001:db8::10/64", &[("require_link_local", json!(false))]), nothing);
    assert_eq!(asked("192.0.2.10/24", &[]), ["/virtual_addresses/0"], "one fault is said once");
    let global = json!([node("lb1", "eth0", 240), external("old", "2001:db8::4", 100)]);
    assert_eq!(asked("fe80::10/64", &[("members", global.clone())]), ["/members/1/address"]);
    let unicast = [("members", global), ("transport", json!("unicast"))];
    assert_eq!(asked("fe80::10/64", &unicast), nothing, "a source that a router passes on is not link-local");
}

#[test]
fn each_wrong_route_is_named_by_its_field() {
    let good = json!({"destination": "198.51.100.0/24", "gateway": "192.0.2.1", "metric": 5, "table": 7});
    let nothing: [&str; 0] = [];
    assert_eq!(broken(&[("virtual_routes", json!([good, {"destination": "0.0.0.0/0"}]))]), nothing);
    let routes = json!([
        good,
        {"destination": "198.51.100.9/24"},
        {"destination": "2001:db8::/32"},
        {"destination": "203.0.113.0/24", "gateway": "2001:db8::1"},
        {"destination": "203.0.114.0/24", "gateway": "224.0.0.18"},
        {"destination": "203.0.115.0/24", "table": 0},
        {"destination": "198.51.100.0/24", "metric": 5, "table": 7},
    ]);
    let wanted = [
        "/virtual_routes/1/destination",
        "/virtual_routes/2/destination",
        "/virtual_routes/3/gateway",
        "/virtual_routes/4/gateway",
        "/virtual_routes/5/table",
        "/virtual_routes/6",
    ];
    assert_eq!(broken(&[("virtual_routes", routes)]), wanted);
}

#[test]
fn each_wrong_rule_is_named_by_its_field() {
    let good = json!({"from": "192.0.2.10/32", "table": 7, "preference": 100});
    let rules = json!([
        good,
        {"from": "192.0.2.10/24", "to": "2001:db8::/32", "table": 7, "preference": 1},
        {"table": 0, "preference": 0},
        {"table": 7, "preference": 32_766},
        good,
    ]);
    let wanted = [
        "/virtual_rules/1/from",
        "/virtual_rules/1/to",
        "/virtual_rules/2/table",
        "/virtual_rules/2/preference",
        "/virtual_rules/3/preference",
        "/virtual_rules/4",
    ];
    assert_eq!(broken(&[("virtual_rules", rules)]), wanted);
}

#[test]
fn what_an_advertisement_has_no_room_for_is_told_apart() {
    let addresses = |count: u16| -> Vec<VirtualAddress> {
        (1..=count).map(|host| format!("10.0.{}.{}/16", host / 256, host % 256).parse().unwrap()).collect()
    };
    assert_eq!(unadvertised(Family::Ipv4, &addresses(255)), []);
    assert_eq!(unadvertised(Family::Ipv4, &addresses(257)), &addresses(257)[255..]);
    assert_eq!(unadvertised(Family::Ipv6, &addresses(91)).len(), 1, "an IPv6 address is four times as long");
}
