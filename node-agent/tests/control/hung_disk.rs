//! A disk that does not answer: a write waits for ever, as on a broken controller or a network mount without its
//! server.

use api_types::channel::Acknowledged;
use tempfile::tempdir;

use crate::agent::{Agent, config, enrolled, revision, state};
use crate::authority::Authority;
use crate::disk::{degraded_is, transitions_of};
use crate::freezer::Freezer;
use crate::server::Server;

#[tokio::test]
async fn while_the_disk_hangs_transitions_are_reported_and_desired_states_run() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let disk = Freezer::mount(&directory.path().join("image"), &config.state_dir);
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let boot_id = agent.boot_id;
    let (mut session, _) = server.welcome(&[]).await;
    agent.transitions(1).await;
    assert_eq!(session.sequences().await, [1]);
    session.acknowledge(Acknowledged { boot_id, sequence: 1 }).await;

    disk.freeze();
    agent.transitions(5).await;
    let mut received = Vec::new();
    while received.len() < 5 {
        received.extend(session.next_that("transitions", transitions_of).await);
        session.acknowledge(Acknowledged { boot_id, sequence: *received.last().unwrap() }).await;
    }
    assert_eq!(received, [2, 3, 4, 5, 6]);
    assert_eq!(degraded_is(&config, true).await.as_deref(), Some("the disk does not answer"));
    session.desire(state(1, 1)).await;
    assert_eq!(agent.apply().await, revision(1, 1), "the dataplane does not depend on the disk");
    assert_eq!(session.applied().await.0, revision(1, 1));

    disk.thaw();
    assert_eq!(degraded_is(&config, false).await, None);
    agent.transitions(1).await;
    assert_eq!(session.next_that("transitions", transitions_of).await, [7]);
    agent.crash().await;
}
