//! What members find out about the takeovers of others, in the failovers that it belongs to.

use api_types::Timestamp;
use api_types::channel::AgentMessage;
use api_types::convergence::Convergence;
use api_types::transition::{State, TransitionRecord};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel};
use crate::failovers::{failovers, having_heard, report};
use crate::listening::{Server, make_group};

/// n1 is elected, falls silent, and n2 takes over; n3 and n4 wait.
struct Takeover {
    server: Server,
    group: Uuid,
    agents: [Agent; 4],
    election: Vec<TransitionRecord>,
    takeover: Vec<TransitionRecord>,
    at: Timestamp,
}

impl Takeover {
    async fn happen() -> Self {
        use State::{Active, Backup, Initialize};
        let server = Server::start().await;
        let mut agents = Vec::new();
        for name in ["n1", "n2", "n3", "n4"] {
            agents.push(Agent::enrol(&server, name).await);
        }
        let agents: [Agent; 4] = agents.try_into().ok().unwrap();
        let group = make_group(&server, "web", 51, &["n1", "n2", "n3", "n4"]).await;
        for (agent, last) in agents.iter().zip(1..) {
            agent.connect(&server, &format!("192.0.2.{last}")).await.drop_dead();
        }
        let [one, two, ..] = &agents;
        let mut election = vec![report(one, &server, group, 1, (Initialize, Backup))];
        let mut takeover = vec![report(two, &server, group, 1, (Initialize, Backup))];
        server.advance(TimeDelta::seconds(1));
        election.push(report(one, &server, group, 2, (Backup, Active)));
        server.advance(TimeDelta::seconds(60));
        takeover.push(having_heard(report(two, &server, group, 2, (Backup, Active)), "192.0.2.1", 240, 321));
        let at = server.now();
        Self { server, group, agents, election, takeover, at }
    }

    async fn channel(&self, number: usize) -> Channel {
        self.agents[number - 1].connect(&self.server, &format!("192.0.2.{number}")).await
    }

    async fn moves_are_reported(&self) {
        self.channel(1).await.report(&self.election).await;
        self.channel(2).await.report(&self.takeover).await;
    }

    fn found(&self, holder: &str, after_ms: i64, took_us: u64) -> Convergence {
        let heard_at = Timestamp::from(self.at.as_datetime() + TimeDelta::milliseconds(after_ms));
        Convergence { group_id: self.group, holder: holder.parse().unwrap(), heard_at, took_us }
    }

    /// The member says what it found out, and the server has taken note of it.
    async fn finds(&self, number: usize, found: Convergence) {
        let mut channel = self.channel(number).await;
        channel.say(AgentMessage::Converged(found)).await;
        // What is said later is stored later.
        let started = report(
            &self.agents[number - 1],
            &self.server,
            self.group,
            self.next_sequence(number).await,
            (State::Initialize, State::Backup),
        );
        channel.report(&[started]).await;
    }

    async fn next_sequence(&self, number: usize) -> u64 {
        let path = format!("/api/v1/transitions?node=n{number}");
        let known = self.server.get(&path).await["items"].as_array().unwrap().len();
        u64::try_from(known).unwrap() + 1
    }

    async fn shown(&self) -> (Value, Value) {
        let failovers = failovers(&self.server).await;
        assert_eq!(failovers.len(), 1, "{failovers:#?}");
        (failovers[0]["convergence_ms"].clone(), failovers[0]["convergence_checked_by"].clone())
    }
}

#[tokio::test]
async fn a_failover_says_who_found_out_after_how_long_that_the_lan_follows_whenever_that_is_told() {
    for told_first in [true, false] {
        let takeover = Takeover::happen().await;
        let found = takeover.found("192.0.2.2", 3, 2_461);
        if told_first {
            takeover.finds(3, found).await;
            takeover.moves_are_reported().await;
        } else {
            takeover.moves_are_reported().await;
            assert_eq!(takeover.shown().await, (Value::Null, Value::Null));
            takeover.finds(3, found).await;
            let log = takeover.server.audit().await;
            let correction = log.iter().find(|event| event["action"] == "failover.correct").unwrap();
            assert_eq!(correction["before"]["convergence_ms"], Value::Null);
            assert_eq!(correction["after"]["convergence_ms"], json!(2.461));
        }
        assert_eq!(takeover.shown().await, (json!(2.461), json!("n3")), "told first: {told_first}");
    }
}

#[tokio::test]
async fn of_several_members_the_one_that_saw_it_take_longest_counts() {
    let takeover = Takeover::happen().await;
    takeover.finds(3, takeover.found("192.0.2.2", -4_000, 2_000)).await;
    takeover.moves_are_reported().await;
    takeover.finds(4, takeover.found("192.0.2.2", 4_000, 700_000)).await;
    assert_eq!(takeover.shown().await, (json!(700.0), json!("n4")));
    takeover.finds(3, takeover.found("192.0.2.2", 1, 90_000)).await;
    assert_eq!(takeover.shown().await, (json!(700.0), json!("n4")));
}

#[tokio::test]
async fn what_is_about_another_move_or_from_no_member_changes_nothing() {
    let takeover = Takeover::happen().await;
    takeover.moves_are_reported().await;
    let stranger = Agent::enrol(&takeover.server, "n5").await;
    let mut channel = stranger.connect(&takeover.server, "192.0.2.5").await;
    channel.say(AgentMessage::Converged(takeover.found("192.0.2.2", 0, 1))).await;
    channel
        .report(&[report(&stranger, &takeover.server, takeover.group, 1, (State::Initialize, State::Backup))])
        .await;
    for found in [
        takeover.found("192.0.2.1", 0, 2),
        takeover.found("192.0.2.99", 0, 3),
        takeover.found("192.0.2.2", 6_000, 4),
        takeover.found("192.0.2.2", -6_000, 5),
        Convergence { group_id: Uuid::from_u128(9), ..takeover.found("192.0.2.2", 0, 6) },
    ] {
        takeover.finds(3, found).await;
    }
    assert_eq!(takeover.shown().await, (Value::Null, Value::Null));
}
