//! Switchovers: who is told to take over, and what becomes of it.

use std::time::{Duration, Instant};

use api_types::boost::Boost;
use api_types::channel::ServerMessage;
use api_types::transition::{State, TransitionReason, TransitionRecord};
use chrono::TimeDelta;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel, KNOWING_ALL};
use crate::failovers::{having_heard, report};
use crate::harness::Answer;
use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::Pair;

const SWITCHOVERS: &str = "/api/v1/groups/web/switchovers";

impl Pair {
    /// The group `web`, held by lb1, with lb2 ready to take over.
    pub(crate) async fn start() -> Self {
        Self::of(Server::start().await).await
    }

    pub(crate) async fn of(server: Server) -> Self {
        let mut pair = Self::able(server, &KNOWING_ALL).await;
        pair.first_says(State::Active, None).await;
        pair.second_says(State::Backup, Some("192.0.2.1")).await;
        let ready = |group: &Value| group["status"]["members"][1]["ready"] == true;
        eventually_shows(&pair.server, "/api/v1/groups/web", ready).await;
        pair
    }

    async fn ask(&self, to: &str) -> Answer {
        self.server.request("POST", SWITCHOVERS).json(&json!({"to": to})).send().await
    }

    async fn switch(&self, to: &str) -> Value {
        let answer = self.ask(to).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.body["id"].as_str().unwrap();
        assert_eq!(
            answer.header("location"),
            Some(format!("/api/v1/groups/{}/switchovers/{id}", self.group).as_str())
        );
        answer.body
    }

    /// The switchover, once it is in this state.
    async fn becomes(&self, switchover: &Value, state: &str) -> Value {
        let path = format!("{SWITCHOVERS}/{}", switchover["id"].as_str().unwrap());
        eventually_shows(&self.server, &path, |switchover| switchover["state"] == state).await
    }

    /// lb2 takes over, and both say so.
    async fn second_takes_over(&mut self) {
        self.server.advance(TimeDelta::milliseconds(20));
        self.second_says(State::Active, None).await;
        self.first_says(State::Backup, Some("192.0.2.2")).await;
        let held = |group: &Value| group["status"]["active"] == json!(["lb2"]);
        eventually_shows(&self.server, "/api/v1/groups/web", held).await;
    }
}

/// The boosts that an agent is told next.
async fn boosts(channel: &mut Channel) -> Vec<Boost> {
    loop {
        match channel.hear().await {
            ServerMessage::Boosts { boosts } => return boosts,
            ServerMessage::DesiredState(_) | ServerMessage::Ack(_) => {}
            other @ (ServerMessage::Welcome(_) | ServerMessage::Assist(_) | ServerMessage::FastStart(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

async fn actions(server: &Server) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let log = server.audit().await.into_iter().rev();
    let about = log.filter(|event| text(event, "action").starts_with("switchover."));
    about.map(|event| (text(&event, "action"), text(&event["actor"], "kind"))).collect()
}

fn done(actions: &[(&str, &str)]) -> Vec<(String, String)> {
    actions.iter().map(|(action, kind)| ((*action).to_owned(), (*kind).to_owned())).collect()
}

#[tokio::test]
async fn the_target_is_told_at_once_and_keeps_the_addresses_until_that_is_taken_back() {
    let mut pair = Pair::start().await;
    assert_eq!(boosts(&mut pair.second).await, [], "a session begins by saying that there is none");
    let asked = Instant::now();
    let switchover = pair.switch("lb2").await;
    let told = boosts(&mut pair.second).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let [boost] = told[..] else { panic!("{told:?}") };
    assert_eq!((boost.group_id, boost.boot_id, boost.sequence), (pair.group, pair.two.boot, 1));
    assert_eq!((json!(boost.switchover_id), boost.priority.get().get()), (switchover["id"].clone(), 251));
    assert_eq!((&switchover["from"], &switchover["to"]), (&json!("lb1"), &json!("lb2")));
    assert_eq!((&switchover["state"], &switchover["actor"]["kind"]), (&json!("requested"), &json!("token")));

    pair.second_takes_over().await;
    pair.becomes(&switchover, "active").await;
    let web = pair.server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), ["switchover_in_effect"]);
    assert_eq!(web["status"]["switchover"]["id"], switchover["id"]);
    assert_eq!(web["status"]["switchover"]["state"], "active");

    let path = format!("{SWITCHOVERS}/{}", switchover["id"].as_str().unwrap());
    for _ in 0..2 {
        let answer = pair.server.request("DELETE", &path).send().await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!("undone")), "{}", answer.text);
    }
    assert_eq!(boosts(&mut pair.second).await, []);
    let web = pair.server.get("/api/v1/groups/web").await;
    assert_eq!((&web["status"]["switchover"], conditions(&web)), (&Value::Null, vec![]));
    let list = pair.server.get(SWITCHOVERS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let wanted = done(&[("switchover.create", "token"), ("switchover.undo", "token")]);
    assert_eq!(actions(&pair.server).await, wanted);
}

#[tokio::test]
async fn the_record_has_the_gap_of_the_failover_that_it_was() {
    let mut pair = Pair::start().await;
    let (server, group) = (&pair.server, pair.group);
    let elected = report(&pair.one, server, group, 1, (State::Backup, State::Active));
    pair.first.report(&[elected]).await;
    server.advance(TimeDelta::seconds(60));
    let waits = report(&pair.two, server, group, 1, (State::Initialize, State::Backup));
    pair.second.report(&[waits]).await;
    pair.second_says(State::Backup, Some("192.0.2.1")).await;
    let since = json!(pair.server.now());
    eventually_shows(&pair.server, "/api/v1/groups/web", |group| {
        let two = &group["status"]["members"][1];
        two["ready"] == true && two["since"] == since
    })
    .await;

    let switchover = pair.switch("lb2").await;
    let server = &pair.server;
    server.advance(TimeDelta::milliseconds(20));
    let taken = TransitionRecord {
        reason: TransitionReason::Switchover,
        ..report(&pair.two, server, group, 2, (State::Backup, State::Active))
    };
    let taken_at = json!(taken.at);
    pair.second.report(&[having_heard(taken, "192.0.2.1", 240, 40)]).await;
    server.advance(TimeDelta::milliseconds(5));
    let mut yields = report(&pair.one, server, group, 2, (State::Active, State::Backup));
    yields.reason = TransitionReason::HigherPriorityHeard;
    pair.first.report(&[having_heard(yields, "192.0.2.2", 251, 0)]).await;
    server.advance(TimeDelta::seconds(1));
    let path = format!("{SWITCHOVERS}/{}", switchover["id"].as_str().unwrap());
    let record = eventually_shows(server, &path, |record| !record["failover"].is_null()).await;
    assert_eq!((&record["state"], &record["bound_at"]), (&json!("active"), &taken_at));
    assert_eq!((&record["gap_ms"], &record["gap_method"]), (&json!(0.0), &json!("release_to_announcement")));
    let failover = server.get(&format!("/api/v1/failovers/{}", record["failover"].as_str().unwrap())).await;
    assert_eq!((&failover["cause"], &failover["to"]), (&json!("switchover"), &json!("lb2")));
}

#[tokio::test]
async fn metrics_count_switchovers_by_what_became_of_them_and_say_how_long_the_last_one_took() {
    // All of this server runs on the thread of the test, and no other server counts there.
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counts = metrics::set_default_local_recorder(&recorder);
    let mut pair = Pair::start().await;
    let shows = |line: &str| {
        let shown = recorder.handle().render();
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    };
    let switchover = pair.switch("lb2").await;
    pair.server.advance(TimeDelta::milliseconds(230));
    pair.second_takes_over().await;
    pair.becomes(&switchover, "active").await;
    shows("baton_switchover_last_duration_seconds 0.25");
    let path = format!("{SWITCHOVERS}/{}", switchover["id"].as_str().unwrap());
    assert_eq!(pair.server.request("DELETE", &path).send().await.status, 200);
    for state in ["requested", "active", "undone"] {
        shows(&format!("baton_switchovers_total{{state=\"{state}\"}} 1"));
    }
    assert_eq!(recorder.handle().render().matches("baton_switchovers_total{").count(), 3);
}

#[tokio::test]
async fn a_target_that_does_not_take_over_is_told_to_let_it_be() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.second).await;
    let switchover = pair.switch("lb2").await;
    assert_eq!(boosts(&mut pair.second).await.len(), 1);
    pair.server.advance(TimeDelta::milliseconds(2_001));
    let record = pair.becomes(&switchover, "failed").await;
    assert_eq!(record["reason"], "lb2 did not take over within 2 s, and is backup");
    assert_eq!(boosts(&mut pair.second).await, []);
    let wanted = done(&[("switchover.create", "token"), ("switchover.fail", "server")]);
    assert_eq!(actions(&pair.server).await, wanted);
}

#[tokio::test]
async fn a_target_that_the_holder_does_not_yield_to_is_told_to_let_it_be() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.second).await;
    let switchover = pair.switch("lb2").await;
    assert_eq!(boosts(&mut pair.second).await.len(), 1);
    pair.server.advance(TimeDelta::milliseconds(20));
    pair.second_says(State::Active, None).await;
    let both = |group: &Value| group["status"]["members"][1]["state"] == "active";
    let web = eventually_shows(&pair.server, "/api/v1/groups/web", both).await;
    assert_eq!(web["status"]["switchover"]["state"], "requested", "lb1 has not said that it yields");
    pair.server.advance(TimeDelta::milliseconds(2_001));
    let record = pair.becomes(&switchover, "failed").await;
    let why = "lb2 holds the addresses, and after 2 s lb1 did not let go of them: does it hear lb2?";
    assert_eq!(record["reason"], why);
    assert_eq!(boosts(&mut pair.second).await, []);
}

#[tokio::test]
async fn a_switchover_ends_with_what_its_target_held_it_by() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.second).await;
    let lost = pair.switch("lb2").await;
    assert_eq!(boosts(&mut pair.second).await[0].sequence, 1);
    pair.second_takes_over().await;
    pair.becomes(&lost, "active").await;
    pair.server.advance(TimeDelta::seconds(5));
    pair.second_says(State::Backup, Some("192.0.2.1")).await;
    let record = pair.becomes(&lost, "ended").await;
    assert_eq!(record["reason"], "lb2 lost the addresses and is backup");
    assert_eq!(boosts(&mut pair.second).await, []);

    pair.first_says(State::Active, None).await;
    let held = |group: &Value| group["status"]["active"] == json!(["lb1"]);
    eventually_shows(&pair.server, "/api/v1/groups/web", held).await;
    let restarted = pair.switch("lb2").await;
    assert_eq!(boosts(&mut pair.second).await[0].sequence, 2, "it grows with each of the group");
    pair.second_takes_over().await;
    let Pair { server, two, first: _first, .. } = pair;
    let two = two.restarted();
    let mut again = two.connect_knowing_all(&server, "192.0.2.2").await;
    let path = format!("{SWITCHOVERS}/{}", restarted["id"].as_str().unwrap());
    let record = eventually_shows(&server, &path, |record| record["state"] == "ended").await;
    assert_eq!(record["reason"], "the agent of lb2 was started anew");
    assert_eq!(boosts(&mut again).await, [], "nobody holds by what an earlier boot was told");
}

#[tokio::test]
async fn a_later_switchover_takes_the_place_of_the_one_before() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.first).await;
    let there = pair.switch("lb2").await;
    pair.second_takes_over().await;
    let back = pair.switch("lb1").await;
    let [boost] = boosts(&mut pair.first).await[..] else { panic!("one boost") };
    assert_eq!((boost.sequence, boost.priority.get().get()), (2, 252));
    let record = pair.becomes(&there, "superseded").await;
    assert_eq!(record["reason"], "a later switchover moves the addresses to lb1");
    let list = pair.server.get(&format!("{SWITCHOVERS}?limit=1")).await;
    assert_eq!(list["items"][0]["id"], back["id"]);
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = pair.server.get(&format!("{SWITCHOVERS}?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&there["id"], &Value::Null));
}

#[tokio::test]
async fn a_switchover_outlives_its_server_and_any_server_tells_it() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.second).await;
    let another = pair.server.beside().await;
    let request = another.request("POST", SWITCHOVERS);
    let answer = request.json(&json!({"to": "lb2"})).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let told = boosts(&mut pair.second).await;
    assert_eq!(told.len(), 1, "asked of one server, told by another");
    pair.second_takes_over().await;
    pair.becomes(&answer.body, "active").await;

    pair.server.stop();
    let mut again = pair.two.connect_knowing_all(&another, "192.0.2.2").await;
    let told_again = boosts(&mut again).await;
    let record = another.get(SWITCHOVERS).await;
    assert_eq!(told_again, told, "a new session is told again: {record}");
    assert_eq!(another.get("/api/v1/groups/web").await["status"]["switchover"]["state"], "active");
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_changes_nothing() {
    let mut pair = Pair::start().await;
    boosts(&mut pair.second).await;
    for (to, status, code, why) in [
        ("lb3", 422, "invalid", "lb3 is no member of group web: allowed are its nodes (lb1, lb2)"),
        ("lb1", 409, "already_there", "lb1 holds the addresses of group web already"),
    ] {
        let answer = pair.ask(to).await;
        let problem = answer.problem(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        assert_eq!(answer.pointers(), ["/to"]);
    }
    pair.second_says(State::Backup, None).await;
    let not_ready = |group: &Value| group["status"]["members"][1]["ready"] == false;
    let web = eventually_shows(&pair.server, "/api/v1/groups/web", not_ready).await;
    assert_eq!(web["status"]["members"][1]["not_ready_because"], "lb2 does not hear lb1");
    let answer = pair.ask("lb2").await;
    let problem = answer.problem(409, "not_ready");
    assert_eq!(problem["detail"], "lb2 cannot take over group web now: it does not hear lb1");
    assert_eq!(pair.server.get(SWITCHOVERS).await["items"], json!([]));
    let log = pair.server.audit().await;
    let refused = log.iter().filter(|event| event["outcome"] == "refused").count();
    assert_eq!(refused, 3, "each is in the log");
    let nowhere = format!("{SWITCHOVERS}/{}", Uuid::from_u128(1));
    pair.server.request("DELETE", &nowhere).send().await.problem(404, "not_found");
}

#[tokio::test]
async fn an_agent_of_before_is_told_nothing_of_boosts() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let before = channel.desired().await.revision;
    make_group(&server, "web", 51, &["lb1"]).await;
    let after = channel.desired().await;
    assert!(after.revision > before, "nothing came between");
}
