//! Failovers: kept equal to what the transitions of their group show.
//!
//! Both members of a move report it, one after the other, and each adds what only it knows. So a failover waits for
//! [`HOLD_BACK`] before it is concluded: until then it is a row that nobody sees and that follows the reports
//! silently; from then on it is a record, and each change of it is another. Who concludes is the next server that
//! looks ([`conclude_due`]), whoever wrote the row.

use std::collections::HashMap;

use api_types::Timestamp;
use api_types::failover::Failover;
use chrono::TimeDelta;
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;

use super::failover_records::FailoverRow;
use super::{StoreError, convergences, transitions};
use crate::domain::failover::{self, Addresses, Evidence, Move};

/// How joining the transitions of a group anew changed what was concluded before.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A failover that late transitions show in another light.
    Corrected {
        /// As it was recorded.
        before: Box<Failover>,
        /// As it is now.
        after: Failover,
    },
    /// A failover that late transitions show to be none.
    Withdrawn(Failover),
}

/// A transition corrects the gap of a takeover that lies at most this far before it.
const REACHES_BACK: TimeDelta = TimeDelta::seconds(60);

/// How long the reports of one move are waited for.
const HOLD_BACK: TimeDelta = TimeDelta::milliseconds(750);

/// Concludes the failovers that have waited long enough, and returns them.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn conclude_due(conn: &mut PgConnection, now: Timestamp) -> Result<Vec<Failover>, StoreError> {
    // Who holds a row is about to change it, or concludes it: there is another time.
    sqlx::query_as!(
        FailoverRow,
        "UPDATE failovers SET concluded = true, recorded_at = $1
         WHERE id IN (SELECT id FROM failovers WHERE NOT concluded AND recorded_at <= $2
                      ORDER BY id FOR UPDATE SKIP LOCKED)
         RETURNING id, group_id, group_name, from_member, to_member, cause, last_advertisement_at, bound_at,
                   announced_at, gap_ms, gap_method, convergence_ms, convergence_checked_by, transitions,
                   recorded_at, failing_checks",
        now.as_datetime(),
        now.as_datetime() - HOLD_BACK,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Failover::try_from)
    .collect()
}

/// Joins the transitions of a group anew, after some were added of which `earliest` is the first.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn rejoin(
    conn: &mut PgConnection,
    group: Uuid,
    earliest: Timestamp,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    lock(conn, group).await?;
    let since = Timestamp::from(earliest.as_datetime() - REACHES_BACK);
    let history = transitions::history(conn, group, since).await?;
    let addresses = addresses(conn, group, since).await?;
    let at: HashMap<Uuid, Timestamp> =
        history.transitions.iter().map(|transition| (transition.id, transition.record.at)).collect();
    let is_open = |each: &Move| at.get(&each.transition).is_some_and(|at| *at >= since);
    let shown = failover::join(&history.earlier, &history.transitions, &addresses);
    let mut recorded = recorded_since(conn, group, since).await?;

    let mut changes = Vec::new();
    for shown in shown.into_iter().filter(is_open) {
        match recorded.remove(&(shown.transition, shown.evidence)) {
            None => insert(conn, &shown, now).await?,
            Some(Known { failover: before, concluded }) => {
                let mut after = as_failover(&shown, before.id, before.recorded_at);
                if after.to == before.to {
                    after.convergence_ms = before.convergence_ms;
                    after.convergence_checked_by.clone_from(&before.convergence_checked_by);
                }
                if after != before {
                    update(conn, &shown, before.id).await?;
                    changes
                        .extend(concluded.then_some(Change::Corrected { before: Box::new(before), after }));
                }
            }
        }
    }
    for (_, Known { failover, concluded }) in recorded {
        sqlx::query!("DELETE FROM failovers WHERE id = $1", failover.id).execute(&mut *conn).await?;
        changes.extend(concluded.then_some(Change::Withdrawn(failover)));
    }
    changes.extend(convergences::complete(conn, group).await?);
    Ok(changes)
}

/// Lets nobody else join what happened in the group until the transaction ends.
pub(super) async fn lock(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    let key = format!("failovers/{group}");
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key).execute(conn).await?;
    Ok(())
}

/// Who advertises from which address in the group: its members, and the nodes whose transitions are looked at.
/// Where an address had several owners, the last one that reported it counts.
pub(super) async fn addresses(
    conn: &mut PgConnection,
    group: Uuid,
    since: Timestamp,
) -> Result<Addresses, StoreError> {
    let mut addresses = Addresses::default();
    let externals = sqlx::query!(
        r#"SELECT external_name AS "name!", external_address AS "address!: IpNet" FROM members
           WHERE group_id = $1 AND external_name IS NOT NULL"#,
        group
    );
    for row in externals.fetch_all(&mut *conn).await? {
        addresses.add_external(row.address.addr(), &row.name);
    }
    let nodes = sqlx::query!(
        r#"SELECT a.node_id, n.name, a.address AS "address!: IpNet"
           FROM node_addresses a JOIN nodes n ON n.id = a.node_id
           WHERE (a.node_id, a.interface) IN (
               SELECT node_id, interface FROM members WHERE group_id = $1 AND node_id IS NOT NULL
               UNION SELECT node_id, interface FROM transitions WHERE group_id = $1 AND at >= $2)
           ORDER BY a.last_reported_at DESC, a.node_id"#,
        group,
        since.as_datetime()
    );
    for row in nodes.fetch_all(conn).await? {
        addresses.add_node(row.address.addr(), row.node_id, &row.name);
    }
    Ok(addresses)
}

/// A failover that has a row.
struct Known {
    failover: Failover,
    concluded: bool,
}

/// The failovers since some time. Nobody concludes them before the transaction ends.
async fn recorded_since(
    conn: &mut PgConnection,
    group: Uuid,
    since: Timestamp,
) -> Result<HashMap<(Uuid, Evidence), Known>, StoreError> {
    let keys = sqlx::query!(
        "SELECT f.id, f.transition_id, f.evidence, f.concluded
         FROM failovers f JOIN transitions t ON t.id = f.transition_id
         WHERE f.group_id = $1 AND t.at >= $2
         ORDER BY f.id FOR UPDATE OF f",
        group,
        since.as_datetime()
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    let rows = sqlx::query_as!(
        FailoverRow,
        "SELECT id, group_id, group_name, from_member, to_member, cause, last_advertisement_at, bound_at,
                announced_at, gap_ms, gap_method, convergence_ms, convergence_checked_by, transitions, recorded_at,
                failing_checks
         FROM failovers WHERE id = ANY($1)",
        &ids
    )
    .fetch_all(conn)
    .await?;
    let mut failovers = HashMap::new();
    for row in rows {
        failovers.insert(row.id, Failover::try_from(row)?);
    }
    let mut by_key = HashMap::new();
    for key in keys {
        let evidence = [Evidence::TakenOver, Evidence::ExternalHeard, Evidence::YieldedBack]
            .into_iter()
            .find(|evidence| evidence.as_str() == key.evidence)
            .ok_or_else(|| StoreError::inconsistent("failovers", key.id, "its evidence"))?;
        if let Some(failover) = failovers.remove(&key.id) {
            let known = Known { failover, concluded: key.concluded };
            by_key.insert((key.transition_id, evidence), known);
        }
    }
    Ok(by_key)
}

async fn insert(conn: &mut PgConnection, shown: &Move, now: Timestamp) -> Result<(), StoreError> {
    let failover = as_failover(shown, Uuid::now_v7(), now);
    sqlx::query!(
        "INSERT INTO failovers (id, group_id, group_name, transition_id, evidence, at, from_member, to_member,
                                cause, last_advertisement_at, bound_at, announced_at, gap_ms, gap_method,
                                transitions, recorded_at, concluded, failing_checks)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, false, $17)",
        failover.id,
        failover.group_id,
        failover.group,
        shown.transition,
        shown.evidence.as_str(),
        shown.at.as_datetime(),
        failover.from,
        failover.to,
        failover.cause.as_str(),
        failover.last_advertisement_at.map(Timestamp::as_datetime),
        failover.bound_at.map(Timestamp::as_datetime),
        failover.announced_at.map(Timestamp::as_datetime),
        failover.gap_ms,
        failover.gap_method.as_str(),
        &failover.transitions,
        now.as_datetime(),
        &failover.failing_checks,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn update(conn: &mut PgConnection, shown: &Move, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE failovers
         SET group_name = $2, at = $3, from_member = $4, to_member = $5, cause = $6, last_advertisement_at = $7,
             bound_at = $8, announced_at = $9, gap_ms = $10, gap_method = $11, transitions = $12, failing_checks = $13,
             convergence_ms = CASE WHEN to_member = $5 THEN convergence_ms END,
             convergence_checked_by = CASE WHEN to_member = $5 THEN convergence_checked_by END
         WHERE id = $1",
        id,
        shown.group,
        shown.at.as_datetime(),
        shown.from,
        shown.to,
        shown.cause.as_str(),
        shown.last_advertisement_at.map(Timestamp::as_datetime),
        shown.bound_at.map(Timestamp::as_datetime),
        shown.announced_at.map(Timestamp::as_datetime),
        shown.gap_ms,
        shown.gap_method.as_str(),
        &shown.transitions,
        &shown.failing_checks,
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn as_failover(shown: &Move, id: Uuid, recorded_at: Timestamp) -> Failover {
    Failover {
        id,
        group: shown.group.clone(),
        group_id: shown.group_id,
        from: Some(shown.from.clone()),
        to: shown.to.clone(),
        cause: shown.cause,
        failing_checks: shown.failing_checks.clone(),
        last_advertisement_at: shown.last_advertisement_at,
        bound_at: shown.bound_at,
        announced_at: shown.announced_at,
        gap_ms: shown.gap_ms,
        gap_method: shown.gap_method,
        convergence_ms: None,
        convergence_checked_by: None,
        recorded_at,
        transitions: shown.transitions.clone(),
    }
}
