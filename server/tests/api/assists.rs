//! Assists: what one agent has let go of reaches the other members at once, whichever server they are with.

use std::time::Duration;

use api_types::assist::{Assist, LetGo, LetGoReason, RelayedAssist};
use api_types::channel::{AgentMessage, ServerMessage};
use api_types::transition::State;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::agent::{Agent, Channel};
use crate::harness::eventually;
use crate::listening::{Server, make_group};
use crate::pair::{Pair, two_agents};

const BETWEEN_MARKS: Duration = Duration::from_millis(200);
const FIRST_MARK: u16 = 1_000;
const MOST_MARKS: u16 = 150;

fn let_go(group_id: Uuid, source: &str, sequence: u16) -> LetGo {
    LetGo { group_id, source: source.parse().unwrap(), sequence, reason: LetGoReason::LinkDown }
}

async fn says(channel: &mut Channel, agent: &Agent, groups: Vec<LetGo>) {
    channel.say(AgentMessage::Assist(Assist { boot_id: agent.boot, groups })).await;
}

/// The next assist that an agent is told of.
async fn assist(channel: &mut Channel) -> RelayedAssist {
    loop {
        if let ServerMessage::Assist(assist) = channel.hear().await {
            return assist;
        }
    }
}

#[tokio::test]
async fn the_other_members_hear_of_it_and_it_is_recorded() {
    let mut pair = Pair::start().await;
    let three = Agent::enrol(&pair.server, "lb3").await;
    let other = make_group(&pair.server, "other", 52, &["lb2", "lb3"]).await;
    let mut third = three.connect_knowing_all(&pair.server, "192.0.2.3").await;
    third.desired_where(|state| state.groups.len() == 1).await;
    let sent = let_go(pair.group, "192.0.2.1", 4711);
    // Of what is not its own nobody is told: another group, another's address, another boot.
    let strangers = vec![let_go(other, "192.0.2.1", 1), let_go(pair.group, "192.0.2.2", 2)];
    says(&mut pair.first, &pair.one, strangers).await;
    let earlier = Assist { boot_id: Uuid::from_u128(1), groups: vec![let_go(pair.group, "192.0.2.1", 3)] };
    pair.first.say(AgentMessage::Assist(earlier)).await;
    says(&mut pair.first, &pair.one, vec![let_go(other, "192.0.2.1", 4), sent]).await;
    let heard = assist(&mut pair.second).await;
    assert_eq!(heard, RelayedAssist { node: "lb1".parse().unwrap(), groups: vec![sent] });

    let ours = let_go(other, "192.0.2.3", 5);
    says(&mut third, &three, vec![ours]).await;
    assert_eq!(assist(&mut pair.second).await.groups, [ours], "the first that came after");
    let recorded = async |node: &str| {
        let log = pair.server.audit().await;
        let of = log.into_iter().filter(|event| event["action"] == "assist" && event["target_name"] == node);
        of.map(|event| event["after"].clone()).collect::<Vec<_>>()
    };
    eventually("it is recorded", async || !recorded("lb1").await.is_empty()).await;
    let wanted = json!({"told": 1, "groups": [{"group": "web", "group_id": pair.group, "source": "192.0.2.1",
                                                "sequence": 4711, "reason": "link_down"}]});
    assert_eq!(recorded("lb1").await, [wanted]);
}

#[tokio::test]
async fn members_that_are_with_another_server_hear_of_it_too() {
    let mut pair = Pair::start().await;
    let another = pair.server.beside().await;
    let mut second = pair.two.connect_knowing_all(&another, "192.0.2.2").await;
    second.desired().await;
    // A server hears of others from when it listens, which is some time after it is ready.
    let marks = FIRST_MARK..FIRST_MARK + MOST_MARKS;
    for mark in marks.clone() {
        says(&mut pair.first, &pair.one, vec![let_go(pair.group, "192.0.2.1", mark)]).await;
        if timeout(BETWEEN_MARKS, assist(&mut second)).await.is_ok() {
            break;
        }
        assert!(mark + 1 < marks.end, "it does not hear");
    }
    let many: Vec<_> = (0..100).map(|sequence| let_go(pair.group, "192.0.2.1", sequence)).collect();
    says(&mut pair.first, &pair.one, many.clone()).await;
    let mut heard = Vec::new();
    while heard.len() < many.len() {
        let groups = assist(&mut second).await.groups;
        heard.extend(groups.into_iter().filter(|group| !marks.contains(&group.sequence)));
    }
    assert_eq!(heard, many);
}

#[tokio::test]
async fn an_assist_waits_for_no_database() {
    let mut pair = Pair::start().await;
    let mut owner = pair.server.owner().await;
    // Whoever writes a report waits behind this from now on.
    let mut tx = sqlx::Connection::begin(&mut owner).await.unwrap();
    sqlx::query("LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    pair.first_says(State::Fault, None).await;
    let sent = let_go(pair.group, "192.0.2.1", 7);
    says(&mut pair.first, &pair.one, vec![sent]).await;
    assert_eq!(assist(&mut pair.second).await.groups, [sent]);
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn an_agent_of_before_is_told_nothing_of_assists() {
    let server = Server::start().await;
    let (one, two) = two_agents(&server).await;
    let group = make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let mut second = two.connect(&server, "192.0.2.2").await;
    let mut first = one.connect_knowing_all(&server, "192.0.2.1").await;
    second.desired_where(|state| state.groups[0].peers[0].address.is_some()).await;
    first.desired().await;
    says(&mut first, &one, vec![let_go(group, "192.0.2.1", 7)]).await;
    let heard = async || server.audit().await.iter().any(|event| event["action"] == "assist");
    eventually("it is recorded", heard).await;
    make_group(&server, "other", 52, &["lb2"]).await;
    second.desired_where(|state| state.groups.len() == 2).await;
}
