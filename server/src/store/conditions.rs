//! Conditions: what is not as it should be, for as long as it is so.
//!
//! Under [`lock`], [`settle`] makes the rows of one subject equal to what the rules find now. A finding that must last first waits
//! as a row that has not begun; [`begin_due`] lets it begin when its time has come. Both record the events.

use std::collections::HashMap;

use api_types::Timestamp;
use api_types::condition::{Condition, ConditionKind};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::events::{self, Phase, Subject};
use crate::domain::condition::Finding;

/// However often what is found changes, it is a condition when something was found for so long.
const AT_LATEST: TimeDelta = TimeDelta::seconds(10);
/// How long a server that has just started gives the agents to come back, before it believes that they are away.
const AFTER_START: TimeDelta = TimeDelta::seconds(3);

/// Keeps others from judging the same subjects until the transaction ends. It comes before reading what the
/// judgement rests on, so that the last one to judge is the last one to have looked.
///
/// # Errors
/// When the database cannot be asked.
pub async fn lock(conn: &mut PgConnection, subjects: &[Uuid]) -> Result<(), StoreError> {
    let mut subjects = subjects.to_vec();
    // One order for everybody, so that two transactions never wait for each other.
    subjects.sort_unstable();
    for subject in subjects {
        let key = format!("conditions/{subject}");
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Makes the conditions of `subject`, which exists and is locked, be exactly `findings`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn settle(
    conn: &mut PgConnection,
    subject: Subject,
    findings: &[Finding],
    now: Timestamp,
) -> Result<(), StoreError> {
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind.as_str().to_owned()).collect();
    let ended = sqlx::query!(
        "DELETE FROM conditions
         WHERE group_id IS NOT DISTINCT FROM $1 AND node_id IS NOT DISTINCT FROM $2 AND kind <> ALL($3)
         RETURNING kind, detail, begun",
        subject.group_id(),
        subject.node_id(),
        &kinds,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in ended.into_iter().filter(|row| row.begun) {
        let kind = kind_of(&row.kind, subject.id())?;
        events::record(conn, now, subject, kind, Phase::Ended, &row.detail).await?;
    }
    for finding in findings {
        find_again_or_add(conn, subject, finding, now).await?;
    }
    Ok(())
}

async fn find_again_or_add(
    conn: &mut PgConnection,
    subject: Subject,
    finding: &Finding,
    now: Timestamp,
) -> Result<(), StoreError> {
    let at_once = finding.settles_in.is_zero();
    let begins_at = now.as_datetime() + finding.settles_in;
    let added = sqlx::query!(
        "INSERT INTO conditions (group_id, node_id, kind, detail, since, begins_at, begun)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT conditions_subject_kind_key DO NOTHING",
        subject.group_id(),
        subject.node_id(),
        finding.kind.as_str(),
        finding.detail,
        now.as_datetime(),
        begins_at,
        at_once,
    )
    .execute(&mut *conn)
    .await?;
    if added.rows_affected() == 0 {
        sqlx::query!(
            "UPDATE conditions
             SET detail = $4,
                 begins_at = CASE WHEN $5 AND NOT begun THEN least($6, since + $7::interval) ELSE begins_at END
             WHERE group_id IS NOT DISTINCT FROM $1 AND node_id IS NOT DISTINCT FROM $2 AND kind = $3
               AND detail <> $4",
            subject.group_id(),
            subject.node_id(),
            finding.kind.as_str(),
            finding.detail,
            finding.anew,
            begins_at,
            AT_LATEST as _,
        )
        .execute(conn)
        .await?;
    } else if at_once {
        events::record(conn, now, subject, finding.kind, Phase::Began, &finding.detail).await?;
    }
    Ok(())
}

/// Lets what waits to become a condition wait for longer, since nobody has looked for a while.
///
/// # Errors
/// When the database cannot be asked.
pub async fn postpone(conn: &mut PgConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE conditions SET begins_at = greatest(begins_at, $1::timestamptz + $2::interval) WHERE NOT begun",
        now.as_datetime(),
        AFTER_START as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets the conditions begin that have lasted long enough.
///
/// # Errors
/// When the database cannot be asked.
pub async fn begin_due(conn: &mut PgConnection, now: Timestamp) -> Result<(), StoreError> {
    let begun = sqlx::query!(
        "UPDATE conditions SET begun = true WHERE NOT begun AND begins_at <= $1
         RETURNING group_id, node_id, kind, detail",
        now.as_datetime(),
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in begun {
        let subject = match (row.group_id, row.node_id) {
            (Some(id), None) => Subject::Group(id),
            (None, Some(id)) => Subject::Node(id),
            (None, None) | (Some(_), Some(_)) => {
                return Err(StoreError::inconsistent("conditions", row.kind, "it needs exactly one subject"));
            }
        };
        let kind = kind_of(&row.kind, subject.id())?;
        events::record(conn, now, subject, kind, Phase::Began, &row.detail).await?;
    }
    Ok(())
}

/// The conditions of these groups, by kind. A group without any is absent.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Condition>>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT group_id AS "subject!", kind, detail, since FROM conditions
           WHERE begun AND group_id = ANY($1) ORDER BY kind"#,
        groups
    )
    .fetch_all(conn)
    .await?;
    by_subject(rows)
}

/// The conditions of these nodes, by kind. A node without any is absent.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_nodes(
    conn: &mut PgConnection,
    nodes: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Condition>>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT node_id AS "subject!", kind, detail, since FROM conditions
           WHERE begun AND node_id = ANY($1) ORDER BY kind"#,
        nodes
    )
    .fetch_all(conn)
    .await?;
    by_subject(rows)
}

struct Row {
    subject: Uuid,
    kind: String,
    detail: String,
    since: DateTime<Utc>,
}

fn by_subject(rows: Vec<Row>) -> Result<HashMap<Uuid, Vec<Condition>>, StoreError> {
    let mut conditions: HashMap<Uuid, Vec<Condition>> = HashMap::new();
    for Row { subject, kind, detail, since } in rows {
        let kind = kind_of(&kind, subject)?;
        conditions.entry(subject).or_default().push(Condition { kind, detail, since: since.into() });
    }
    Ok(conditions)
}

fn kind_of(word: &str, subject: Uuid) -> Result<ConditionKind, StoreError> {
    ConditionKind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| {
        StoreError::inconsistent("conditions", subject, format!("there is no condition {word:?}"))
    })
}
