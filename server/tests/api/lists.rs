//! Lists: page by page, in a fixed order, and what is no page of them.

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use crate::intent::{check, external_member, group, node_member, segment, with};

const LISTS: [&str; 7] =
    ["segments", "nodes", "groups", "checks", "failovers", "transitions", "audit-events"];

fn names(page: &Answer) -> Vec<String> {
    let items = page.body["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

/// Follows the cursors of a list from its first page to its last.
async fn walk(api: &TestApp, kind: &str, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = format!("/api/v1/{kind}?limit={limit}");
    loop {
        let page = api.get(&path).await.is(200);
        pages.push(names(&page));
        let Some(cursor) = page.body["next_cursor"].as_str() else { return pages };
        path = format!("/api/v1/{kind}?limit={limit}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_list_is_walked_in_pages_in_the_order_of_creation() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    for number in 1..=5_u8 {
        let name = format!("x{}", 9 - number);
        api.post("/api/v1/segments", &segment(&name, &["10.0.0.0/8"])).await.is(201);
        api.post("/api/v1/nodes", &json!({"name": name})).await.is(201);
        api.post("/api/v1/checks", &check(&name)).await.is(201);
        let address = json!([format!("192.0.2.{number}/24")]);
        let body = with(with(group(&name), "vrid", json!(number)), "virtual_addresses", address);
        api.post("/api/v1/groups", &body).await.is(201);
    }
    let created = ["x8", "x7", "x6", "x5", "x4"];
    assert_eq!(walk(&api, "groups", 2).await, [vec!["x8", "x7"], vec!["x6", "x5"], vec!["x4"]]);
    assert_eq!(walk(&api, "groups", 5).await, [created.to_vec()], "no empty page behind a full one");
    assert_eq!(walk(&api, "segments", 500).await.concat(), [&["frontend"], &created[..]].concat());
    assert_eq!(walk(&api, "checks", 4).await, [vec!["x8", "x7", "x6", "x5"], vec!["x4"]]);
    assert_eq!(walk(&api, "nodes", 3).await.concat(), [&["lb1", "lb2"], &created[..]].concat());
}

#[tokio::test]
async fn a_group_in_a_list_is_the_group_itself() {
    let api = TestApp::with_a_group().await;
    let listed = api.get("/api/v1/groups").await.is(200).body["items"][0].clone();
    assert_eq!(listed, api.get("/api/v1/groups/web").await.body);
}

#[tokio::test]
async fn what_happened_is_listed_newest_first_and_by_group_and_node() {
    let api = TestApp::with_a_group().await;
    let first = api.get("/api/v1/audit-events?limit=2").await.is(200).body;
    let ids = |page: &Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
    };
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/api/v1/audit-events?limit=2&cursor={cursor}")).await.is(200).body;
    let together = [ids(&first), ids(&second)].concat();
    assert!(together.is_sorted_by(|newer, older| newer > older), "{together:?}");
    assert_eq!(first["items"][0]["action"], "group.create");

    let of_web = api.get("/api/v1/audit-events?group=web").await.is(200).body;
    assert_eq!(of_web["items"].as_array().unwrap().len(), 1);
    let of_lb1 = api.get("/api/v1/audit-events?node=lb1").await.is(200).body;
    assert_eq!(
        (&of_lb1["items"][0]["action"], of_lb1["items"].as_array().unwrap().len()),
        (&json!("node.create"), 1)
    );
    let nothing = json!({"items": [], "next_cursor": null});
    for path in
        ["failovers?group=web&node=lb1", "transitions?group=web&node=lb1", "audit-events?group=web&node=lb1"]
    {
        assert_eq!(api.get(&format!("/api/v1/{path}")).await.is(200).body, nothing, "{path}");
    }
}

#[tokio::test]
async fn a_filter_by_a_name_that_nothing_ever_had_is_not_found() {
    let api = TestApp::with_a_group().await;
    let members =
        json!([external_member("old-keepalived", "192.0.2.4", 100), node_member("lb1", "eth0", 240)]);
    api.put("/api/v1/groups/web", with(group("web"), "members", members)).await.is(200);
    for list in ["failovers", "transitions", "audit-events"] {
        for (query, wanted) in [
            ("group=wbe", vec!["?group"]),
            ("node=lb9", vec!["?node"]),
            ("group=web&node=lb9", vec!["?node"]),
            ("group=lb1&node=web", vec!["?group", "?node"]),
        ] {
            let answer = api.get(&format!("/api/v1/{list}?{query}")).await;
            assert_eq!(answer.refused_as(404, "not_found").pointers(), wanted, "{list}?{query}");
        }
        api.get(&format!("/api/v1/{list}?node=old-keepalived")).await.is(200);
    }
    api.delete("/api/v1/groups/web").await.is(204);
    api.delete("/api/v1/nodes/lb1").await.is(204);
    for list in ["failovers", "transitions", "audit-events"] {
        for query in ["group=web", "node=lb1", "group=web&node=lb1"] {
            api.get(&format!("/api/v1/{list}?{query}")).await.is(200);
        }
    }
}

#[tokio::test]
async fn what_is_no_page_of_a_list_is_refused() {
    let api = TestApp::with_one_of_each().await;
    let uuid = "018f4e6e-7c1a-7000-8000-000000000000";
    for list in LISTS {
        for (query, wanted) in [
            ("limit=0", vec!["?limit"]),
            ("limit=501", vec!["?limit"]),
            ("limit=ten", vec!["?limit"]),
            ("cursor=nonsense", vec!["?cursor"]),
            ("limit=1&limit=2", vec!["?limit"]),
            ("offset=3", vec!["?offset"]),
            ("limit=0&colour=blue", vec!["?limit", "?colour"]),
        ] {
            let refused = api.get(&format!("/api/v1/{list}?{query}")).await;
            let refused = refused.refused_as(400, "invalid_query");
            assert_eq!(refused.pointers(), wanted, "{list}?{query}");
            let is_plain = !query.starts_with("limit=ten") || refused.said().contains("1 to 500");
            assert!(is_plain, "{}", refused.said());
        }
    }
    for history in ["failovers", "transitions", "audit-events"] {
        let refused = api.get(&format!("/api/v1/{history}?group=Not%20A%20Name")).await;
        assert_eq!(refused.refused_as(400, "invalid_query").pointers(), ["?group"]);
    }
    for path in ["segments/frontend", "nodes/lb1", "groups/web", "checks/nginx"] {
        let refused = api.get(&format!("/api/v1/{path}?verbose=1")).await;
        assert_eq!(refused.refused_as(400, "invalid_query").pointers(), ["?verbose"]);
        let refused = api.delete(&format!("/api/v1/{path}?force=1")).await;
        refused.refused_as(400, "invalid_query");
    }
    for path in [
        format!("failovers/{uuid}"),
        format!("transitions/{uuid}"),
        "audit-events/9000000".to_owned(),
        "failovers/web".to_owned(),
        "audit-events/first".to_owned(),
    ] {
        api.get(&format!("/api/v1/{path}")).await.refused_as(404, "not_found");
    }
}

#[tokio::test]
async fn a_method_that_a_resource_does_not_have_is_answered_with_those_it_has() {
    let api = TestApp::with_a_group().await;
    for kind in ["segments/frontend", "nodes/lb1", "groups/web", "checks/nginx"] {
        let answer = api.call("PATCH", &format!("/api/v1/{kind}"), &[], Some(&json!({}))).await;
        let answer = answer.refused_as(405, "method_not_allowed");
        let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"], "{kind}");
    }
    for list in ["failovers", "transitions", "audit-events"] {
        let answer = api.post(&format!("/api/v1/{list}"), &json!({})).await;
        let answer = answer.refused_as(405, "method_not_allowed");
        assert!(
            answer.header("allow").unwrap().contains("GET")
                && !answer.header("allow").unwrap().contains("POST")
        );
    }
}

#[tokio::test]
async fn a_filtered_history_is_planned_for_its_filters_and_all_else_once_per_connection() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    for kind in ["failovers", "transitions", "audit-events"] {
        api.get(&format!("/api/v1/{kind}?node=lb1")).await.is(200);
    }
    let db = &api.app.db;
    let mut connections = Vec::new();
    for _ in 0..db.size() {
        connections.push(db.acquire().await.unwrap());
    }
    let (mut of_histories, mut of_others) = ((0, 0), 0);
    for connection in &mut connections {
        let planned: Vec<(bool, i64, i64)> = sqlx::query_as(
            "SELECT statement LIKE '%(recorded_at, id) <%', generic_plans, custom_plans
             FROM pg_prepared_statements
             WHERE statement LIKE '%$1%' AND statement NOT LIKE '%pg_prepared_statements%'",
        )
        .fetch_all(&mut **connection)
        .await
        .unwrap();
        for (is_history, generic, custom) in planned {
            if is_history {
                of_histories = (of_histories.0 + generic, of_histories.1 + custom);
            } else {
                of_others += generic;
            }
        }
    }
    assert_eq!(of_histories, (0, 3), "without and with values");
    assert!(of_others > 0);
}
