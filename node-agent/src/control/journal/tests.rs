use std::future::Future;

use api_types::transition::{State, TransitionReason};

use super::test_data::observed;
use super::*;

/// Waits until a condition holds, or says what was seen instead.
async fn eventually<T: std::fmt::Debug, F: Future<Output = T>>(
    see: impl Fn() -> F,
    holds: impl Fn(&T) -> bool,
) -> T {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let seen = see().await;
        if holds(&seen) {
            return seen;
        }
        assert!(tokio::time::Instant::now() < give_up, "after 10 s: {seen:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn sequences(journal: &Journal, boot_id: Uuid, from: u64) -> Vec<u64> {
    let batch = journal.batch(boot_id, from, 100_000).await.unwrap();
    batch.iter().map(|transition| transition.sequence).collect()
}

#[tokio::test]
async fn a_restarted_worker_continues_the_sequence_of_its_boot_and_a_new_boot_begins_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let boot_id = Uuid::new_v4();
    for round in 0..3_u64 {
        let journal = Journal::open(directory.path(), boot_id).unwrap();
        journal.flush().await;
        journal.append(observed());
        journal.append(observed());
        journal.flush().await;
        assert_eq!(journal.boots().last().unwrap().last, 2 * round + 2);
        assert_eq!(sequences(&journal, boot_id, 1).await.first(), Some(&1), "read back from disk");
    }
    let next_boot = Uuid::new_v4();
    let journal = Journal::open(directory.path(), next_boot).unwrap();
    journal.flush().await;
    journal.append(observed());
    journal.flush().await;
    let boots: Vec<_> = journal.boots().iter().map(|boot| (boot.boot_id, boot.last)).collect();
    assert_eq!(boots, [(boot_id, 6), (next_boot, 1)]);
    assert_eq!(journal.status().unacknowledged, 7);
}

#[tokio::test]
async fn an_acknowledgement_is_remembered_and_what_it_covers_can_still_be_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let boot_id = Uuid::new_v4();
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    for _ in 0..5 {
        journal.append(observed());
    }
    journal.flush().await;
    journal.acknowledge(Acknowledged { boot_id, sequence: 3 });
    journal.flush().await;
    assert_eq!(journal.status().unacknowledged, 2);
    assert_eq!(sequences(&journal, boot_id, 2).await, [2, 3, 4, 5]);
    drop(journal);

    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    assert_eq!(journal.status().unacknowledged, 2);
}

#[tokio::test]
async fn a_burst_is_handed_out_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let boot_id = Uuid::new_v4();
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    let mut sendable = journal.watch_sendable();
    for _ in 0..25_000 {
        journal.append(observed());
        // As the dataplane's bounded channel does: the disk gets a chance now and then.
        if journal.status().unacknowledged.is_multiple_of(5_000) {
            journal.flush().await;
        }
    }
    journal.flush().await;
    tokio::time::timeout(Duration::from_secs(5), sendable.changed()).await.unwrap().unwrap();
    let all = sequences(&journal, boot_id, 1).await;
    assert_eq!(all, (1..=25_000).collect::<Vec<_>>());
    assert_eq!(journal.status().degraded, None);
}

#[tokio::test]
async fn what_the_server_knows_and_the_disk_lost_is_not_numbered_again() {
    let directory = tempfile::tempdir().unwrap();
    let boot_id = Uuid::new_v4();
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    journal.append(observed());
    journal.align(&[Acknowledged { boot_id, sequence: 9 }]);
    journal.flush().await;
    assert_eq!(sequences(&journal, boot_id, 10).await, [10]);
    assert_eq!(journal.status().unacknowledged, 1);
    drop(journal);
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    assert_eq!(journal.boots().last().unwrap().last, 10);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_degrades_the_journal_until_it_can() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("journal");
    std::fs::write(&directory, "in the way").unwrap();
    let boot_id = Uuid::new_v4();
    let journal = Journal::open(&directory, boot_id).unwrap();
    journal.flush().await;
    journal.append(observed());
    journal.append(observed());
    eventually(|| async { journal.status().degraded }, Option::is_some).await;
    assert_eq!(sequences(&journal, boot_id, 1).await, [1, 2], "sent from memory");

    std::fs::remove_file(&directory).unwrap();
    eventually(|| async { journal.status().degraded }, Option::is_none).await;
    journal.flush().await;
    drop(journal);
    let journal = Journal::open(&directory, boot_id).unwrap();
    journal.flush().await;
    assert_eq!(sequences(&journal, boot_id, 1).await, [1, 2], "now on disk");
}

/// What the beginning of a run is told of the run before; `None` when there is nothing to be told.
async fn told_in(directory: &Path, boot_id: Uuid) -> Option<(Vec<Uuid>, bool)> {
    let journal = Journal::open(directory, boot_id).unwrap();
    let (tell, told) = oneshot::channel();
    journal.begin(false, move |unfinished| {
        let held = unfinished.held.iter().map(|held| held.group_id).collect();
        tell.send((held, unfinished.address_lease)).unwrap();
        Vec::new()
    });
    journal.flush().await;
    told.await.ok()
}

/// A run that dies while it holds the first of two groups and no longer holds the second.
async fn a_death(directory: &Path) {
    let journal = Journal::open(directory, Uuid::new_v4()).unwrap();
    journal.begin(true, |_| Vec::new());
    let second = ObservedTransition { group_id: Uuid::from_u128(2), ..observed() };
    journal.append(observed());
    journal.append(second.clone());
    journal.append(ObservedTransition { from: State::Active, to: State::Backup, ..second });
    journal.flush().await;
}

#[tokio::test]
async fn what_became_of_what_a_run_held_when_it_died_comes_first_in_the_next() {
    let directory = tempfile::tempdir().unwrap();
    a_death(directory.path()).await;
    let boot_id = Uuid::new_v4();
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.begin(true, |unfinished| {
        assert!(unfinished.address_lease);
        let end = |held: &TransitionRecord| {
            let (group_id, reason) = (held.group_id, TransitionReason::AddressLease);
            ObservedTransition { group_id, from: held.to, to: State::Initialize, reason, ..observed() }
        };
        unfinished.held.iter().map(end).collect()
    });
    journal.append(observed());
    journal.flush().await;
    drop(journal);
    let journal = Journal::open(directory.path(), boot_id).unwrap();
    journal.flush().await;
    let recorded = journal.batch(boot_id, 1, 10).await.unwrap();
    let recorded: Vec<_> =
        recorded.iter().map(|one| (one.sequence, one.group_id, one.to, one.reason)).collect();
    assert_eq!(
        recorded,
        [
            (1, Uuid::nil(), State::Initialize, TransitionReason::AddressLease),
            (2, Uuid::nil(), State::Active, TransitionReason::NoResponse),
        ]
    );
}

#[tokio::test]
async fn the_next_run_hears_once_what_the_one_before_held() {
    let directory = tempfile::tempdir().unwrap();
    a_death(directory.path()).await;
    let next = Uuid::new_v4();
    assert_eq!(told_in(directory.path(), next).await, Some((vec![Uuid::nil()], true)));
    assert_eq!(told_in(directory.path(), next).await, None, "another worker of the same run");
    let after = told_in(directory.path(), Uuid::new_v4()).await;
    assert_eq!(after, Some((Vec::new(), false)), "what is left now is the work of the run between");
}

#[tokio::test]
async fn nothing_is_said_of_fences_once_the_host_was_started_anew() {
    let directory = tempfile::tempdir().unwrap();
    a_death(directory.path()).await;
    let path = directory.path().join("last-run.json");
    let mut run: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    run["host_boot_id"] = Uuid::new_v4().to_string().into();
    std::fs::write(&path, run.to_string()).unwrap();
    assert_eq!(told_in(directory.path(), Uuid::new_v4()).await, None);
}
