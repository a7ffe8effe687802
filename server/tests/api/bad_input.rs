//! Groups that must be refused: the answer names the field and what is allowed, nothing changes, agents see
//! nothing, and the audit log has the refusal.

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::intent::{external_member, group, node_member, with};

/// Sends `body` by POST and as a replacement of the group `web`; both must be refused in the same way.
async fn refused(api: &TestApp, body: &Value, status: u16, code: &str) -> Vec<(Vec<String>, String)> {
    let before = api.everything().await;
    let refusals = api.audited().await.iter().filter(|(_, outcome, _)| outcome == "refused").count();
    let mut answers = Vec::new();
    for (method, path) in [("POST", "/api/v1/groups"), ("PUT", "/api/v1/groups/web")] {
        let answer = api.call(method, path, &[], Some(body)).await.refused_as(status, code);
        let pointers = answer.pointers().into_iter().map(str::to_owned).collect();
        answers.push((pointers, answer.said()));
    }
    assert_eq!(api.everything().await, before, "nothing changed: {body:#}");
    let recorded = api.audited().await.iter().filter(|(_, outcome, _)| outcome == "refused").count();
    assert_eq!(recorded, refusals + 2, "both refusals are in the audit log");
    answers
}

async fn invalid(api: &TestApp, body: &Value, wanted: &[&str], said: &str) {
    for (pointers, text) in refused(api, body, 422, "invalid").await {
        assert_eq!(pointers, wanted, "{text}");
        assert!(text.contains(said), "{said:?} is not in: {text}");
    }
}

/// Another group that takes nothing from `web`, for requests whose only fault is the one under test.
fn free(field: &str, value: Value) -> Value {
    let group = with(with(group("other"), "vrid", json!(99)), "virtual_addresses", json!(["192.0.2.99/24"]));
    with(group, field, value)
}

#[tokio::test]
async fn numbers_out_of_range_are_named_with_the_range() {
    let api = TestApp::with_a_group().await;
    for vrid in [json!(0), json!(256), json!(-1)] {
        invalid(&api, &free("vrid", vrid), &["/vrid"], "allowed are 1 to 255").await;
    }
    let said = "must be a whole number, not the string \"51\"";
    invalid(&api, &free("vrid", json!("51")), &["/vrid"], said).await;
    let said = "must be true or false, not 1";
    invalid(&api, &free("preempt_mode", json!(1)), &["/preempt_mode"], said).await;
    for priority in [0, 256] {
        let members = json!([node_member("lb1", "eth0", priority)]);
        invalid(&api, &free("members", members), &["/members/0/priority"], "1 to 254").await;
    }
    for interval in [0, 5, 15, 256_000] {
        let body = free("advertisement_interval_ms", json!(interval));
        invalid(&api, &body, &["/advertisement_interval_ms"], "multiples of 10 from 10 to 40950").await;
    }
    let body = free("advertisement_interval_ms", json!(41_000));
    invalid(&api, &body, &["/advertisement_interval_ms"], "not a version 3 interval").await;
    invalid(&api, &free("version", json!(4)), &["/version"], "allowed are 2 and 3").await;
    invalid(&api, &free("checksum", json!("none")), &["/checksum"], "rfc5798").await;
}

#[tokio::test]
async fn addresses_must_be_canonical_hosts_of_the_segment_once() {
    let api = TestApp::with_a_group().await;
    let cases = [
        (json!(["198.51.100.1/24"]), "/virtual_addresses/0", "allowed are hosts of 192.0.2.0/24"),
        (json!(["192.0.2.255/32"]), "/virtual_addresses/0", "broadcast address"),
        (json!(["192.0.2.20/24", "192.0.2.20/24"]), "/virtual_addresses/1", "each address once"),
        (json!(["192.0.2.20/24", "192.0.2.20/32"]), "/virtual_addresses/1", "each address once"),
        (json!(["192.0.2.20"]), "/virtual_addresses/0", "write it like 192.0.2.10/24"),
        (json!(["192.0.2.020/24"]), "/virtual_addresses/0", "192.0.2.20/24"),
        (json!(["2001:db8::1/64"]), "/virtual_addresses/0", "ipv4"),
        (json!([]), "/virtual_addresses", "1 to 1000"),
    ];
    for (addresses, pointer, said) in cases {
        let before = api.everything().await;
        let body = free("virtual_addresses", addresses);
        let answer = api.post("/api/v1/groups", &body).await;
        let answer = answer.refused_as(422, "invalid");
        assert!(answer.pointers().contains(&pointer), "{body:#}: {:?}", answer.pointers());
        assert!(answer.said().contains(said), "{said:?} is not in: {}", answer.said());
        assert_eq!(api.everything().await, before, "nothing changed");
    }
}

#[tokio::test]
async fn members_must_exist_once_with_one_owner() {
    let api = TestApp::with_a_group().await;
    let cases = [
        (json!([]), "/members", "1 to 32"),
        (json!([node_member("lb9", "eth0", 100)]), "/members/0/node", "there is no node lb9"),
        (
            json!([node_member("lb1", "eth0", 100), node_member("lb1", "eth1", 90)]),
            "/members/1/node",
            "each name once",
        ),
        (
            json!([node_member("lb1", "eth0", 255), node_member("lb2", "eth0", 255)]),
            "/members/1/priority",
            "lb1 (/members/0) does: allowed are 1 to 254",
        ),
        (
            json!([node_member("lb1", "eth0", 100), external_member("lb1", "192.0.2.4", 90)]),
            "/members/1/name",
            "each name once",
        ),
        (json!([external_member("lb2", "192.0.2.4", 90)]), "/members/0/name", "is the name of a node"),
        (json!([external_member("old", "192.0.2.99", 90)]), "/members/0/address", "is a virtual address"),
        (json!([external_member("old", "192.0.2.04", 90)]), "/members/0/address", "is not an address"),
        (
            json!([external_member("old", "198.51.100.4", 90)]),
            "/members/0/address",
            "allowed are hosts of 192.0.2.0/24",
        ),
        (
            json!([external_member("old", "224.0.0.18", 90)]),
            "/members/0/address",
            "not the address of a host",
        ),
        (json!([node_member("lb1", "eth/0", 100)]), "/members/0/interface", "printable ASCII"),
        (json!([{"node": "lb1", "interface": "eth0", "priority": 1}]), "/members/0/kind", "required"),
        (json!([{"kind": "vrrp"}]), "/members/0/kind", "external"),
        (
            json!([with(node_member("lb1", "eth0", 100), "weight", json!(1))]),
            "/members/0/weight",
            "not known here",
        ),
    ];
    for (members, pointer, said) in cases {
        let before = api.everything().await;
        let body = free("members", members);
        let answer = api.post("/api/v1/groups", &body).await;
        let answer = answer.refused_as(422, "invalid");
        assert_eq!(answer.pointers()[0], pointer, "{body:#}: {:#}", answer.body);
        assert!(answer.said().contains(said), "{said:?} is not in: {}", answer.said());
        assert_eq!(api.everything().await, before, "nothing changed");
    }
}

#[tokio::test]
async fn unknown_and_server_owned_fields_are_refused() {
    let api = TestApp::with_a_group().await;
    for field in ["vip", "id", "generation", "created_at", "updated_at", "status"] {
        invalid(&api, &free(field, json!(1)), &[&format!("/{field}")], "not known here").await;
    }
}

#[tokio::test]
async fn every_bad_field_is_listed_in_one_answer() {
    let api = TestApp::with_a_group().await;
    let body = json!({
        "name": "Web",
        "segment": "frontend",
        "vrid": 0,
        "advertisement_interval_ms": 7,
        "virtual_addresses": ["192.0.2.20/24", "twenty"],
        "members": [node_member("lb1", "eth0", 0), external_member("old", "x", 300)],
        "colour": "blue",
    });
    let wanted = [
        "/name",
        "/vrid",
        "/advertisement_interval_ms",
        "/virtual_addresses/1",
        "/members/0/priority",
        "/members/1/address",
        "/members/1/priority",
        "/colour",
    ];
    invalid(&api, &body, &wanted, "").await;

    let wrong_in_every_way = json!({
        "name": "other",
        "segment": "backend",
        "vrid": 0,
        "virtual_addresses": [7, "192.0.2.20/24", "192.0.2.20/32"],
        "members": [
            node_member("lb9", "eth\u{0}0", 0),
            {"kind": "vrrp"},
            external_member("lb2", "224.0.0.18", 100),
        ],
    });
    let wanted = [
        "/vrid",
        "/virtual_addresses/0",
        "/members/0/priority",
        "/members/1/kind",
        "/virtual_addresses/2",
        "/members/0/interface",
        "/members/2/address",
        "/segment",
        "/members/0/node",
        "/members/2/name",
    ];
    invalid(&api, &wrong_in_every_way, &wanted, "there is no node lb9").await;

    let well_formed = json!({
        "name": "other",
        "description": "x".repeat(501),
        "segment": "frontend",
        "vrid": 99,
        "advertisement_interval_ms": 41_000,
        "virtual_addresses": ["198.51.100.1/24"],
        "members": [node_member("lb9", "eth0", 255), node_member("lb1", "eth 0", 255)],
    });
    let wanted = [
        "/description",
        "/advertisement_interval_ms",
        "/members/1/priority",
        "/members/1/interface",
        "/virtual_addresses/0",
        "/members/0/node",
    ];
    invalid(&api, &well_formed, &wanted, "").await;
}

#[tokio::test]
async fn an_unknown_segment_is_named() {
    let api = TestApp::with_a_group().await;
    invalid(&api, &free("segment", json!("backend")), &["/segment"], "there is no segment backend").await;
}

#[tokio::test]
async fn each_version_has_its_own_intervals() {
    let api = TestApp::with_a_group().await;
    let v2_with_v3_interval = with(free("version", json!(2)), "advertisement_interval_ms", json!(100));
    let wanted = ["/advertisement_interval_ms"];
    invalid(&api, &v2_with_v3_interval, &wanted, "multiples of 1000 from 1000 to 255000").await;
}

#[tokio::test]
async fn a_group_is_held_against_the_interfaces_that_its_nodes_reported() {
    let api = TestApp::with_a_group().await;
    let eth0 =
        json!({"name": "eth0", "mac": null, "up": true, "carrier": true, "addresses": ["192.0.2.1/24"]});
    api.report_interfaces("lb1", &json!([eth0])).await;

    let missing = free("members", json!([node_member("lb1", "eth9", 100)]));
    invalid(&api, &missing, &["/members/0/interface"], "node lb1 has no interface eth9").await;

    let not_its_own = free("members", json!([node_member("lb1", "eth0", 255)]));
    let said = "192.0.2.99 is not an address of its interface eth0";
    invalid(&api, &not_its_own, &["/members/0/priority"], said).await;

    let owner = free("members", json!([node_member("lb1", "eth0", 255)]));
    let owner = with(owner, "virtual_addresses", json!(["192.0.2.1/24"]));

    let no_owner = with(owner.clone(), "members", json!([node_member("lb1", "eth0", 254)]));
    let said = "192.0.2.1 is an address of interface eth0 of node lb1: allowed is an address that no member has as its \
                own, or priority 255 for lb1";
    invalid(&api, &no_owner, &["/virtual_addresses/0"], said).await;
    api.post("/api/v1/groups", &owner).await.is(201);
}

#[tokio::test]
async fn what_another_group_has_is_taken_and_the_group_is_named() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;

    let name = api.post("/api/v1/groups", &with(free("vrid", json!(98)), "name", json!("web"))).await;
    assert_eq!(name.refused_as(409, "name_taken").pointers(), ["/name"]);

    let vrid = api.post("/api/v1/groups", &free("vrid", json!(51))).await;
    let vrid = vrid.refused_as(409, "vrid_taken");
    assert_eq!(vrid.pointers(), ["/vrid"]);
    assert!(vrid.said().contains("group web"), "{}", vrid.said());

    let addresses = json!(["192.0.2.99/24", "192.0.2.10/32"]);
    let address = api.post("/api/v1/groups", &free("virtual_addresses", addresses)).await;
    let address = address.refused_as(409, "address_taken");
    assert_eq!(address.pointers(), ["/virtual_addresses/1"]);
    assert!(address.said().contains("192.0.2.10 belongs to group web"), "{}", address.said());

    let everything = api.post("/api/v1/groups", &group("copy")).await;
    let everything = everything.refused_as(409, "vrid_taken");
    assert_eq!(everything.pointers(), ["/vrid", "/virtual_addresses/0", "/virtual_addresses/1"]);
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn another_segment_has_its_own_vrids_unless_the_wire_is_the_same() {
    let api = TestApp::with_a_group().await;
    api.post("/api/v1/segments", &json!({"name": "backend", "prefixes": ["192.0.2.0/24"]})).await.is(201);
    let on_backend = |interface: &str| {
        let members = json!([node_member("lb1", interface, 240), node_member("lb2", interface, 200)]);
        with(with(group("db"), "segment", json!("backend")), "members", members)
    };
    let same_wire = api.post("/api/v1/groups", &on_backend("eth0")).await;
    let same_wire = same_wire.refused_as(409, "vrid_taken");
    assert!(same_wire.said().contains("group web on segment frontend"), "{}", same_wire.said());
    api.post("/api/v1/groups", &on_backend("eth1")).await.is(201);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_no_request() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;
    let array = api.post("/api/v1/groups", &json!([group("x")])).await;
    assert_eq!(array.refused_as(422, "invalid").pointers(), [""]);
    let none = api.call("POST", "/api/v1/groups", &[], None).await;
    none.refused_as(415, "unsupported_media_type");
    let empty = api.call("PUT", "/api/v1/groups/web", &[("content-type", "application/json")], None).await;
    empty.refused_as(400, "malformed_json");
    let large = with(group("web"), "description", json!("x".repeat(300_000)));
    api.put("/api/v1/groups/web", &large).await.refused_as(413, "too_large");
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn a_field_that_is_given_twice_is_refused() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;
    let text = free("vrid", json!(98)).to_string().replacen('{', r#"{"vrid":99,"#, 1);
    let request = api.request("POST", "/api/v1/groups").header("content-type", "application/json");
    let answer = request.body(text).send().await.refused_as(400, "malformed_json");
    assert!(answer.said().contains(r#""vrid" is given twice"#), "{}", answer.said());
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn control_characters_never_reach_the_database() {
    let api = TestApp::with_a_group().await;
    let nul = "\u{0}";
    invalid(&api, &free("description", json!(nul)), &["/description"], "U+0000").await;
    let interface = free("members", json!([node_member("lb1", nul, 100)]));
    invalid(&api, &interface, &["/members/0/interface"], "printable ASCII").await;
    for (kind, body) in [
        ("segments", json!({"name": "Six", "description": nul, "prefixes": ["ten", "10.0.0.1/8"]})),
        ("nodes", json!({"name": "Six", "description": nul})),
        ("checks", json!({"name": "Six", "description": nul, "probe": {"kind": "process", "process": nul}})),
    ] {
        let answer = api.post(&format!("/api/v1/{kind}"), &body).await.refused_as(422, "invalid");
        let wanted: &[&str] = match kind {
            "segments" => &["/name", "/prefixes/0", "/description", "/prefixes/1"],
            "checks" => &["/name", "/description", "/probe/process"],
            _ => &["/name", "/description"],
        };
        assert_eq!(answer.pointers(), wanted, "all in one answer: {}", answer.text);
    }
}
