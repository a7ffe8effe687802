//! Priorities: given where none are written, the same each time, and doubted where two holders may follow.

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use crate::intent::{external_member, group, node_member, with};

const WEB: &str = "/api/v1/groups/web";

/// A member without a priority.
fn unranked(node: &str) -> Value {
    json!({"kind": "node", "node": node, "interface": "eth0"})
}

fn of(members: &[Value]) -> Value {
    with(group("web"), "members", json!(members))
}

fn priorities(answer: &Answer) -> Vec<u64> {
    let members = answer.body["members"].as_array().unwrap();
    members.iter().map(|member| member["priority"].as_u64().unwrap()).collect()
}

async fn app_with_six_nodes() -> TestApp {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    for name in ["lb3", "lb4", "lb5", "lb6"] {
        api.post("/api/v1/nodes", &json!({"name": name})).await.is(201);
    }
    api
}

#[tokio::test]
async fn priorities_that_are_left_out_are_given_and_writing_them_again_changes_nothing() {
    let api = app_with_six_nodes().await;
    let body = of(&[unranked("lb1"), external_member("old", "192.0.2.4", 236), unranked("lb2")]);
    let created = api.post("/api/v1/groups", &body).await.is(201);
    assert_eq!(priorities(&created), [228, 236, 220], "8 apart from what is written, too");

    let before = api.everything().await;
    let mut answered = group("web");
    answered["members"] = created.body["members"].clone();
    for same in [&body, &answered] {
        let again = api.put(WEB, same).await.is(200);
        assert_eq!((again.etag(), &again.body), ("\"1\"", &created.body));
    }
    assert_eq!(api.everything().await, before, "no revision, no audit entry");

    let longer =
        of(&[unranked("lb1"), external_member("old", "192.0.2.4", 236), unranked("lb2"), unranked("lb3")]);
    let longer = api.put(WEB, &longer).await.is(200);
    assert_eq!(priorities(&longer), [228, 236, 220, 212], "the others keep theirs");
    let written = of(&[unranked("lb1"), node_member("lb2", "eth0", 100)]);
    assert_eq!(priorities(&api.put(WEB, &written).await.is(200)), [240, 100], "what is written counts");
    let put_to_another = api.put(WEB, &of(&[unranked("lb2"), unranked("lb1")])).await.is(200);
    assert_eq!(priorities(&put_to_another), [240, 232], "the order of the members counts");
}

#[tokio::test]
async fn an_interval_without_room_for_the_members_is_refused_and_said_what_has_some() {
    let api = app_with_six_nodes().await;
    let all: Vec<_> = (1..=6).map(|number| unranked(&format!("lb{number}"))).collect();
    let at =
        |interval: u32, count: usize| with(of(&all[..count]), "advertisement_interval_ms", json!(interval));
    assert_eq!(priorities(&api.put(WEB, &at(10, 4)).await.is(201)), [240, 163, 86, 9]);
    let refused = api.put(WEB, &at(10, 5)).await.refused_as(422, "invalid");
    assert_eq!(refused.pointers(), ["/advertisement_interval_ms"]);
    assert!(refused.said().contains("there is room for 4, 77 points apart: allowed are at least 20 ms"));
    assert_eq!(priorities(&api.put(WEB, &at(20, 6)).await.is(200)), [240, 201, 162, 123, 84, 45]);

    let mut external = external_member("old", "192.0.2.4", 1);
    external.as_object_mut().unwrap().remove("priority");
    let refused = api.put(WEB, &of(&[unranked("lb1"), external])).await.refused_as(422, "invalid");
    assert_eq!(refused.pointers(), ["/members/1/priority"]);
    let nothing = with(unranked("lb1"), "priority", Value::Null);
    assert_eq!(
        api.put(WEB, &of(&[nothing])).await.refused_as(422, "invalid").pointers(),
        ["/members/0/priority"]
    );
}

#[tokio::test]
async fn the_answer_to_a_write_doubts_priorities_that_may_elect_two() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let doubts = async |interval: u32, one: u16, other: u16| {
        let members = [node_member("lb1", "eth0", one), external_member("old", "192.0.2.4", other)];
        let body = with(of(&members), "advertisement_interval_ms", json!(interval));
        let answer = api.call("PUT", WEB, &[], Some(&body)).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        let conditions = answer.body["status"]["conditions"].as_array().unwrap().clone();
        conditions
            .into_iter()
            .filter(|condition| condition["kind"] != "interface_unverified")
            .collect::<Vec<_>>()
    };
    assert_eq!(doubts(100, 240, 232).await, [] as [Value; 0]);
    let found = doubts(100, 240, 233).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["kind"], "priorities_too_close");
    assert_eq!(
        found[0]["detail"],
        "as backups, lb1 (240) and old (233) may take over at the same time: at 100 ms, priorities at least 8 \
         apart keep them from it"
    );
    let found = doubts(10, 253, 252).await;
    let kinds: Vec<_> = found.iter().map(|condition| condition["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["priorities_too_close", "priority_reserved"]);
    assert!(found[1]["detail"].as_str().unwrap().ends_with("use at most 249 for lb1 (253)"));
    assert_eq!(doubts(1_000, 249, 248).await, [] as [Value; 0]);
}
