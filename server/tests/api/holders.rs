//! Who holds a group, as its status shows it from the reports of its members.

use api_types::channel::GroupReport;
use api_types::transition::State;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::failovers::report;
use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::Pair;

/// The group `web` between lb1 and lb2 with agents of the first version.
async fn start() -> Pair {
    Pair::able(Server::start().await, &[]).await
}

impl Pair {
    /// The group, once these members and no others are active.
    async fn is_held_by(&self, names: &[&str]) -> Value {
        let held = |group: &Value| group["status"]["active"] == json!(names);
        eventually_shows(&self.server, "/api/v1/groups/web", held).await
    }

    async fn has(&self, kinds: &[&str]) -> Value {
        eventually_shows(&self.server, "/api/v1/groups/web", |group| conditions(group) == kinds).await
    }

    /// Lets pass what a move may take. Whatever had to last for less has become a condition when this returns.
    async fn let_it_settle(&mut self) {
        let other = make_group(&self.server, "other", 52, &["lb2"]).await;
        let mut groups = self.stands(State::Active, None);
        groups.push(GroupReport { group_id: other, ..self.stands(State::Initialize, None).remove(0) });
        self.second.status(&self.server, "192.0.2.2", groups).await;
        let waits = |group: &Value| group["status"]["members"][0]["state"] == "initialize";
        eventually_shows(&self.server, "/api/v1/groups/other", waits).await;
        self.server.advance(TimeDelta::seconds(5));
        let begun = |group: &Value| conditions(group) == ["no_holder"];
        eventually_shows(&self.server, "/api/v1/groups/other", begun).await;
    }
}

#[tokio::test]
async fn a_member_is_believed_about_itself_while_its_session_lasts() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    pair.second_says(State::Backup, Some("192.0.2.1")).await;
    let web = eventually_shows(&pair.server, "/api/v1/groups/web", |group| {
        group["status"]["members"][1]["state"] == "backup" && group["status"]["active"] == json!(["lb1"])
    })
    .await;
    assert_eq!(conditions(&web), Vec::<&str>::new());

    pair.second_says(State::Active, None).await;
    let web = pair.is_held_by(&["lb1", "lb2"]).await;
    assert_eq!(conditions(&web), Vec::<&str>::new(), "a move passes through this");
    pair.server.advance(TimeDelta::seconds(2));
    pair.has(&["redundancy_lost", "two_holders"]).await;

    let Pair { server, first, mut second, group, .. } = pair;
    first.drop_dead();
    let alone = |group: &Value| group["status"]["active"] == json!(["lb2"]);
    let web = eventually_shows(&server, "/api/v1/groups/web", alone).await;
    assert_eq!(conditions(&web), ["redundancy_lost"], "the last word of the dead does not count");
    let fault = GroupReport {
        group_id: group,
        state: State::Fault,
        since: server.now(),
        effective_priority: vrrp::Priority::new(240).unwrap(),
        active_source: None,
        addresses_present: Vec::new(),
        details: None,
    };
    second.status(&server, "192.0.2.2", vec![fault]).await;
    let faulty = |group: &Value| group["status"]["members"][1]["state"] == "fault";
    eventually_shows(&server, "/api/v1/groups/web", faulty).await;
    server.advance(TimeDelta::seconds(2));
    let web = eventually_shows(&server, "/api/v1/groups/web", |group| !conditions(group).is_empty()).await;
    assert_eq!(conditions(&web), ["member_fault", "no_holder"]);
}

#[tokio::test]
async fn of_a_group_that_a_status_names_twice_the_last_word_counts_and_one_that_is_gone_is_left_out() {
    let mut pair = start().await;
    let mut said = pair.stands(State::Backup, Some("192.0.2.2"));
    said.extend(pair.stands(State::Active, None));
    said.push(GroupReport { group_id: Uuid::now_v7(), ..pair.stands(State::Active, None).remove(0) });
    pair.first.status(&pair.server, "192.0.2.1", said).await;
    pair.is_held_by(&["lb1"]).await;
}

#[tokio::test]
async fn a_member_in_fault_that_leaves_the_holder_alone_is_told_until_it_is_over() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    pair.second_says(State::Fault, None).await;
    pair.is_held_by(&["lb1"]).await;
    pair.server.advance(TimeDelta::seconds(6));
    pair.has(&["member_fault", "redundancy_lost"]).await;
    pair.second_says(State::Backup, Some("192.0.2.1")).await;
    pair.has(&[]).await;
}

#[tokio::test]
async fn a_holder_that_fell_silent_gives_way_to_the_next_before_its_session_ends() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    pair.is_held_by(&["lb1"]).await;
    pair.server.advance(TimeDelta::seconds(1));
    pair.second_says(State::Active, None).await;
    pair.is_held_by(&["lb2"]).await;
    pair.let_it_settle().await;
    let web = pair.is_held_by(&["lb2"]).await;
    assert_eq!(conditions(&web), ["redundancy_lost"]);
    let member = &web["status"]["members"][0];
    assert_eq!(member["not_ready_because"], "lb1 has not been heard since lb2 took over");
    assert_eq!(member["connected"], true, "its session is not over");
}

#[tokio::test]
async fn two_that_claim_to_hold_and_both_live_are_two_holders() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    pair.is_held_by(&["lb1"]).await;
    pair.server.advance(TimeDelta::seconds(1));
    pair.second_says(State::Active, None).await;
    pair.is_held_by(&["lb2"]).await;

    pair.first.ping().await;
    pair.is_held_by(&["lb1", "lb2"]).await;
    pair.let_it_settle().await;
    pair.has(&["redundancy_lost", "two_holders"]).await;
}

#[tokio::test]
async fn a_holder_that_stops_is_in_initialize_as_soon_as_it_says_so() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    pair.is_held_by(&["lb1"]).await;
    pair.server.advance(TimeDelta::milliseconds(1));
    pair.second_says(State::Active, None).await;
    pair.is_held_by(&["lb2"]).await;
    pair.first.ping().await;
    pair.is_held_by(&["lb1", "lb2"]).await;

    let stopped = report(&pair.one, &pair.server, pair.group, 1, (State::Active, State::Initialize));
    pair.first.report(std::slice::from_ref(&stopped)).await;
    let web = pair.server.get("/api/v1/groups/web").await;
    assert_eq!(web["status"]["active"], json!(["lb2"]), "no later than the acknowledgement");
    let member = &web["status"]["members"][0];
    assert_eq!((&member["state"], &member["since"]), (&json!("initialize"), &json!(stopped.at)));

    let Pair { server, first, second: _second, .. } = pair;
    first.drop_dead();
    let gone = |group: &Value| group["status"]["members"][0]["connected"] == false;
    let web = eventually_shows(&server, "/api/v1/groups/web", gone).await;
    assert_eq!(web["status"]["members"][0]["state"], "initialize");
    assert_eq!(conditions(&web), Vec::<&str>::new());
}

#[tokio::test]
async fn a_member_that_reconnects_in_the_same_state_is_in_it_since_the_same_time() {
    let mut pair = start().await;
    pair.first_says(State::Active, None).await;
    let since = pair.is_held_by(&["lb1"]).await["status"]["members"][0]["since"].clone();
    let said = pair.stands(State::Active, None).remove(0);

    let Pair { server, one, first, second: _second, .. } = pair;
    first.drop_dead();
    server.advance(TimeDelta::seconds(30));
    let mut agent = one;
    for jitter in [0, 7, -7] {
        agent = agent.restarted();
        let mut channel = agent.connect(&server, "192.0.2.1").await;
        let again = (said.since.as_datetime() + TimeDelta::microseconds(jitter)).into();
        channel.status(&server, "192.0.2.1", vec![GroupReport { since: again, ..said.clone() }]).await;
        // What is said in one session is stored in the order in which it was said.
        let record = report(&agent, &server, Uuid::new_v4(), 1, (State::Initialize, State::Backup));
        channel.report(&[record]).await;
        let web = server.get("/api/v1/groups/web").await;
        assert_eq!(web["status"]["members"][0]["since"], since, "by a clock that is {jitter} µs off");
    }

    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let anew = GroupReport { since: server.now(), ..said };
    channel.status(&server, "192.0.2.1", vec![anew]).await;
    let later = |group: &Value| group["status"]["members"][0]["since"] == json!(server.now());
    eventually_shows(&server, "/api/v1/groups/web", later).await;
}
