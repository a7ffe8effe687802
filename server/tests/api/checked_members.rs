//! Checks as agents hear of them, and what becomes of what agents say about them.

use api_types::channel::{DesiredState, GroupReport, MemberDetails};
use api_types::check::{CheckStatus, Weight};
use api_types::transition::{State, TransitionReason, TransitionRecord};
use chrono::TimeDelta;
use serde_json::{Value, json};
use vrrp::Priority;

use crate::failovers::{having_heard, report};
use crate::intent::{check, tracked, with, written};
use crate::listening::{Server, conditions, eventually_shows};
use crate::pair::Pair;

const WEB: &str = "/api/v1/groups/web";
const CHECK: &str = "/api/v1/checks/nginx";

/// The group `web` between lb1 and lb2, both with agents that can do what these words say, and the check `nginx`.
async fn pair(words: &[&str]) -> Pair {
    let pair = Pair::able(Server::start().await, words).await;
    pair.server.put(CHECK, check("nginx")).await;
    pair
}

async fn track(pair: &Pair, weight: i16) {
    let web = written(&pair.server.get(WEB).await);
    pair.server.put(WEB, with(web, "track", json!([tracked("nginx", weight)]))).await;
}

fn stands(weight: i16, passing: bool, detail: &str) -> CheckStatus {
    CheckStatus {
        check: "nginx".into(),
        weight: Weight::try_from(i64::from(weight)).unwrap(),
        passing: Some(passing),
        detail: detail.into(),
        since: Some(chrono::DateTime::UNIX_EPOCH.into()),
    }
}

/// A member's report with how its check stands.
fn checked(report: GroupReport, priority: u8, fault: Option<&str>, check: CheckStatus) -> GroupReport {
    let fault = fault.map(str::to_owned);
    let details = MemberDetails { fault, checks: vec![check], ..MemberDetails::default() };
    GroupReport { effective_priority: Priority::new(priority).unwrap(), details: Some(details), ..report }
}

#[tokio::test]
async fn each_member_is_told_what_it_tracks_and_told_again_when_that_changes() {
    let mut pair = pair(&["checks"]).await;
    track(&pair, -30).await;
    let tells = |state: &DesiredState| !state.checks.is_empty();
    let told = pair.first.desired_where(tells).await;
    assert!(told.is_intact());
    assert_eq!(json!(told.checks), json!([check("nginx")]));
    assert_eq!(json!(told.groups[0].track), json!([tracked("nginx", -30)]));
    let other = pair.second.desired_where(tells).await;
    assert_eq!((&other.checks, &other.groups[0].track), (&told.checks, &told.groups[0].track));

    pair.server.put(CHECK, with(check("nginx"), "rise", json!(7))).await;
    let changed = pair.first.desired_where(|state| state.revision > told.revision).await;
    assert_eq!(changed.checks[0].rise.get(), 7);
    assert_eq!(changed.groups, told.groups, "the group is what it was");

    let web = written(&pair.server.get(WEB).await);
    pair.server.put(WEB, with(web, "track", json!([]))).await;
    let freed = pair.first.desired_where(|state| state.revision > changed.revision).await;
    assert!(freed.checks.is_empty() && freed.groups[0].track.is_empty());
    assert_eq!(conditions(&pair.server.get(WEB).await), Vec::<&str>::new());
}

#[tokio::test]
async fn an_agent_that_knows_no_checks_is_told_of_none_and_the_group_says_so() {
    let mut pair = pair(&[]).await;
    track(&pair, 0).await;
    let unaware = |group: &Value| conditions(group) == ["checks_not_run"];
    let web = eventually_shows(&pair.server, WEB, unaware).await;
    let detail = web["status"]["conditions"][0]["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "nothing runs the checks of the group on lb1 and lb2, where the agent knows none: update it"
    );
    let wanted = pair.server.get("/api/v1/nodes/lb1").await["status"]["desired_revision"].clone();
    let told = pair.first.desired_where(|state| json!(state.revision) == wanted).await;
    assert!(told.is_intact() && told.checks.is_empty() && told.groups[0].track.is_empty());

    let mut updated = pair.one.connect_able(&pair.server, "192.0.2.1", &["checks"]).await;
    assert_eq!(updated.desired().await.checks.len(), 1);
    let web = pair.server.get(WEB).await;
    let detail = web["status"]["conditions"][0]["detail"].as_str().unwrap();
    assert_eq!(detail, "nothing runs the checks of the group on lb2, where the agent knows none: update it");
    let _second = pair.two.connect_able(&pair.server, "192.0.2.2", &["checks"]).await;
    assert_eq!(conditions(&pair.server.get(WEB).await), Vec::<&str>::new());
}

#[tokio::test]
async fn the_status_shows_each_check_and_what_it_does_to_the_priority() {
    let mut pair = pair(&["checks"]).await;
    track(&pair, -50).await;
    let down = stands(-50, false, "127.0.0.1:8080 refuses connections");
    let lowered = checked(pair.stands(State::Active, None).remove(0), 190, None, down.clone());
    pair.first.status(&pair.server, "192.0.2.1", vec![lowered]).await;
    let fault = "check nginx fails: 127.0.0.1:8080 refuses connections";
    let faulty = checked(pair.stands(State::Fault, None).remove(0), 220, Some(fault), stands(0, false, "it"));
    pair.second.status(&pair.server, "192.0.2.2", vec![faulty]).await;
    let both = |web: &Value| {
        web["status"]["members"].as_array().unwrap().iter().all(|one| one["checks"] != json!([]))
    };
    let web = eventually_shows(&pair.server, WEB, both).await;
    let members = &web["status"]["members"];
    assert_eq!((&members[0]["effective_priority"], &members[0]["checks"]), (&json!(190), &json!([down])));
    assert_eq!(members[1]["not_ready_because"], json!(format!("lb2 is in fault: {fault}")));

    pair.server.advance(TimeDelta::seconds(6));
    let told = |web: &Value| conditions(web) == ["member_fault", "redundancy_lost"];
    let web = eventually_shows(&pair.server, WEB, told).await;
    assert_eq!(web["status"]["conditions"][0]["detail"], json!(format!("lb2 is in fault: {fault}")));
}

/// What both members say of a move from lb1 to lb2.
fn moved(pair: &Pair, left: (State, TransitionReason), took: TransitionReason) -> [TransitionRecord; 2] {
    let (to, reason) = left;
    let mut left = report(&pair.one, &pair.server, pair.group, 2, (State::Active, to));
    left.reason = reason;
    left.failing_checks = vec!["nginx".to_owned()];
    pair.server.advance(TimeDelta::milliseconds(1));
    let mut taken = report(&pair.two, &pair.server, pair.group, 1, (State::Backup, State::Active));
    taken.reason = took;
    [left, having_heard(taken, "192.0.2.1", 0, 1)]
}

#[tokio::test]
async fn a_failover_names_the_checks_that_failed_at_the_old_holder() {
    let cases = [
        (
            State::Fault,
            TransitionReason::CheckFailed,
            TransitionReason::PriorityZero,
            "priority_zero",
            json!(["nginx"]),
        ),
        (
            State::Backup,
            TransitionReason::HigherPriorityHeard,
            TransitionReason::Preempting,
            "preempting",
            json!(["nginx"]),
        ),
        (
            State::Initialize,
            TransitionReason::Stopped,
            TransitionReason::PriorityZero,
            "priority_zero",
            json!([]),
        ),
    ];
    for (to, reason, took, cause, wanted) in cases {
        let mut pair = pair(&["checks"]).await;
        let began = report(&pair.one, &pair.server, pair.group, 1, (State::Backup, State::Active));
        pair.first.report(&[began]).await;
        pair.server.advance(TimeDelta::seconds(60));
        let [left, taken] = moved(&pair, (to, reason), took);
        pair.second.report(&[taken]).await;
        pair.first.report(&[left]).await;
        pair.server.advance(TimeDelta::seconds(1));
        let there = |list: &Value| list["items"].as_array().is_some_and(|items| items.len() == 1);
        let list = eventually_shows(&pair.server, "/api/v1/failovers?group=web", there).await;
        let failover = &list["items"][0];
        assert_eq!((&failover["cause"], &failover["failing_checks"]), (&json!(cause), &wanted), "{reason:?}");
        let transitions = pair.server.get("/api/v1/transitions?node=lb1").await;
        assert_eq!(transitions["items"][0]["failing_checks"], json!(["nginx"]));
    }
}
