//! Failovers, as the API shows them, from the transitions that agents report.

use api_types::transition::{AdvertisementHeard, State, TransitionReason, TransitionRecord};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;
use vrrp::{Claim, Family, Priority, Vrid};

use crate::agent::Agent;
use crate::harness::eventually;
use crate::listening::{Server, make_group};

/// A transition of the agent now, for a reason that fits its states.
pub(crate) fn report(
    agent: &Agent,
    server: &Server,
    group: Uuid,
    sequence: u64,
    (from, to): (State, State),
) -> TransitionRecord {
    let at_boottime_ns = boottime(server);
    TransitionRecord {
        boot_id: agent.boot,
        sequence,
        group_id: group,
        group: "web".into(),
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        interface: "eth0".into(),
        from,
        to,
        reason: match to {
            State::Active => TransitionReason::NoResponse,
            State::Backup => TransitionReason::Started,
            State::Initialize => TransitionReason::Stopped,
            State::Fault => TransitionReason::InterfaceDown,
        },
        priority: Priority::new(200).unwrap(),
        at: server.now(),
        at_boottime_ns,
        last_advertisement: None,
        bound_at_boottime_ns: (to == State::Active).then_some(at_boottime_ns),
        announced_at_boottime_ns: (to == State::Active).then_some(at_boottime_ns),
        released_at_boottime_ns: (from == State::Active).then_some(at_boottime_ns),
        failing_checks: Vec::new(),
    }
}

/// The nodes of these tests started at the same moment, long ago.
fn boottime(server: &Server) -> u64 {
    let since = server.now().as_datetime().timestamp_micros() - 1_770_000_000_000_000;
    u64::try_from(since).unwrap() * 1_000
}

/// The same transition, after an advertisement that was heard `ago_ms` before.
pub(crate) fn having_heard(
    record: TransitionRecord,
    source: &str,
    priority: u8,
    ago_ms: u64,
) -> TransitionRecord {
    let at_boottime_ns = record.at_boottime_ns - ago_ms * 1_000_000;
    let priority = Claim::from_octet(priority);
    let heard = AdvertisementHeard { source: source.parse().unwrap(), priority, at_boottime_ns };
    TransitionRecord { last_advertisement: Some(heard), ..record }
}

/// Lets pass what the reports of one move may be apart; every failover that is known is concluded when it returns.
async fn conclude(server: &Server) {
    server.advance(TimeDelta::seconds(1));
    eventually("every failover is concluded", async || waiting(server).await == 0).await;
}

/// How many failovers wait for what other members report.
async fn waiting(server: &Server) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM failovers WHERE NOT concluded");
    count.fetch_one(server.db()).await.unwrap()
}

/// What is recorded once everything is concluded, the oldest first.
pub(crate) async fn failovers(server: &Server) -> Vec<Value> {
    conclude(server).await;
    let page = server.get("/api/v1/failovers?group=web").await;
    let mut items = page["items"].as_array().unwrap().clone();
    items.reverse();
    items
}

fn summary(failovers: &[Value]) -> Vec<[&str; 3]> {
    let text = |failover: &'static str| failover;
    let fields = [text("from"), text("to"), text("cause")];
    failovers.iter().map(|failover| fields.map(|field| failover[field].as_str().unwrap())).collect()
}

async fn audited(server: &Server, action: &str) -> usize {
    server.audit().await.iter().filter(|event| event["action"] == action).count()
}

/// n1 is elected, falls silent, and n2 takes over; n1 comes back and preempts. What each of them reports.
struct Incident {
    server: Server,
    one: Agent,
    two: Agent,
    first_life: Vec<TransitionRecord>,
    takeover: Vec<TransitionRecord>,
    second_life: Vec<TransitionRecord>,
}

impl Incident {
    async fn happen() -> Self {
        use State::{Active, Backup, Initialize};
        let server = Server::start().await;
        let (one, two) = (Agent::enrol(&server, "n1").await, Agent::enrol(&server, "n2").await);
        let group = make_group(&server, "web", 51, &["n1", "n2"]).await;
        one.connect(&server, "192.0.2.1").await.drop_dead();
        two.connect(&server, "192.0.2.2").await.drop_dead();

        let mut first_life = vec![report(&one, &server, group, 1, (Initialize, Backup))];
        let mut takeover = vec![report(&two, &server, group, 1, (Initialize, Backup))];
        server.advance(TimeDelta::seconds(1));
        first_life.push(report(&one, &server, group, 2, (Backup, Active)));
        server.advance(TimeDelta::seconds(60));
        takeover.push(having_heard(report(&two, &server, group, 2, (Backup, Active)), "192.0.2.1", 240, 321));
        server.advance(TimeDelta::seconds(60));
        let one = one.restarted();
        let mut back = report(&one, &server, group, 1, (Backup, Active));
        back.reason = TransitionReason::Preempting;
        let second_life = vec![having_heard(back, "192.0.2.2", 220, 40)];
        server.advance(TimeDelta::milliseconds(1));
        let mut yielded = report(&two, &server, group, 3, (Active, Backup));
        yielded.reason = TransitionReason::HigherPriorityHeard;
        takeover.push(having_heard(yielded, "192.0.2.1", 240, 0));
        Self { server, one, two, first_life, takeover, second_life }
    }

    /// Both moves, and nothing else, are recorded.
    async fn is_recorded(&self) {
        let failovers = failovers(&self.server).await;
        let mut moves = summary(&failovers);
        moves.sort_unstable();
        assert_eq!(moves, [["n1", "n2", "no_response"], ["n2", "n1", "preempting"]]);
        let of = |cause: &str| failovers.iter().find(|failover| failover["cause"] == cause).unwrap();
        let death = of("no_response");
        assert_eq!(death["gap_ms"], json!(321.0));
        assert_eq!(death["gap_method"], "last_advertisement_to_announcement");
        let taken_at = self.takeover[1].at.as_datetime();
        let heard_at = api_types::Timestamp::from(taken_at - TimeDelta::milliseconds(321));
        assert_eq!(death["last_advertisement_at"], json!(heard_at));
        assert_eq!(death["bound_at"], json!(self.takeover[1].at));
        assert_eq!(death["announced_at"], json!(self.takeover[1].at));
        let back = of("preempting");
        assert_eq!((&back["gap_ms"], &back["gap_method"]), (&json!(0.0), &json!("release_to_announcement")));
        assert_eq!(back["transitions"].as_array().unwrap().len(), 2);
        let id = back["id"].as_str().unwrap();
        assert_eq!(&self.server.get(&format!("/api/v1/failovers/{id}")).await, back);
    }

    async fn report(&self, records: &[TransitionRecord]) {
        let is_two = records[0].boot_id == self.two.boot;
        let (agent, address) = if is_two { (&self.two, "192.0.2.2") } else { (&self.one, "192.0.2.1") };
        let mut channel = agent.connect(&self.server, address).await;
        channel.report(records).await;
    }
}

#[tokio::test]
async fn a_death_and_a_return_are_two_failovers() {
    let incident = Incident::happen().await;
    incident.report(&incident.first_life).await;
    assert_eq!(failovers(&incident.server).await.len(), 0, "a first election is none");
    incident.report(&incident.takeover[..2]).await;
    assert_eq!(summary(&failovers(&incident.server).await), [["n1", "n2", "no_response"]]);
    incident.report(&incident.second_life).await;
    incident.report(&incident.takeover).await;
    incident.is_recorded().await;
    assert_eq!(audited(&incident.server, "failover").await, 2, "each move is in the audit log once");
    assert_eq!(audited(&incident.server, "transition").await, 6);
}

#[tokio::test]
async fn a_move_that_both_members_report_is_one_record_from_the_beginning() {
    let incident = Incident::happen().await;
    let server = &incident.server;
    incident.report(&incident.first_life).await;
    incident.report(&incident.takeover[..2]).await;
    conclude(server).await;
    let before = audited(server, "failover").await;

    incident.report(&incident.second_life).await;
    assert_eq!(waiting(server).await, 1);
    let shown = server.get("/api/v1/failovers?group=web").await;
    assert_eq!(shown["items"].as_array().unwrap().len(), 1, "half a story is not told");
    incident.report(&incident.takeover[2..]).await;
    incident.is_recorded().await;
    assert_eq!(audited(server, "failover").await, before + 1);
    assert_eq!(audited(server, "failover.correct").await, 0);
    let log = server.audit().await;
    let entry = log.iter().find(|event| event["action"] == "failover").unwrap();
    let back = failovers(server).await.pop().unwrap();
    assert_eq!(entry["after"], back, "the log has the whole record");
    assert_eq!(entry["recorded_at"], back["recorded_at"]);
}

#[tokio::test]
async fn a_report_that_comes_after_the_conclusion_is_a_correction_in_the_log() {
    let incident = Incident::happen().await;
    incident.report(&incident.first_life).await;
    incident.report(&incident.takeover[..2]).await;
    incident.report(&incident.second_life).await;
    conclude(&incident.server).await;
    incident.report(&incident.takeover[2..]).await;
    incident.is_recorded().await;
    let log = incident.server.audit().await;
    let corrections: Vec<_> = log.iter().filter(|event| event["action"] == "failover.correct").collect();
    assert_eq!(corrections.len(), 1);
    let methods = ["before", "after"].map(|side| corrections[0][side]["gap_method"].as_str().unwrap());
    assert_eq!(methods, ["last_advertisement_to_announcement", "release_to_announcement"]);
}

#[tokio::test]
async fn what_a_server_had_not_concluded_when_it_ended_another_concludes() {
    let incident = Incident::happen().await;
    incident.report(&incident.first_life).await;
    incident.report(&incident.takeover[..2]).await;
    assert_eq!(waiting(&incident.server).await, 1);
    incident.server.stop();
    let another = incident.server.beside().await;
    assert_eq!(summary(&failovers(&another).await), [["n1", "n2", "no_response"]]);
    assert_eq!(audited(&another, "failover").await, 1);
}

#[tokio::test]
async fn reports_that_come_days_late_and_the_wrong_way_round_tell_the_same_story() {
    let incident = Incident::happen().await;
    incident.server.advance(TimeDelta::days(5));
    incident.report(&incident.second_life).await;
    incident.report(&incident.takeover[2..]).await;
    incident.report(&incident.takeover[..2]).await;
    incident.report(&incident.first_life).await;
    for records in [&incident.takeover, &incident.second_life, &incident.first_life] {
        incident.report(records).await;
    }
    incident.is_recorded().await;
    assert_eq!(audited(&incident.server, "transition").await, 6, "each transition once");
}

#[tokio::test]
async fn agents_that_report_at_the_same_time_make_each_record_once() {
    let incident = Incident::happen().await;
    incident.report(&incident.first_life).await;
    tokio::join!(incident.report(&incident.takeover), incident.report(&incident.second_life));
    incident.is_recorded().await;
}

#[tokio::test]
async fn a_restart_of_the_holder_without_a_successor_is_no_failover() {
    let incident = Incident::happen().await;
    let (server, one) = (&incident.server, &incident.one);
    let group = incident.first_life[0].group_id;
    incident.report(&incident.first_life).await;
    let again = report(one, server, group, 1, (State::Backup, State::Active));
    incident.report(&[again]).await;
    assert_eq!(failovers(server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_external_member_takes_over_and_loses_again() {
    let server = Server::start().await;
    let one = Agent::enrol(&server, "n1").await;
    make_group(&server, "web", 51, &["n1"]).await;
    let mut spec = server.get("/api/v1/groups/web").await;
    let spec = spec.as_object_mut().unwrap();
    for owned in ["id", "generation", "created_at", "updated_at", "status"] {
        spec.remove(owned);
    }
    let keepalived =
        json!({"kind": "external", "name": "old-keepalived", "address": "192.0.2.9", "priority": 250});
    spec["members"].as_array_mut().unwrap().push(keepalived);
    let group = server.put("/api/v1/groups/web", json!(spec)).await;
    let group = group["id"].as_str().unwrap().parse().unwrap();
    let mut channel = one.connect(&server, "192.0.2.1").await;

    let elected = report(&one, &server, group, 1, (State::Backup, State::Active));
    server.advance(TimeDelta::seconds(10));
    let mut yielded = report(&one, &server, group, 2, (State::Active, State::Backup));
    yielded.reason = TransitionReason::HigherPriorityHeard;
    let yielded = having_heard(yielded, "192.0.2.9", 250, 0);
    server.advance(TimeDelta::seconds(10));
    let taken = report(&one, &server, group, 3, (State::Backup, State::Active));
    let taken = having_heard(taken, "192.0.2.9", 250, 310);
    channel.report(&[elected, yielded, taken]).await;

    let failovers = failovers(&server).await;
    let mut moves = summary(&failovers);
    moves.sort_unstable();
    assert_eq!(moves, [["n1", "old-keepalived", "preempting"], ["old-keepalived", "n1", "no_response"]]);
    let lost = failovers.iter().find(|failover| failover["to"] == "old-keepalived").unwrap();
    assert_eq!(
        (&lost["bound_at"], &lost["gap_ms"], &lost["gap_method"]),
        (&json!(null), &json!(null), &json!("unknown"))
    );
}
