//! Switchovers: begun on request, followed by what the members report, ended by whatever ends them.
//!
//! Whoever changes one holds the lock of its group's conditions ([`super::conditions::lock`]), so that two
//! who look at the same reports never both act on them.

use std::collections::HashMap;

use api_types::Timestamp;
use api_types::audit::Actor;
use api_types::boost::Boost;
use api_types::switchover::SwitchoverState;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use vrrp::BoostedPriority;

use super::audit::{self, Entry, Origin, Target};
use super::switchover_records::{self, state_of};
use super::{StoreError, conditions};
use crate::domain::holder::Observed;
use crate::domain::switchover::{self, InEffect, Plan, Verdict};

/// How long the target may take to say that it holds the addresses.
const TAKES_AT_MOST: TimeDelta = TimeDelta::seconds(2);
/// How long a target without a session is waited for: a server that was restarted gets its sessions back
/// meanwhile.
const RETURNS_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// A switchover that begins.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// Names it.
    pub id: Uuid,
    /// The group.
    pub group_id: Uuid,
    /// The name of the group.
    pub group: &'a str,
    /// What it shall be.
    pub plan: &'a Plan,
    /// Who asked for it.
    pub actor: &'a Actor,
    /// When.
    pub now: Timestamp,
}

/// Begins a switchover in a group where none is in effect, and wakes the servers once the transaction is
/// committed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn insert(conn: &mut PgConnection, new: New<'_>) -> Result<(), StoreError> {
    let New { id, group_id, group, plan, actor, now } = new;
    sqlx::query!(
        "INSERT INTO switchovers (id, group_id, group_name, from_member, to_member, target_id, boot_id,
                                  target_since, sequence, priority, state, actor_kind, actor_name, actor_id,
                                  requested_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, coalesce(max(sequence), 0) + 1, $9, 'requested', $10, $11, $12,
                $13
         FROM switchovers WHERE group_id = $2",
        id,
        group_id,
        group,
        plan.from,
        plan.to,
        plan.target,
        plan.boot_id,
        plan.target_since.as_datetime(),
        i16::from(u8::from(plan.priority)),
        actor.kind.as_str(),
        actor.name.as_deref(),
        actor.id,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await?;
    count(SwitchoverState::Requested);
    wake(conn).await
}

/// Ends a switchover that is in effect, and wakes the servers once the transaction is committed. `reason` is
/// a sentence for people.
///
/// # Errors
/// When the database cannot be asked.
pub async fn finish(
    conn: &mut PgConnection,
    id: Uuid,
    state: SwitchoverState,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        "UPDATE switchovers SET state = $2, reason = $3, ended_at = $4
         WHERE id = $1 AND state IN ('requested', 'active')",
        id,
        state.as_str(),
        reason,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await?;
    if ended.rows_affected() > 0 {
        count(state);
    }
    wake(conn).await
}

/// Counts a switchover that came into this state: here, because whoever changes one comes by. A transaction
/// that fails later, and is made again, counts twice.
fn count(state: SwitchoverState) {
    metrics::counter!("baton_switchovers_total", "state" => state.as_str()).increment(1);
}

/// Ends a switchover without anybody's request, and says so in the audit log.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn end(
    conn: &mut PgConnection,
    id: Uuid,
    state: SwitchoverState,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    finish(conn, id, state, reason, now).await?;
    let Some(record) = switchover_records::find(conn, id).await? else { return Ok(()) };
    tracing::info!(group = record.group, to = record.to, state = state.as_str(), reason, "switchover");
    let action = if state == SwitchoverState::Failed { "switchover.fail" } else { "switchover.end" };
    let target = Target::new("group", record.group_id, &record.group);
    let entry = Entry::done(audit::server(), Origin::default(), action, target).after(&record);
    audit::record(conn, now, &entry).await?;
    Ok(())
}

async fn wake(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_notify('baton_boosts', '')").execute(conn).await?;
    Ok(())
}

/// The switchover that is in effect in each of these groups. A group without one is absent.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn in_effect(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, InEffect>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, group_id, target_id, to_member, boot_id, priority, state, requested_at FROM switchovers
         WHERE state IN ('requested', 'active') AND group_id = ANY($1)",
        groups
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let in_effect = InEffect {
                id: row.id,
                group_id: row.group_id,
                target: row.target_id,
                to: row.to_member,
                boot_id: row.boot_id,
                priority: priority_of(row.id, row.priority)?,
                state: state_of(row.id, &row.state)?,
                requested_at: row.requested_at.into(),
            };
            Ok((in_effect.group_id, in_effect))
        })
        .collect()
}

/// Every boost there is, by the node that it is for.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn boosts(conn: &mut PgConnection) -> Result<HashMap<Uuid, Vec<Boost>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, group_id, target_id, boot_id, sequence, priority FROM switchovers
         WHERE state IN ('requested', 'active') ORDER BY group_id"
    )
    .fetch_all(conn)
    .await?;
    let mut boosts: HashMap<Uuid, Vec<Boost>> = HashMap::new();
    for row in rows {
        boosts.entry(row.target_id).or_default().push(Boost {
            group_id: row.group_id,
            switchover_id: row.id,
            sequence: u64::try_from(row.sequence)
                .map_err(|error| StoreError::inconsistent("switchovers", row.id, error))?,
            boot_id: row.boot_id,
            priority: priority_of(row.id, row.priority)?,
        });
    }
    Ok(boosts)
}

/// Lets the switchovers of these groups follow what their members have reported, and returns those that are
/// still in effect. The conditions of the groups are locked.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn review(
    conn: &mut PgConnection,
    groups: &[Uuid],
    observed: &HashMap<Uuid, Vec<Observed>>,
    now: Timestamp,
) -> Result<HashMap<Uuid, InEffect>, StoreError> {
    let mut in_effect = in_effect(conn, groups).await?;
    let mut over = Vec::new();
    for (group, switchover) in &mut in_effect {
        let members = observed.get(group).map(Vec::as_slice).unwrap_or_default();
        match switchover::review(switchover, members) {
            Verdict::GoesOn => {}
            Verdict::TakenOver => {
                switchover.state = SwitchoverState::Active;
                sqlx::query!(
                    "UPDATE switchovers SET state = 'active', active_at = $2 WHERE id = $1 AND state = 'requested'",
                    switchover.id,
                    now.as_datetime(),
                )
                .execute(&mut *conn)
                .await?;
                let took = now.as_datetime() - switchover.requested_at.as_datetime();
                count(SwitchoverState::Active);
                metrics::gauge!("baton_switchover_last_duration_seconds").set(took.as_seconds_f64());
                tracing::info!(to = switchover.to, id = %switchover.id, %took, "switchover: the addresses are there");
            }
            Verdict::Ended(reason) => {
                end(conn, switchover.id, SwitchoverState::Ended, &reason, now).await?;
                over.push(*group);
            }
        }
    }
    in_effect.retain(|group, _| !over.contains(group));
    Ok(in_effect)
}

/// Withdraws the switchovers whose target has not taken over in time, and returns their groups, whose
/// conditions are to be judged anew.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn fail_due(conn: &mut PgConnection, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let (taken_by, back_by) = (now.as_datetime() - TAKES_AT_MOST, now.as_datetime() - RETURNS_WITHIN);
    let due = due(conn, taken_by, back_by).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let groups: Vec<_> = due.iter().map(|due| due.group_id).collect();
    conditions::lock(conn, &groups).await?;
    // What was reported meanwhile counts.
    let due = self::due(conn, taken_by, back_by).await?;
    for due in due.into_iter().filter(|due| groups.contains(&due.group_id)) {
        let reason = match (due.refused, due.state.as_deref()) {
            _ if !due.connected => format!("{} has had no session with a server for a minute", due.to),
            (Some(why), _) => format!("{} did not take over: {why}", due.to),
            (None, Some("active")) => format!(
                "{} holds the addresses, and after 2 s {} did not let go of them: does it hear {0}?",
                due.to,
                due.others.join(" and "),
            ),
            (None, Some(state)) => format!("{} did not take over within 2 s, and is {state}", due.to),
            (None, None) => format!("{} did not take over within 2 s", due.to),
        };
        end(conn, due.id, SwitchoverState::Failed, &reason, now).await?;
    }
    Ok(groups)
}

struct Due {
    id: Uuid,
    group_id: Uuid,
    to: String,
    connected: bool,
    state: Option<String>,
    /// The other members with a session that hold the addresses by their own last word.
    others: Vec<String>,
    /// Why its agent did not obey.
    refused: Option<String>,
}

async fn due(
    conn: &mut PgConnection,
    taken_by: DateTime<Utc>,
    back_by: DateTime<Utc>,
) -> Result<Vec<Due>, StoreError> {
    let due = sqlx::query_as!(
        Due,
        r#"SELECT s.id, s.group_id, s.to_member AS "to", n.session_id IS NOT NULL AS "connected!",
                  r.state AS "state?", r.details->>'boost_refused' AS refused,
                  ARRAY(SELECT o.name FROM member_reports h JOIN nodes o ON o.id = h.node_id
                        WHERE h.group_id = s.group_id AND h.node_id <> s.target_id AND h.state = 'active'
                          AND o.session_id IS NOT NULL ORDER BY o.name) AS "others!"
           FROM switchovers s
           LEFT JOIN nodes n ON n.id = s.target_id
           LEFT JOIN member_reports r ON r.group_id = s.group_id AND r.node_id = s.target_id
           WHERE s.state = 'requested'
             AND CASE WHEN n.session_id IS NULL THEN s.requested_at <= $2
                      ELSE greatest(s.requested_at, n.session_began_at) <= $1 END
           ORDER BY s.group_id"#,
        taken_by,
        back_by,
    );
    Ok(due.fetch_all(conn).await?)
}

fn priority_of(id: Uuid, column: i16) -> Result<BoostedPriority, StoreError> {
    BoostedPriority::try_from(i64::from(column))
        .map_err(|error| StoreError::inconsistent("switchovers", id, error))
}
