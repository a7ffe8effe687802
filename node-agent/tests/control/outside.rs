//! Switchovers and assists on their way through control.

use api_types::assist::{Assist, LetGo, LetGoReason, RelayedAssist};
use api_types::boost::Boost;
use api_types::channel::{AgentMessage, ServerMessage};
use baton_agent::messages::{Command, Report};
use tempfile::tempdir;
use uuid::Uuid;
use vrrp::BoostedPriority;

use crate::agent::{Agent, config, enrolled};
use crate::authority::Authority;
use crate::eventually::within;
use crate::server::Server;

fn boost(boot_id: Uuid, sequence: u64) -> Boost {
    Boost {
        group_id: Uuid::from_u128(5),
        switchover_id: Uuid::from_u128(6),
        sequence,
        boot_id,
        priority: BoostedPriority::new(253).unwrap(),
    }
}

fn let_go(sequence: u16) -> LetGo {
    let source = "192.0.2.1".parse().unwrap();
    LetGo { group_id: Uuid::from_u128(5), source, sequence, reason: LetGoReason::LinkDown }
}

async fn told(agent: &mut Agent) -> Command {
    within("a command", agent.commands.recv()).await.unwrap()
}

#[tokio::test]
async fn boosts_of_this_boot_reach_the_dataplane_and_none_that_was_withdrawn_or_made_for_another() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let boot = agent.boot_id;
    let (mut session, hello) = server.welcome(&[]).await;
    assert_eq!(
        hello.capabilities,
        ["switchover", "assist", "drain", "fast_start", "checks", "sync_groups", "hooks"]
    );

    let other_boot = boost(Uuid::new_v4(), 9);
    for boosts in [vec![other_boot], vec![boost(boot, 3)], vec![], vec![boost(boot, 3)], vec![boost(boot, 4)]]
    {
        session.send(&ServerMessage::Boosts { boosts }).await;
    }
    assert_eq!(told(&mut agent).await, Command::Boosts(vec![boost(boot, 3)]));
    assert_eq!(told(&mut agent).await, Command::Boosts(vec![]));
    assert_eq!(told(&mut agent).await, Command::Boosts(vec![boost(boot, 4)]));

    // The next session says it again: nothing new. Nothing was kept on disk for the next boot either.
    drop(session);
    let (mut session, _) = server.welcome(&[]).await;
    session.send(&ServerMessage::Boosts { boosts: vec![boost(boot, 4)] }).await;
    let relayed = RelayedAssist { node: "lb2".parse().unwrap(), groups: vec![let_go(7)] };
    session.send(&ServerMessage::Assist(relayed)).await;
    assert_eq!(told(&mut agent).await, Command::Assist(vec![let_go(7)]));
    agent.crash().await;
    let mut agent = Agent::start(&config).await;
    let (_session, _) = server.welcome(&[]).await;
    assert!(agent.was_told_nothing());
    agent.crash().await;
}

#[tokio::test]
async fn what_was_let_go_of_is_told_to_the_next_server_that_passes_it_on_and_to_no_other() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    assert!(matches!(session.next().await, AgentMessage::Status(_)), "the session is under way");
    agent.report(Report::LetGo(vec![let_go(1)])).await;
    agent.transitions(1).await;
    assert_eq!(session.sequences().await, [1], "an older server hears the rest");
    drop(session);

    let (mut session, _) = server.welcome_able(&[], &["assist"]).await;
    assert!(matches!(session.next().await, AgentMessage::Status(_)), "the session is under way");
    agent.report(Report::LetGo(vec![let_go(2)])).await;
    let (mut told, wanted) = (Vec::new(), [let_go(1), let_go(2)]);
    while told.len() < wanted.len() {
        let said = session.next_that("what it could not tell, and what is new", |message| {
            if let AgentMessage::Assist(assist) = message { Some(assist) } else { None }
        });
        let Assist { boot_id, groups } = said.await;
        assert_eq!(boot_id, agent.boot_id);
        told.extend(groups);
    }
    assert_eq!(told, wanted);
    agent.crash().await;
}
