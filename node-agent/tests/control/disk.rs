//! A disk that is full: nothing waits for it, nothing is lost, and it is used again when it can be.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api_types::channel::Acknowledged;
use baton_agent::messages::{Found, Report};
use tempfile::tempdir;
use tokio::time::{Instant, sleep};

use crate::agent::{Agent, config, enrolled, revision, state};
use crate::authority::Authority;
use crate::eventually::{BOUND, eventually};
use crate::local::status_of;
use crate::server::Server;

/// A small file system of its own; needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success(), "this test needs root to mount a small file system");
        Self(at.to_owned())
    }

    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        while file.write_all(&[0; 1_024]).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

pub(crate) async fn degraded_is(config: &baton_agent::config::Config, wanted: bool) -> Option<String> {
    let give_up = Instant::now() + BOUND;
    loop {
        let seen = status_of(config).await;
        if let Some(status) = &seen
            && status.journal.degraded.is_some() == wanted
        {
            return status.journal.degraded.clone();
        }
        assert!(Instant::now() < give_up, "degraded: {wanted} was not seen; last: {seen:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn on_a_full_disk_transitions_are_reported_from_memory_and_written_when_there_is_room() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let disk = SmallDisk::mount(&config.state_dir);
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let boot_id = agent.boot_id;
    let (mut session, _) = server.welcome(&[]).await;
    let last_run = config.state_dir.join("journal/last-run.json");
    agent.report(Report::Found(Found::default())).await;
    eventually("the run is kept", || last_run.exists(), |exists| *exists).await;
    let ballast = disk.fill();

    let began = Instant::now();
    agent.transitions(20).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let why = degraded_is(&config, true).await.unwrap();
    assert!(why.contains("No space left"), "{why}");
    eventually("the journal does not tell all of it", || last_run.exists(), |exists| !exists).await;
    session.desire(state(1, 1)).await;
    assert_eq!(agent.apply().await, revision(1, 1), "the dataplane does not depend on the disk");

    let mut received = Vec::new();
    while received.len() < 20 {
        received.extend(session.next_that("transitions", transitions_of).await);
        let sequence = *received.last().unwrap();
        session.acknowledge(Acknowledged { boot_id, sequence }).await;
    }
    assert_eq!(received, (1..=20).collect::<Vec<_>>());

    agent.transitions(3).await;
    assert_eq!(session.next_that("transitions", transitions_of).await.first(), Some(&21));
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(degraded_is(&config, false).await, None);
    agent.crash().await;
    assert!(!last_run.exists(), "what was sent from memory was never written");

    // Acknowledged ones were never written; their numbers are taken all the same.
    let agent = Agent::start_boot(&config, boot_id).await;
    let (mut session, _) = server.welcome(&[Acknowledged { boot_id, sequence: 20 }]).await;
    assert_eq!(session.next_that("transitions", transitions_of).await, [21, 22, 23]);
    agent.crash().await;
}

#[tokio::test]
async fn the_next_run_is_told_the_settings_of_the_worker_that_went_on_last() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let mut config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let last_run = config.state_dir.join("journal/last-run.json");
    let kept = || std::fs::read_to_string(&last_run).unwrap_or_default();
    let agent = Agent::start(&config).await;
    agent.report(Report::Found(Found::default())).await;
    eventually("of the first", kept, |kept| kept.contains(r#""address_lease":true"#)).await;
    let boot_id = agent.boot_id;
    agent.crash().await;

    config.fences.address_lease = false;
    let agent = Agent::start_second(&config, boot_id);
    let kept = eventually("of the second", kept, |kept| kept.contains(r#""address_lease":false"#)).await;
    assert!(kept.contains(&boot_id.to_string()), "{kept}");
    agent.crash().await;
}

pub(crate) fn transitions_of(message: api_types::channel::AgentMessage) -> Option<Vec<u64>> {
    match message {
        api_types::channel::AgentMessage::Transitions { transitions } => {
            Some(transitions.iter().map(|transition| transition.sequence).collect())
        }
        api_types::channel::AgentMessage::Hello(_)
        | api_types::channel::AgentMessage::Applied { .. }
        | api_types::channel::AgentMessage::Rejected { .. }
        | api_types::channel::AgentMessage::Status(_)
        | api_types::channel::AgentMessage::Assist(_)
        | api_types::channel::AgentMessage::Converged(_) => None,
    }
}
