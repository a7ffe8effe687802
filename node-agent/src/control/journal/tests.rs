use std::future::Future;

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
