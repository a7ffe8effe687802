//! How the members of a group speak: read strictly, kept exactly, handed on to the agents.

use std::collections::HashMap;

use api_types::group::GroupSpec;
use baton_server::store::groups::{self, GroupWrite};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::TestApp;
use crate::intent::{group, with, written};
use crate::listening::Server;
use crate::pair::two_agents;

/// Every option of a group with another value than the usual one.
fn options() -> Value {
    json!({
        "preempt_delay_ms": 3_600_000,
        "accept_mode": false,
        "mac_mode": "virtual",
        "transport": "unicast",
        "max_hops": 254,
        "require_link_local": false,
        "authentication": {"type": "simple_text", "text": "s3cret!~"},
        "virtual_routes": [
            {"destination": "198.51.100.0/24", "gateway": "192.0.2.1", "metric": 4_294_967_295_u32, "table": 1},
            {"destination": "0.0.0.0/0"},
        ],
        "virtual_rules": [
            {"from": "192.0.2.10/32", "to": "198.51.100.0/24", "table": 4_294_967_295_u32, "preference": 32_765},
            {"table": 7, "preference": 1},
        ],
    })
}

/// A group of version 2 with all of [`options`].
fn unusual(segment: &str, interface: &str) -> Value {
    let mut body = group("web");
    body["segment"] = json!(segment);
    body["version"] = json!(2);
    body["advertisement_interval_ms"] = json!(255_000);
    for member in body["members"].as_array_mut().unwrap() {
        member["interface"] = json!(interface);
    }
    for (field, value) in options().as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// Writes a group as the server does once no rule is broken.
async fn store(db: &sqlx::PgPool, spec: &Value, now: api_types::Timestamp, replace: bool) -> Uuid {
    let spec: GroupSpec = serde_json::from_value(spec.clone()).unwrap();
    let mut conn = db.acquire().await.unwrap();
    let id = async |table: &str, name: &str| -> Uuid {
        let query = format!("SELECT id FROM {table} WHERE name = $1");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(name).fetch_one(db).await.unwrap()
    };
    let segment_id = id("segments", spec.segment.as_str()).await;
    let mut node_ids = HashMap::new();
    for node in ["lb1", "lb2"] {
        node_ids.insert(node.parse().unwrap(), id("nodes", node).await);
    }
    let group = if replace { id("groups", spec.name.as_str()).await } else { Uuid::now_v7() };
    let write = GroupWrite { id: group, spec: &spec, segment_id, node_ids: &node_ids, now };
    let written = if replace {
        groups::replace(&mut conn, write).await
    } else {
        groups::insert(&mut conn, write).await
    };
    written.unwrap();
    group
}

#[tokio::test]
async fn every_option_is_answered_as_it_was_written() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let now = api.app.clock.now();
    let body = unusual("frontend", "eth0");
    store(&api.app.db, &body, now, false).await;
    let answered = api.get("/api/v1/groups/web").await.is(200).body;
    assert_eq!(written(&answered), body);
    assert_eq!(api.get("/api/v1/groups").await.body["items"], json!([answered]));

    store(&api.app.db, &group("web"), now, true).await;
    let usual = api.get("/api/v1/groups/web").await.is(200).body;
    assert_eq!(written(&usual), group("web"), "nothing is left of what was replaced");
}

#[tokio::test]
async fn an_agent_is_told_every_option() {
    let server = Server::start().await;
    server.put("/api/v1/segments/lan", json!({"name": "lan", "prefixes": ["192.0.2.0/24"]})).await;
    let (agent, _other) = two_agents(&server).await;
    store(server.db(), &unusual("lan", "eth0"), server.now(), false).await;
    let told = agent.connect(&server, "192.0.2.1").await.desired().await;
    assert!(told.is_intact());
    let told = &told.groups[0];
    assert_eq!(serde_json::to_value(&told.options).unwrap(), options());
    assert_eq!((told.version, told.advertisement_interval_ms.as_millis()), (vrrp::Version::V2, 255_000));
}

#[tokio::test]
async fn addresses_beyond_the_room_of_an_advertisement_are_shown() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let addresses: Vec<String> =
        (1..=1_000).map(|host| format!("10.7.{}.{}/16", host / 250, host % 250 + 1)).collect();
    let body = with(group("web"), "virtual_addresses", json!(addresses));
    store(&api.app.db, &body, api.app.clock.now(), false).await;
    let answered = api.get("/api/v1/groups/web").await.is(200).body;
    assert_eq!(answered["virtual_addresses"], json!(addresses));
    assert_eq!(answered["status"]["unadvertised_addresses"], json!(addresses[255..]));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_to_the_field() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let route =
        |field: &str, value: Value| json!([with(json!({"destination": "198.51.100.0/24"}), field, value)]);
    let rule = |field: &str, value: Value| json!([with(json!({"table": 7, "preference": 1}), field, value)]);
    let cases = [
        ("preempt_delay_ms", json!(3_600_001), "/preempt_delay_ms", "0 to 3600000"),
        ("preempt_delay_ms", json!(-1), "/preempt_delay_ms", "0 to 3600000"),
        ("max_hops", json!(255), "/max_hops", "0 to 254"),
        ("mac_mode", json!("real"), "/mac_mode", "\"virtual\""),
        ("transport", json!("broadcast"), "/transport", "\"unicast\""),
        ("accept_mode", json!(null), "/accept_mode", "true or false"),
        ("require_link_local", json!("yes"), "/require_link_local", "true or false"),
        ("authentication", json!("s3cret"), "/authentication", "must be an object"),
        ("authentication", json!({"type": "ah", "text": "s"}), "/authentication/type", "simple_text"),
        ("authentication", json!({"type": "simple_text"}), "/authentication/text", "is required"),
        (
            "authentication",
            json!({"type": "simple_text", "text": "123456789"}),
            "/authentication/text",
            "1 to 8 printable",
        ),
        ("virtual_routes", json!({}), "/virtual_routes", "must be a list"),
        ("virtual_routes", json!(vec![0; 65]), "/virtual_routes", "0 to 64 are allowed"),
        ("virtual_routes", json!([{}]), "/virtual_routes/0/destination", "is required"),
        (
            "virtual_routes",
            route("destination", json!("ten")),
            "/virtual_routes/0/destination",
            "192.0.2.0/24",
        ),
        ("virtual_routes", route("gateway", json!(null)), "/virtual_routes/0/gateway", "not null"),
        ("virtual_routes", route("metric", json!(-1)), "/virtual_routes/0/metric", "outside what one can be"),
        ("virtual_routes", route("via", json!("192.0.2.1")), "/virtual_routes/0/via", "gateway"),
        (
            "virtual_rules",
            rule("from", json!("192.0.2.010/32")),
            "/virtual_rules/0/from",
            "canonical spelling",
        ),
        ("virtual_rules", rule("table", json!("main")), "/virtual_rules/0/table", "a whole number"),
        ("virtual_rules", json!([{"table": 7}]), "/virtual_rules/0/preference", "is required"),
    ];
    for (field, value, pointer, said) in cases {
        let answer =
            api.post("/api/v1/groups", with(group("web"), field, value)).await.refused_as(422, "invalid");
        assert_eq!(answer.pointers()[0], pointer, "{}", answer.text);
        assert!(answer.said().contains(said), "{said:?} is not in: {}", answer.said());
    }
}

#[tokio::test]
async fn the_database_itself_refuses_what_no_rule_lets_pass() {
    let api = TestApp::with_a_group().await;
    for (column, value, constraint) in [
        ("preempt_delay_ms", "3600001", "groups_preempt_delay_range"),
        ("mac_mode", "'real'", "groups_mac_mode_word"),
        ("transport", "'anycast'", "groups_transport_word"),
        ("max_hops", "1", "groups_max_hops_by_unicast"),
        ("authentication_text", "'s3cret'", "groups_authentication_in_version_2"),
    ] {
        let statement = format!("UPDATE groups SET {column} = {value}");
        let refused = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&api.app.db).await;
        let error = refused.expect_err(constraint);
        assert_eq!(baton_server::store::violated_constraint(&error), Some(constraint));
    }
}
