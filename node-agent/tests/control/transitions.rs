//! Transitions reach the server once each and in order, whatever happens on the way.

use api_types::channel::Acknowledged;
use tempfile::tempdir;
use uuid::Uuid;

use crate::agent::{Agent, config, enrolled, state};
use crate::authority::Authority;
use crate::server::Server;

fn acknowledged(boot_id: Uuid, sequence: u64) -> Acknowledged {
    Acknowledged { boot_id, sequence }
}

#[tokio::test]
async fn transitions_go_in_batches_of_a_hundred_each_after_the_acknowledgement_of_the_one_before() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    agent.transitions(250).await;

    let (mut session, _) = server.welcome(&[]).await;
    let mut next = 1;
    while next <= 250 {
        let batch = session.transitions().await;
        assert!(batch.len() <= 100);
        for transition in &batch {
            assert_eq!((transition.boot_id, transition.sequence), (agent.boot_id, next));
            next += 1;
        }
        session.acknowledge(acknowledged(agent.boot_id, next - 1)).await;
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_lost_acknowledgement_makes_the_same_transitions_come_again() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    agent.transitions(3).await;

    let (mut session, _) = server.welcome(&[]).await;
    let first = session.transitions().await;
    drop(session);
    let (mut session, _) = server.welcome(&[]).await;
    let again = session.transitions().await;
    assert_eq!(again[..first.len()], first[..], "unchanged, also in their times");
    agent.crash().await;
}

#[tokio::test]
async fn a_server_that_lost_what_it_acknowledged_gets_it_again() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let boot_id = agent.boot_id;
    agent.transitions(5).await;

    let (mut session, _) = server.welcome(&[]).await;
    let mut last = 0;
    while last < 5 {
        last = *session.sequences().await.last().unwrap();
        session.acknowledge(acknowledged(boot_id, last)).await;
    }
    drop(session);
    let (mut session, _) = server.welcome(&[acknowledged(boot_id, 2)]).await;
    assert_eq!(session.sequences().await, [3, 4, 5]);
    agent.crash().await;

    // Nothing is known of the earlier boot any more; the present one has nothing to tell.
    let agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    let batch = session.transitions().await;
    assert!(batch.iter().all(|transition| transition.boot_id == boot_id));
    assert_eq!(batch.len(), 5);
    agent.crash().await;
}

#[tokio::test]
async fn a_restarted_worker_goes_on_with_the_sequence_of_its_boot() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let boot_id = Uuid::new_v4();

    let agent = Agent::start_boot(&config, boot_id).await;
    let (mut session, _) = server.welcome(&[]).await;
    agent.transitions(2).await;
    let mut last = 0;
    while last < 2 {
        last = *session.sequences().await.last().unwrap();
        session.acknowledge(acknowledged(boot_id, last)).await;
    }
    agent.crash().await;

    let agent = Agent::start_boot(&config, boot_id).await;
    agent.transitions(1).await;
    let (mut session, hello) = server.welcome(&[acknowledged(boot_id, 2)]).await;
    assert_eq!(hello.boot_id, boot_id);
    assert_eq!(session.sequences().await, [3]);
    agent.crash().await;
}

#[tokio::test]
async fn what_happens_while_the_server_is_away_is_told_when_it_is_back_the_oldest_boot_first() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let (url, port) = (server.url(), server.port());
    drop(server);
    let config = config(directory.path(), &url, "");
    enrolled(&config, &authority);

    let first = Agent::start(&config).await;
    let first_boot = first.boot_id;
    first.transitions(2).await;
    first.stop().await;
    let second = Agent::start(&config).await;
    second.transitions(1).await;

    let server = Server::on_port(&authority, port).await;
    let (mut session, _) = server.welcome(&[]).await;
    let batch = session.transitions().await;
    assert!(batch.iter().all(|transition| transition.boot_id == first_boot), "{first_boot}: {batch:?}");
    assert_eq!(batch.len(), 3, "with the one that the stop made");
    session.acknowledge(acknowledged(first_boot, 3)).await;
    let batch = session.transitions().await;
    assert_eq!((batch[0].boot_id, batch[0].sequence), (second.boot_id, 1));
    second.crash().await;
}

#[tokio::test]
async fn an_agent_that_stops_tells_its_last_transition_first() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let boot_id = agent.boot_id;
    let (mut session, _) = server.welcome(&[]).await;
    let stopping = tokio::spawn(agent.stop());
    let last = session.transitions().await;
    assert_eq!((last.len(), last[0].reason.as_str()), (1, "stopped"));
    session.acknowledge(acknowledged(boot_id, 1)).await;
    stopping.await.unwrap();
    assert!(session.try_next().await.is_none(), "the session is closed");
}

#[tokio::test]
async fn a_worker_that_hands_over_leaves_its_last_transition_to_the_next_and_waits_for_no_server() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let first = Agent::start(&config).await;
    let boot_id = first.boot_id;
    first.transitions(1).await;
    let (mut session, _) = server.welcome(&[]).await;
    assert_eq!(session.sequences().await, [1], "and it is not acknowledged");
    first.hand_over().await;

    let second = Agent::start_boot(&config, boot_id).await;
    let (mut session, _) = server.welcome(&[]).await;
    assert_eq!(session.sequences().await, [1, 2]);
    second.crash().await;
}

#[tokio::test]
async fn an_acknowledgement_of_what_no_transition_can_have_ends_the_session_and_covers_nothing() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let boot_id = agent.boot_id;

    let (mut session, _) = server.welcome(&[acknowledged(boot_id, u64::MAX)]).await;
    assert!(session.try_next().await.is_none(), "the welcome makes no sense");
    let (mut session, _) = server.welcome(&[]).await;
    session.acknowledge(acknowledged(boot_id, u64::MAX)).await;
    while session.try_next().await.is_some() {}

    // As large as a sequence can be, and still of nothing that exists.
    let (mut session, _) = server.welcome(&[]).await;
    session.acknowledge(acknowledged(boot_id, 1 << 62)).await;
    // What the agent answers after it was taken in after it.
    session.desire(state(1, 1)).await;
    agent.told_to_apply().await;
    agent.transitions(1).await;
    assert_eq!(session.sequences().await, [1]);
    agent.crash().await;
}
