//! Transitions over the agent channel: acknowledged, recorded once, never changed.

use api_types::channel::Acknowledged;
use api_types::transition::State;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::Agent;
use crate::failovers::report;
use crate::listening::{Server, make_group};

#[tokio::test]
async fn transitions_are_acknowledged_up_to_the_first_gap_and_recorded_once() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let group = make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    channel.desired().await;
    let transition = |sequence: u64| {
        let states = [State::Initialize, State::Backup];
        let at = usize::try_from(sequence % 2).unwrap();
        report(&agent, &server, group, sequence, (states[1 - at], states[at]))
    };
    let ack = |sequence| Acknowledged { boot_id: agent.boot, sequence };
    assert_eq!(channel.report(&[transition(1), transition(2)]).await, ack(2));
    assert_eq!(channel.report(&[transition(4), transition(5)]).await, ack(2), "3 is missing");
    assert_eq!(channel.report(&[transition(1), transition(2)]).await, ack(2), "sent twice");
    assert_eq!(channel.report(&[transition(3)]).await, ack(5), "the gap is filled");

    let stored = server.get("/api/v1/transitions?group=web").await;
    let mut sequences: Vec<_> =
        stored["items"].as_array().unwrap().iter().map(|item| item["sequence"].as_u64().unwrap()).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    let log = server.audit().await;
    let audited = log.iter().filter(|event| event["action"] == "transition");
    assert_eq!(audited.count(), 5);

    channel.drop_dead();
    let channel = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(channel.welcome.unwrap().acknowledged, [ack(5)]);
}

#[tokio::test]
async fn a_transition_that_contradicts_a_recorded_one_is_kept_apart() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let group = make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let first = report(&agent, &server, group, 1, (State::Initialize, State::Backup));
    let mut other = first.clone();
    other.to = State::Fault;
    let ack = Acknowledged { boot_id: agent.boot, sequence: 1 };
    assert_eq!(channel.report(std::slice::from_ref(&first)).await, ack);
    for _ in 0..2 {
        assert_eq!(channel.report(std::slice::from_ref(&other)).await, ack);
    }
    let stored = server.get("/api/v1/transitions").await;
    assert_eq!(stored["items"].as_array().unwrap().len(), 1);
    assert_eq!(stored["items"][0]["to"], "backup");
    let log = server.audit().await;
    let refused: Vec<_> =
        log.iter().filter(|event| event["action"] == "transition" && event["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "once, however often it is sent");
    assert_eq!(
        (&refused[0]["before"]["to"], &refused[0]["after"]["to"]),
        (&json!("backup"), &json!("fault"))
    );
}

#[tokio::test]
async fn what_happened_is_listed_by_the_time_of_its_record_whatever_the_clock_did() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let group = make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let states = [(State::Initialize, State::Backup), (State::Backup, State::Initialize)];
    for (sequence, moved_ms) in [(1, 0), (2, 0), (3, -10_000), (4, 15_000), (5, 0)] {
        server.advance(TimeDelta::milliseconds(moved_ms));
        let states = states[usize::try_from((sequence + 1) % 2).unwrap()];
        channel.report(&[report(&agent, &server, group, sequence, states)]).await;
    }
    for (list, limit, count) in [("transitions", 1, 5), ("transitions", 2, 5), ("audit-events", 2, 9)] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("/api/v1/{list}?limit={limit}{cursor}")).await;
            found.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let place =
            |item: &Value| (item["recorded_at"].to_string(), item["sequence"].as_u64(), item["id"].as_i64());
        let places: Vec<_> = found.iter().map(place).collect();
        assert!(places.is_sorted_by(|newer, older| newer > older), "{list}: {places:?}");
        assert!(places.len() >= count, "{list}: {places:?}");
    }
    let page = server.get("/api/v1/transitions").await;
    let items = page["items"].as_array().unwrap();
    let sequences: Vec<_> = items.iter().map(|item| item["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [5, 4, 2, 1, 3]);
}

#[tokio::test]
async fn transitions_of_a_group_that_is_gone_are_recorded() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let record = report(&agent, &server, Uuid::new_v4(), 1, (State::Active, State::Initialize));
    assert_eq!(channel.report(&[record]).await.sequence, 1);
}
