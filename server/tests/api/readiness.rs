//! Who could take over now, and the loss of redundancy while no address moves.

use std::time::Duration;

use api_types::channel::{AgentMessage, AgentStatus};
use api_types::node::Interface;
use api_types::transition::State;
use baton_server::agents::Limits;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::agent::eth0;
use crate::harness::TestApp;
use crate::listening::{Server, conditions, eventually_shows};
use crate::pair::Pair;

const WEB: &str = "/api/v1/groups/web";

/// The group, once it says that lb2 could not take over for this reason.
async fn shows_why(server: &Server, reason: &str) -> Value {
    let wanted = json!({"ready": [], "unknown": [], "not_ready": [{"member": "lb2", "reason": reason}]});
    let web = eventually_shows(server, WEB, |group| group["status"]["standby"] == wanted).await;
    assert_eq!(web["status"]["members"][1]["not_ready_because"], format!("lb2 {reason}"));
    assert_eq!(web["status"]["active"], json!(["lb1"]), "nothing has moved");
    web
}

/// Waits until the group has lost its redundancy for this reason.
async fn has_lost(server: &Server, reason: &str) {
    let web = eventually_shows(server, WEB, |group| conditions(group).contains(&"redundancy_lost")).await;
    let lost = web["status"]["conditions"].as_array().unwrap().iter();
    let lost = lost.map(|one| one["detail"].as_str().unwrap()).find(|one| one.starts_with("nobody could"));
    assert_eq!(lost, Some(format!("nobody could take over from lb1: lb2 {reason}").as_str()));
}

/// The phases of the redundancy, as the events say.
async fn told(server: &Server) -> Vec<String> {
    let told = sqlx::query_scalar("SELECT phase FROM events WHERE kind = 'redundancy_lost' ORDER BY id");
    told.fetch_all(server.db()).await.unwrap()
}

async fn second_links(pair: &mut Pair, interfaces: Vec<Interface>) {
    let groups = pair.stands(State::Backup, Some("192.0.2.1"));
    let (at, interface_counters, fences, timing) = (pair.server.now(), None, None, None);
    let status = AgentStatus { at, interfaces, groups, interface_counters, fences, timing };
    pair.second.say(AgentMessage::Status(status)).await;
}

#[tokio::test]
async fn a_group_names_who_could_take_over_and_has_no_condition() {
    let pair = Pair::start().await;
    let web = pair.server.get(WEB).await;
    assert_eq!(web["status"]["standby"], json!({"ready": ["lb2"], "unknown": [], "not_ready": []}));
    assert_eq!(conditions(&web), Vec::<&str>::new());
    assert_eq!(told(&pair.server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_group_explains_who_holds_and_who_is_next() {
    let pair = Pair::start().await;
    let said = pair.server.get("/api/v1/groups/web/explanation").await;
    assert_eq!(
        (&said["group"], &said["holder"], &said["next"]),
        (&json!("web"), &json!("lb1"), &json!("lb2"))
    );
    let sentences = said["sentences"].as_array().unwrap();
    assert!(sentences.last().unwrap().as_str().unwrap().starts_with("If lb1 fails, lb2"), "{said}");
    pair.server.request("GET", "/api/v1/groups/none/explanation").send().await.problem(404, "not_found");
}

#[tokio::test]
async fn an_agent_that_is_away_for_longer_than_a_restart_takes_the_redundancy_along() {
    let pair = Pair::start().await;
    let Pair { server, two, second, first: _first, .. } = pair;
    second.drop_dead();
    let away = "has no session with a server";
    assert_eq!(conditions(&shows_why(&server, away).await), Vec::<&str>::new(), "it may be a restart");
    server.advance(TimeDelta::milliseconds(1_000));
    has_lost(&server, away).await;
    let _second = two.connect_knowing_all(&server, "192.0.2.2").await;
    eventually_shows(&server, WEB, |group| conditions(group).is_empty()).await;
    assert_eq!(told(&server).await, ["began", "ended"]);
}

#[tokio::test]
async fn an_agent_that_restarts_within_a_second_takes_nothing_along() {
    let pair = Pair::start().await;
    let Pair { server, group, one, two, first, second } = pair;
    second.drop_dead();
    shows_why(&server, "has no session with a server").await;
    server.advance(TimeDelta::milliseconds(900));
    let two = two.restarted();
    let second = two.connect_knowing_all(&server, "192.0.2.2").await;
    let mut pair = Pair { server, group, one, two, first, second };
    pair.second_says(State::Initialize, None).await;
    shows_why(&pair.server, "takes no part yet").await;
    pair.server.advance(TimeDelta::milliseconds(900));
    pair.second_says(State::Backup, None).await;
    shows_why(&pair.server, "does not hear lb1").await;
    pair.server.advance(TimeDelta::milliseconds(1_100));
    pair.second_says(State::Backup, Some("192.0.2.1")).await;
    let ready = |group: &Value| group["status"]["standby"]["ready"] == json!(["lb2"]);
    eventually_shows(&pair.server, WEB, ready).await;
    pair.server.advance(TimeDelta::seconds(20));
    // What was due has begun once what is due now has.
    pair.second_says(State::Fault, None).await;
    pair.server.advance(TimeDelta::seconds(1));
    shows_why(&pair.server, "is in fault").await;
    pair.server.advance(TimeDelta::seconds(1));
    has_lost(&pair.server, "is in fault").await;
    assert_eq!(told(&pair.server).await, ["began"], "the restart raised nothing");
}

#[tokio::test]
async fn each_cause_takes_the_redundancy_and_its_end_brings_it_back() {
    let mut pair = Pair::start().await;
    let down = Interface { up: false, carrier: false, ..eth0("192.0.2.2") };
    let dark = Interface { carrier: false, ..eth0("192.0.2.2") };
    let other = Interface { name: "eth9".into(), ..eth0("192.0.2.2") };
    let links = [
        (vec![down], "has its interface eth0 down"),
        (vec![dark], "has no carrier on eth0"),
        (vec![other], "has no interface eth0"),
    ];
    for (interfaces, reason) in links {
        second_links(&mut pair, interfaces).await;
        shows_why(&pair.server, reason).await;
        pair.server.advance(TimeDelta::milliseconds(1_000));
        has_lost(&pair.server, reason).await;
        second_links(&mut pair, vec![eth0("192.0.2.2")]).await;
        eventually_shows(&pair.server, WEB, |group| conditions(group).is_empty()).await;
    }

    for (state, source, reason) in [
        (State::Fault, None, "is in fault"),
        (State::Backup, Some("192.0.2.77"), "does not hear lb1"),
        (State::Backup, None, "does not hear lb1"),
    ] {
        pair.second_says(state, source).await;
        shows_why(&pair.server, reason).await;
        pair.server.advance(TimeDelta::milliseconds(1_200));
        has_lost(&pair.server, reason).await;
        pair.second_says(State::Backup, Some("192.0.2.1")).await;
        eventually_shows(&pair.server, WEB, |group| conditions(group).is_empty()).await;
    }

    pair.server.put("/api/v1/nodes/lb2/drain?force=true", json!({})).await;
    shows_why(&pair.server, "is drained").await;
    has_lost(&pair.server, "is drained").await;
    pair.server.delete("/api/v1/nodes/lb2/drain").await;
    eventually_shows(&pair.server, WEB, |group| conditions(group).is_empty()).await;
    assert_eq!(told(&pair.server).await, ["began", "ended"].repeat(7));
}

#[tokio::test]
async fn a_standby_that_holds_since_it_is_deaf_is_none() {
    let mut pair = Pair::start().await;
    pair.server.advance(TimeDelta::seconds(1));
    let mut groups = pair.stands(State::Active, None);
    groups[0].effective_priority = vrrp::Priority::new(200).unwrap();
    pair.second.status(&pair.server, "192.0.2.2", groups).await;
    // Nobody waits for the sign of life that lb1 gives every few seconds: it is asked for one.
    let Pair { server, mut first, second: _second, .. } = pair;
    let answers = tokio::spawn(async move { first.over().await });
    let astray = "does not hear lb1, and holds the addresses as well";
    let both = |group: &Value| group["status"]["active"] == json!(["lb1", "lb2"]);
    let web = eventually_shows(&server, WEB, both).await;
    let not_ready = &web["status"]["standby"]["not_ready"];
    assert_eq!(*not_ready, json!([{"member": "lb2", "reason": astray}]));
    server.advance(TimeDelta::milliseconds(1_200));
    has_lost(&server, astray).await;
    let web = server.get(WEB).await;
    assert_eq!(conditions(&web), ["redundancy_lost", "two_holders"]);
    answers.abort();
}

#[tokio::test]
async fn a_host_that_answers_nothing_is_no_standby_long_before_its_session_ends() {
    let limits =
        Limits { ping: Duration::from_millis(100), silent: Duration::from_millis(400), ..Limits::default() };
    let server = Server::limited(TestApp::start().await, limits).await;
    let pair = Pair::of(server).await;
    let Pair { server, mut first, mut second, .. } = pair;
    // lb1 answers pings, lb2 does not: its kernel takes them, and nobody reads.
    let answers = tokio::spawn(async move { first.over().await });
    has_lost(&server, "is not heard by the server any more").await;
    let web = server.get(WEB).await;
    assert_eq!(web["status"]["members"][1]["connected"], true, "its session goes on");
    second.ping().await;
    eventually_shows(&server, WEB, |group| conditions(group).is_empty()).await;
    assert_eq!(told(&server).await[..2], ["began", "ended"]);
    answers.abort();
}

#[tokio::test]
async fn a_server_that_has_just_started_gives_the_agents_time_to_come_back() {
    let pair = Pair::start().await;
    let Pair { server, one, two, first, second, .. } = pair;
    server.stop();
    first.drop_dead();
    second.drop_dead();
    let away = |node: &Value| node["status"]["connected"] == false;
    for node in ["lb1", "lb2"] {
        eventually_shows(&server, &format!("/api/v1/nodes/{node}"), away).await;
    }
    server.advance(TimeDelta::seconds(60));
    let again = server.beside().await;
    let mut first = one.connect_knowing_all(&again, "192.0.2.1").await;
    let mut second = two.connect_knowing_all(&again, "192.0.2.2").await;
    let group = again.get(WEB).await["id"].as_str().unwrap().parse().unwrap();
    let stands = |state, source: Option<&str>| api_types::channel::GroupReport {
        group_id: group,
        state,
        since: again.now(),
        effective_priority: vrrp::Priority::new(240).unwrap(),
        active_source: source.map(|source| source.parse().unwrap()),
        addresses_present: Vec::new(),
        details: None,
    };
    first.status(&again, "192.0.2.1", vec![stands(State::Active, None)]).await;
    second.status(&again, "192.0.2.2", vec![stands(State::Backup, Some("192.0.2.1"))]).await;
    let ready = |group: &Value| group["status"]["standby"]["ready"] == json!(["lb2"]);
    eventually_shows(&again, WEB, ready).await;
    again.advance(TimeDelta::seconds(60));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(told(&again).await, Vec::<String>::new());
}
