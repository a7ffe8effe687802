//! A batch of transitions becomes rows, failovers and audit entries, all in the caller's transaction.

use std::collections::BTreeMap;

use api_types::Timestamp;
use api_types::audit::{Actor, ActorKind};
use api_types::channel::Acknowledged;
use api_types::failover::Failover;
use api_types::transition::TransitionRecord;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::failover::Recorded;
use crate::store::audit::{self, Entry, Origin, Target};
use crate::store::failovers::{self, Change};
use crate::store::identities::Enrolled;
use crate::store::transitions::{self, Appended};
use crate::store::{StoreError, audit::server, journal_positions, member_reports};

/// What a batch came to. True only once its transaction is committed.
#[derive(Debug)]
pub struct Ingested {
    /// How far the boot is recorded without gaps; `None` for an empty batch.
    pub acknowledged: Option<Acknowledged>,
    /// How many transitions were not known before.
    pub transitions: u64,
}

/// Records a batch of transitions of one boot.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn ingest(
    conn: &mut PgConnection,
    node: &Enrolled,
    origin: &Origin,
    batch: &[TransitionRecord],
    now: Timestamp,
) -> Result<Ingested, StoreError> {
    let Some(boot) = batch.first().map(|record| record.boot_id) else {
        return Ok(Ingested { acknowledged: None, transitions: 0 });
    };
    journal_positions::lock(conn, node.id, boot, now).await?;
    let mut earliest: BTreeMap<Uuid, Timestamp> = BTreeMap::new();
    let mut count = 0;
    let mut moved = Vec::new();
    for record in batch {
        match transitions::append(conn, node.id, node.name.as_str(), record, now).await? {
            Appended::New(recorded) => {
                audit::record(conn, now, &transition_entry(node, origin, &recorded)).await?;
                if member_reports::follow(conn, node.id, record, now).await? {
                    moved.push(record.group_id);
                }
                let first = earliest.entry(record.group_id).or_insert(record.at);
                *first = (*first).min(record.at);
                count += 1;
            }
            Appended::Contradicts(stored) => {
                audit::record(conn, now, &contradiction_entry(node, origin, &stored, record)).await?;
            }
            Appended::Known | Appended::ContradictsAgain => {}
        }
    }
    let acknowledged = journal_positions::advance(conn, node.id, boot).await?;
    // In the order of the groups, so that two agents that report the same moves never wait for each other.
    for (group, earliest) in earliest {
        for change in failovers::rejoin(conn, group, earliest, now).await? {
            audit::record(conn, now, &change_entry(&change)).await?;
        }
    }
    member_reports::judge_groups(conn, &moved, now).await?;
    Ok(Ingested { acknowledged: Some(acknowledged), transitions: count })
}

/// Concludes the failovers that have waited long enough for what other members report. What it returns is true
/// only once the transaction is committed.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn conclude_due(conn: &mut PgConnection, now: Timestamp) -> Result<Vec<Failover>, StoreError> {
    let concluded = failovers::conclude_due(conn, now).await?;
    for failover in &concluded {
        audit::record(conn, now, &failover_entry("failover", failover).after(failover)).await?;
    }
    Ok(concluded)
}

/// Counts what a committed batch came to.
pub fn count(ingested: &Ingested) {
    metrics::counter!("baton_transitions_total").increment(ingested.transitions);
}

/// Counts failovers that are concluded and committed.
pub fn count_failovers(concluded: &[Failover]) {
    for failover in concluded {
        metrics::counter!("baton_failovers_total", "cause" => failover.cause.as_str()).increment(1);
        tracing::info!(
            group = failover.group,
            from = failover.from,
            to = failover.to,
            cause = failover.cause.as_str(),
            gap_ms = failover.gap_ms,
            "failover"
        );
    }
}

/// The agent of a node as an actor.
#[must_use]
pub fn agent(node: &Enrolled) -> Actor {
    Actor { kind: ActorKind::Node, name: Some(node.name.to_string()), id: Some(node.id) }
}

fn transition_entry(node: &Enrolled, origin: &Origin, recorded: &Recorded) -> Entry {
    let Recorded { record, .. } = recorded;
    let target = Target::new("group", record.group_id, &record.group);
    Entry::done(agent(node), origin.clone(), "transition", target).after(record)
}

fn contradiction_entry(
    node: &Enrolled,
    origin: &Origin,
    stored: &Recorded,
    reported: &TransitionRecord,
) -> Entry {
    let target = Target::new("group", stored.record.group_id, &stored.record.group);
    Entry::refused(agent(node), origin.clone(), "transition", target, reported).before(&stored.record)
}

/// What is recorded of a failover that came to be seen in another light.
pub(super) fn change_entry(change: &Change) -> Entry {
    match change {
        Change::Corrected { before, after } => {
            failover_entry("failover.correct", after).before(before).after(after)
        }
        Change::Withdrawn(failover) => failover_entry("failover.withdraw", failover).before(failover),
    }
}

fn failover_entry(action: &'static str, failover: &Failover) -> Entry {
    let target = Target::new("group", failover.group_id, &failover.group);
    Entry::done(server(), Origin::default(), action, target)
}
