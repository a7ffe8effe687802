//! Fast starts: told once, to the first member, as soon as the last one has said that it waits.

use api_types::channel::{DesiredState, GroupReport, MemberDetails, ServerMessage};
use api_types::fast_start::FastStart;
use api_types::transition::State;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel};
use crate::listening::{Server, eventually_shows, make_group};
use crate::pair::{ADDRESSES, two_agents};

/// lb1 and lb2, both connected, and no group yet.
struct Pair {
    server: Server,
    one: Agent,
    first: Channel,
    second: Channel,
}

impl Pair {
    async fn start() -> Self {
        let server = Server::start().await;
        let (one, two) = two_agents(&server).await;
        let first = connected(&one, &server, ADDRESSES[0]).await;
        let second = connected(&two, &server, ADDRESSES[1]).await;
        Self { server, one, first, second }
    }

    /// Both run what they shall by now and wait.
    async fn both_wait(&mut self, group: Uuid) {
        self.first_waits(group).await;
        self.second_is(State::Backup, group).await;
    }

    /// The first one runs what it shall by now, that group too, and waits.
    async fn first_waits(&mut self, group: Uuid) {
        let state = self.first.desired_where(|state| runs(state, group)).await;
        says(&mut self.first, &self.server, "192.0.2.1", &state, State::Backup).await;
    }

    /// The second one runs what it shall by now, that group too, and stands so in all of it.
    async fn second_is(&mut self, stands: State, group: Uuid) {
        let state = self.second.desired_where(|state| runs(state, group)).await;
        says(&mut self.second, &self.server, "192.0.2.2", &state, stands).await;
    }
}

async fn connected(agent: &Agent, server: &Server, address: &str) -> Channel {
    agent.connect_able(server, address, &["fast_start"]).await
}

fn runs(state: &DesiredState, group: Uuid) -> bool {
    state.groups.iter().any(|one| one.id == group)
}

/// The node runs this state, and its members are in that one.
async fn says(channel: &mut Channel, server: &Server, address: &str, runs: &DesiredState, state: State) {
    channel.applied(runs.revision, &runs.digest).await;
    stands(channel, server, address, runs, state).await;
}

async fn stands(channel: &mut Channel, server: &Server, address: &str, runs: &DesiredState, state: State) {
    let report = |group: &api_types::channel::DesiredGroup| GroupReport {
        group_id: group.id,
        state,
        since: server.now(),
        effective_priority: group.priority,
        active_source: None,
        addresses_present: Vec::new(),
        details: Some(MemberDetails::default()),
    };
    channel.status(server, address, runs.groups.iter().map(report).collect()).await;
}

/// The next fast start; whatever else is said before it is passed over.
async fn told(channel: &mut Channel) -> FastStart {
    loop {
        if let ServerMessage::FastStart(start) = channel.hear().await {
            return start;
        }
    }
}

/// What `first` is told about `group` and `last`, of which the last one is free to begin.
async fn told_until(channel: &mut Channel, last: Uuid) -> Vec<Uuid> {
    let mut groups = Vec::new();
    while groups.last() != Some(&last) {
        groups.push(told(channel).await.group_id);
    }
    groups
}

fn member(node: &str, priority: u8) -> Value {
    json!({"kind": "node", "node": node, "interface": "eth0", "priority": priority})
}

#[tokio::test]
async fn the_first_member_is_told_once_when_the_last_one_waits() {
    let mut pair = Pair::start().await;
    let web = make_group(&pair.server, "web", 51, &["lb1", "lb2"]).await;
    pair.both_wait(web).await;
    let start = told(&mut pair.first).await;
    assert_eq!((start.group_id, start.generation), (web, 1));
    assert_eq!((start.boot_id, start.valid_ms), (pair.one.boot, 1_000));

    // Said again, and in a new session: nothing. The next group is a new matter, and an edit is a new
    // generation.
    let db = make_group(&pair.server, "db", 52, &["lb1", "lb2"]).await;
    pair.first = connected(&pair.one, &pair.server, "192.0.2.1").await;
    pair.both_wait(db).await;
    assert_eq!(told(&mut pair.first).await.group_id, db);
    let edited = json!({"name": "db", "segment": "lan", "vrid": 52, "virtual_addresses": ["192.0.2.152/24"],
                        "members": [member("lb1", 240), member("lb2", 200)]});
    pair.server.put("/api/v1/groups/db", edited).await;
    for (channel, address) in [(&mut pair.first, "192.0.2.1"), (&mut pair.second, "192.0.2.2")] {
        let is_edited = |state: &DesiredState| state.groups.iter().any(|group| group.generation == 2);
        let state = channel.desired_where(is_edited).await;
        says(channel, &pair.server, address, &state, State::Backup).await;
    }
    let start = told(&mut pair.first).await;
    assert_eq!((start.group_id, start.generation), (db, 2));
}

#[tokio::test]
async fn nobody_is_told_of_a_group_with_a_member_that_holds_is_not_there_or_has_no_agent() {
    let mut pair = Pair::start().await;
    let _three = Agent::enrol(&pair.server, "lb3").await;
    let absent = make_group(&pair.server, "absent", 53, &["lb1", "lb3"]).await;
    let beside = pair.server.put(
        "/api/v1/groups/beside",
        json!({"name": "beside", "segment": "lan", "vrid": 54, "virtual_addresses": ["192.0.2.154/24"],
               "members": [
            {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 200},
            {"kind": "external", "name": "fw", "address": "192.0.2.9", "priority": 100},
        ]}),
    );
    let beside: Uuid = beside.await["id"].as_str().unwrap().parse().unwrap();
    let held = make_group(&pair.server, "held", 55, &["lb1", "lb2"]).await;
    let all = [absent, beside, held];
    let state = pair.first.desired_where(|state| all.iter().all(|group| runs(state, *group))).await;
    says(&mut pair.first, &pair.server, "192.0.2.1", &state, State::Backup).await;
    pair.second_is(State::Active, held).await;
    let holds = |group: &Value| group["status"]["active"] == json!(["lb2"]);
    eventually_shows(&pair.server, "/api/v1/groups/held", holds).await;

    let free = make_group(&pair.server, "free", 56, &["lb1"]).await;
    pair.first_waits(free).await;
    assert_eq!(told_until(&mut pair.first, free).await, [free]);
}

#[tokio::test]
async fn what_is_not_confirmed_or_was_new_long_ago_is_not_told() {
    let mut pair = Pair::start().await;
    let web = make_group(&pair.server, "web", 51, &["lb1", "lb2"]).await;
    pair.first_waits(web).await;
    let state_of_two = pair.second.desired_where(|state| runs(state, web)).await;
    // It has not said that it runs it.
    stands(&mut pair.second, &pair.server, "192.0.2.2", &state_of_two, State::Backup).await;
    let waits = |group: &Value| group["status"]["members"][1]["state"] == "backup";
    eventually_shows(&pair.server, "/api/v1/groups/web", waits).await;
    let free = make_group(&pair.server, "free", 56, &["lb1"]).await;
    pair.first_waits(free).await;
    assert_eq!(told_until(&mut pair.first, free).await, [free]);

    pair.server.advance(TimeDelta::seconds(11));
    says(&mut pair.second, &pair.server, "192.0.2.2", &state_of_two, State::Backup).await;
    let runs_it = |node: &Value| node["status"]["applied_revision"] == node["status"]["desired_revision"];
    eventually_shows(&pair.server, "/api/v1/nodes/lb2", runs_it).await;
    let last = make_group(&pair.server, "last", 57, &["lb1"]).await;
    pair.first_waits(last).await;
    assert_eq!(told_until(&mut pair.first, last).await, [last]);
}

#[tokio::test]
async fn a_member_with_another_server_is_told_by_that_one() {
    let mut pair = Pair::start().await;
    let another = pair.server.beside().await;
    let mut first = connected(&pair.one, &another, "192.0.2.1").await;
    let web = make_group(&pair.server, "web", 51, &["lb1", "lb2"]).await;
    let state = first.desired_where(|state| runs(state, web)).await;
    says(&mut first, &another, "192.0.2.1", &state, State::Backup).await;
    pair.second_is(State::Backup, web).await;
    assert_eq!(told(&mut first).await.group_id, web);
}
