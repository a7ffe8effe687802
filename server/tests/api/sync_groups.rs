//! Sync groups, every status code, and what the nodes of their groups are told.

use api_types::channel::{DesiredState, GroupReport, ServerMessage};
use api_types::transition::State;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::intent::{check, external_member, group, node_member, tracked, with, written};
use crate::listening::{Server, eventually_shows, make_group};
use crate::pair::{ADDRESSES, Pair};

const EDGE: &str = "/api/v1/sync-groups/edge";

fn edge(groups: &[&str]) -> Value {
    json!({"name": "edge", "description": "both sides", "groups": groups})
}

/// The group `db` beside `web`.
fn db() -> Value {
    with(with(group("db"), "vrid", json!(52)), "virtual_addresses", json!(["192.0.2.12/24"]))
}

/// The groups `web` and `db` of lb1 and lb2.
async fn with_two_groups() -> TestApp {
    let api = TestApp::with_a_group().await;
    api.post("/api/v1/groups", &db()).await.is(201);
    api
}

#[tokio::test]
async fn a_sync_group_is_created_shown_replaced_and_deleted() {
    let api = with_two_groups().await;
    let created = api.post("/api/v1/sync-groups", &edge(&["web", "db"])).await.is(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!((created.location(), created.etag()), (format!("/api/v1/sync-groups/{id}").as_str(), "\"1\""));
    assert_eq!(created.body["groups"], json!(["db", "web"]), "by name");
    for path in [format!("/api/v1/sync-groups/{id}"), EDGE.to_owned()] {
        let shown = api.get(&path).await.is(200);
        assert_eq!((&shown.body, shown.etag()), (&created.body, "\"1\""));
    }
    assert_eq!(api.get("/api/v1/sync-groups").await.is(200).body["items"], json!([created.body]));
    let revisions = api.revisions().await;
    assert_eq!(api.put(EDGE, &edge(&["web", "db"])).await.is(200).etag(), "\"1\"", "nothing changed");
    assert_eq!(api.revisions().await, revisions);

    let renamed = with(edge(&["web", "db"]), "name", json!("rim"));
    assert_eq!(api.put_if_match(EDGE, "\"1\"", &renamed).await.is(200).etag(), "\"2\"");
    let told = api.revisions().await;
    assert!(told.iter().zip(&revisions).all(|(new, old)| new.1 == old.1 + 1), "both nodes are told");
    api.get(EDGE).await.refused_as(404, "not_found");
    api.delete("/api/v1/sync-groups/rim").await.is(204);
    assert!(api.revisions().await.iter().zip(&told).all(|(new, old)| new.1 == old.1 + 1));
    api.put(EDGE, &edge(&["db", "web"])).await.is(201);
    let audited = api.audited().await;
    let actions: Vec<_> =
        audited.iter().map(|(action, ..)| action.as_str()).filter(|word| word.starts_with("sync")).collect();
    assert_eq!(actions, ["sync_group.create", "sync_group.update", "sync_group.delete", "sync_group.create"]);
}

#[tokio::test]
async fn groups_that_do_not_fit_together_are_refused_with_what_is_allowed() {
    let api = with_two_groups().await;
    api.post("/api/v1/checks", &check("nginx")).await.is(201);
    let members = |first: u16, second: u16| {
        json!([node_member("lb2", "eth0", first), node_member("lb1", "eth0", second)])
    };
    let with_router = json!([node_member("lb2", "eth0", 200), external_member("r1", "192.0.2.9", 240)]);
    let cases = [
        (
            with(db(), "members", members(199, 240)),
            "node lb2 has the priority 199 in group db and 200 in group web",
        ),
        (with(db(), "members", members(200, 200)), "nodes lb2 and lb1 have the same priority in group db"),
        (with(db(), "members", json!([node_member("lb1", "eth0", 240)])), "does not have the members"),
        (with(db(), "members", with_router), "group db has the external member r1"),
        (with(db(), "preempt_mode", json!(false)), "another preempt_mode"),
    ];
    for (body, said) in cases {
        api.put("/api/v1/groups/db", &body).await.is(200);
        let refused = api.post("/api/v1/sync-groups", &edge(&["web", "db"])).await.refused_as(422, "invalid");
        assert!(refused.said().contains(said), "{said:?} is not in: {}", refused.said());
        assert!(refused.pointers()[0].starts_with("/groups/"), "{:?}", refused.pointers());
    }
    for (groups, pointer) in [
        (json!(["web"]), "/groups"),
        (json!(["web", "web"]), "/groups/1"),
        (json!(["aa", "web"]), "/groups/0"),
    ] {
        let body = with(edge(&[]), "groups", groups);
        assert_eq!(
            api.post("/api/v1/sync-groups", &body).await.refused_as(422, "invalid").pointers(),
            [pointer]
        );
    }
    assert_eq!(api.get("/api/v1/sync-groups").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_group_in_a_sync_group_stays_what_that_needs_and_is_in_no_other_one() {
    let api = with_two_groups().await;
    api.post("/api/v1/sync-groups", &edge(&["web", "db"])).await.is(201);
    let deleted = api.delete("/api/v1/groups/db").await.refused_as(409, "in_use");
    assert!(deleted.said().contains("group db is in sync group edge"), "{}", deleted.said());
    let changed = with(db(), "preempt_mode", json!(false));
    let refused = api.put("/api/v1/groups/db", &changed).await.refused_as(409, "in_use");
    assert!(refused.said().contains("another preempt_mode"), "{}", refused.said());
    api.put("/api/v1/groups/db", &with(db(), "description", json!("new"))).await.is(200);

    let other = with(edge(&["web", "db"]), "name", json!("rim"));
    let taken = api.post("/api/v1/sync-groups", &other).await.refused_as(409, "in_use");
    assert_eq!(taken.pointers(), ["/groups/0"]);
    let again = api.post("/api/v1/sync-groups", &edge(&["web", "db"])).await;
    assert_eq!(again.refused_as(409, "name_taken").pointers(), ["/name"]);
    api.delete(EDGE).await.is(204);
    api.delete("/api/v1/groups/db").await.is(204);
}

/// The groups `web` and `db` in `edge`, held by lb1 and reported by both, whose agents can do what these words say.
async fn synchronised(words: &[&str]) -> Pair {
    let mut pair = Pair::able(Server::start().await, words).await;
    let other = make_group(&pair.server, "db", 52, &["lb1", "lb2"]).await;
    pair.server.put(EDGE, edge(&["web", "db"])).await;
    let of_both = |reports: Vec<GroupReport>| -> Vec<GroupReport> {
        reports
            .into_iter()
            .flat_map(|report| [report.clone(), GroupReport { group_id: other, ..report }])
            .collect()
    };
    let (first, second) = (pair.stands(State::Active, None), pair.stands(State::Backup, Some(ADDRESSES[0])));
    pair.first.status(&pair.server, ADDRESSES[0], of_both(first)).await;
    pair.second.status(&pair.server, ADDRESSES[1], of_both(second)).await;
    pair
}

#[tokio::test]
async fn the_nodes_are_told_of_the_sync_group_and_of_the_checks_of_all_its_groups() {
    let mut pair = synchronised(&["checks", "sync_groups"]).await;
    pair.server.put("/api/v1/checks/nginx", check("nginx")).await;
    let web = written(&pair.server.get("/api/v1/groups/web").await);
    pair.server.put("/api/v1/groups/web", with(web, "track", json!([tracked("nginx", -30)]))).await;
    let told = pair.first.desired_where(|state: &DesiredState| !state.checks.is_empty()).await;
    assert!(told.is_intact());
    for group in &told.groups {
        assert_eq!(
            group.sync_group.as_ref().map(ToString::to_string).as_deref(),
            Some("edge"),
            "{}",
            group.name
        );
        assert_eq!(json!(group.track), json!([tracked("nginx", -30)]), "{}", group.name);
    }

    let mut unaware = synchronised(&["checks"]).await;
    let told = unaware.first.desired_where(|state: &DesiredState| state.groups.len() == 2).await;
    assert!(told.is_intact() && told.groups.iter().all(|group| group.sync_group.is_none()));
}

#[tokio::test]
async fn a_switchover_of_one_group_moves_all_and_is_taken_back_for_all() {
    let mut pair = synchronised(&["switchover", "assist", "drain", "sync_groups"]).await;
    for group in ["web", "db"] {
        let ready = |group: &Value| group["status"]["members"][1]["ready"] == true;
        eventually_shows(&pair.server, &format!("/api/v1/groups/{group}"), ready).await;
    }
    let path = "/api/v1/groups/web/switchovers";
    let asked = pair.server.request("POST", path).json(&json!({"to": "lb2"})).send().await.is(201);
    let boosts = loop {
        if let ServerMessage::Boosts { boosts } = pair.second.hear().await
            && !boosts.is_empty()
        {
            break boosts;
        }
    };
    assert_eq!(boosts.len(), 2, "one for each group, in one message");
    assert_eq!(boosts[0].priority, boosts[1].priority);
    let switchover = |group: Value| group["status"]["switchover"]["state"].clone();
    for group in ["web", "db"] {
        let shown = pair.server.get(&format!("/api/v1/groups/{group}")).await;
        assert_eq!(switchover(shown), "requested", "{group}");
    }

    let id = asked.body["id"].as_str().unwrap();
    pair.server.request("DELETE", &format!("{path}/{id}")).send().await.is(200);
    for group in ["web", "db"] {
        assert_eq!(
            switchover(pair.server.get(&format!("/api/v1/groups/{group}")).await),
            Value::Null,
            "{group}"
        );
    }
}
