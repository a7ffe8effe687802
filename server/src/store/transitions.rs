//! Transitions: appended once per (node, boot, sequence), never changed.

use api_types::Timestamp;
use api_types::transition::{AdvertisementHeard, Transition, TransitionReason, TransitionRecord};
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use vrrp::{Claim, Priority, Vrid};

use super::StoreError;
use super::member_reports::{family_of, state_of};
use crate::domain::failover::Recorded;

/// What became of a transition that was reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    /// It is recorded from now on.
    New(Box<Recorded>),
    /// It was recorded before.
    Known,
    /// Another transition is recorded under its key, and stays; this contradiction was not known before.
    Contradicts(Box<Recorded>),
    /// Another transition is recorded under its key, and stays; this contradiction was known before.
    ContradictsAgain,
}

/// Records what the agent of a node reported.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn append(
    conn: &mut PgConnection,
    node_id: Uuid,
    node: &str,
    record: &TransitionRecord,
    now: Timestamp,
) -> Result<Appended, StoreError> {
    let id = Uuid::now_v7();
    let heard = record.last_advertisement;
    let done = sqlx::query!(
        "INSERT INTO transitions (id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid,
                                  interface, from_state, to_state, reason, priority, at, at_boottime_ns,
                                  heard_source, heard_priority, heard_at_boottime_ns, bound_at_boottime_ns,
                                  announced_at_boottime_ns, released_at_boottime_ns, recorded_at,
                                  failing_checks)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
                 $22, $23, $24)
         ON CONFLICT ON CONSTRAINT transitions_node_boot_sequence_key DO NOTHING",
        id,
        node_id,
        node,
        record.boot_id,
        signed(record.sequence)?,
        record.group_id,
        record.group,
        record.family.as_str(),
        i16::from(record.vrid.get()),
        record.interface,
        record.from.as_str(),
        record.to.as_str(),
        record.reason.as_str(),
        i16::from(record.priority.get()),
        record.at.as_datetime(),
        signed(record.at_boottime_ns)?,
        heard.map(|heard| IpNet::from(heard.source)),
        heard.map(|heard| i16::from(heard.priority.octet())),
        heard.map(|heard| signed(heard.at_boottime_ns)).transpose()?,
        record.bound_at_boottime_ns.map(signed).transpose()?,
        record.announced_at_boottime_ns.map(signed).transpose()?,
        record.released_at_boottime_ns.map(signed).transpose()?,
        now.as_datetime(),
        &record.failing_checks,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        let record = record.clone();
        return Ok(Appended::New(Box::new(Recorded { id, node_id, node: node.to_owned(), record })));
    }
    let stored = by_key(conn, node_id, record.boot_id, record.sequence).await?;
    if stored.record == *record {
        return Ok(Appended::Known);
    }
    let is_news = note_contradiction(conn, node_id, record, now).await?;
    Ok(if is_news { Appended::Contradicts(Box::new(stored)) } else { Appended::ContradictsAgain })
}

async fn by_key(
    conn: &mut PgConnection,
    node_id: Uuid,
    boot_id: Uuid,
    sequence: u64,
) -> Result<Recorded, StoreError> {
    sqlx::query_as!(
        TransitionRow,
        r#"SELECT id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid, interface, from_state,
                  to_state, reason, priority, at, at_boottime_ns, heard_source AS "heard_source: IpNet",
                  heard_priority, heard_at_boottime_ns, bound_at_boottime_ns, announced_at_boottime_ns,
                  released_at_boottime_ns, recorded_at, failing_checks
           FROM transitions WHERE node_id = $1 AND boot_id = $2 AND sequence = $3"#,
        node_id,
        boot_id,
        signed(sequence)?
    )
    .fetch_one(conn)
    .await?
    .try_into()
}

/// Keeps a report that contradicts a recorded transition; `false` when the same one is kept already.
async fn note_contradiction(
    conn: &mut PgConnection,
    node_id: Uuid,
    record: &TransitionRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let digest = Sha256::digest(
        serde_json_canonicalizer::to_vec(record)
            .map_err(|error| StoreError::inconsistent("transition_anomalies", record.boot_id, error))?,
    );
    let done = sqlx::query!(
        "INSERT INTO transition_anomalies (node_id, boot_id, sequence, digest, reported, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        node_id,
        record.boot_id,
        signed(record.sequence)?,
        digest.as_slice(),
        Json(record) as _,
        now.as_datetime(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The transitions of one group from which its failovers since some time follow.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The last transition of each node to or from Active before the first of `transitions`.
    pub earlier: Vec<Recorded>,
    /// All transitions since the takeover before that time.
    pub transitions: Vec<Recorded>,
}

/// What the failovers of a group since `since` follow from.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn history(conn: &mut PgConnection, group: Uuid, since: Timestamp) -> Result<History, StoreError> {
    let anchor = sqlx::query_scalar!(
        "SELECT at FROM transitions WHERE group_id = $1 AND to_state = 'active' AND at <= $2
         ORDER BY at DESC LIMIT 1",
        group,
        since.as_datetime()
    )
    .fetch_optional(&mut *conn)
    .await?;
    let earlier = sqlx::query_as!(
        TransitionRow,
        r#"SELECT DISTINCT ON (node_id)
                  id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid, interface, from_state,
                  to_state, reason, priority, at, at_boottime_ns, heard_source AS "heard_source: IpNet",
                  heard_priority, heard_at_boottime_ns, bound_at_boottime_ns, announced_at_boottime_ns,
                  released_at_boottime_ns, recorded_at, failing_checks
           FROM transitions
           WHERE group_id = $1 AND at < $2 AND (to_state = 'active' OR from_state = 'active')
           ORDER BY node_id, at DESC, sequence DESC"#,
        group,
        anchor
    )
    .fetch_all(&mut *conn)
    .await?;
    let transitions = sqlx::query_as!(
        TransitionRow,
        r#"SELECT id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid, interface, from_state,
                  to_state, reason, priority, at, at_boottime_ns, heard_source AS "heard_source: IpNet",
                  heard_priority, heard_at_boottime_ns, bound_at_boottime_ns, announced_at_boottime_ns,
                  released_at_boottime_ns, recorded_at, failing_checks
           FROM transitions WHERE group_id = $1 AND ($2::timestamptz IS NULL OR at >= $2) ORDER BY at"#,
        group,
        anchor
    )
    .fetch_all(conn)
    .await?;
    let recorded = |rows: Vec<TransitionRow>| -> Result<Vec<Recorded>, StoreError> {
        rows.into_iter().map(Recorded::try_from).collect()
    };
    Ok(History { earlier: recorded(earlier)?, transitions: recorded(transitions)? })
}

/// Which transitions a list shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of the group that had this name.
    pub group: Option<String>,
    /// Reported by the node of this name.
    pub node: Option<String>,
}

/// At most `limit` transitions, the newest first, older than the one that was recorded `before`.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Transition>, StoreError> {
    sqlx::query_as!(
        TransitionRow,
        r#"SELECT id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid, interface, from_state,
                  to_state, reason, priority, at, at_boottime_ns, heard_source AS "heard_source: IpNet",
                  heard_priority, heard_at_boottime_ns, bound_at_boottime_ns, announced_at_boottime_ns,
                  released_at_boottime_ns, recorded_at, failing_checks
           FROM transitions
           WHERE ($1::text IS NULL OR group_name = $1) AND ($2::text IS NULL OR node = $2)
             AND ($3::timestamptz IS NULL OR (recorded_at, id) < ($3, $4))
           ORDER BY recorded_at DESC, id DESC LIMIT $5"#,
        filter.group.as_deref(),
        filter.node.as_deref(),
        before.map(|(at, _)| at.as_datetime()),
        before.map(|(_, id)| id),
        limit
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Transition::try_from)
    .collect()
}

/// The transition with this id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Transition>, StoreError> {
    sqlx::query_as!(
        TransitionRow,
        r#"SELECT id, node_id, node, boot_id, sequence, group_id, group_name, family, vrid, interface, from_state,
                  to_state, reason, priority, at, at_boottime_ns, heard_source AS "heard_source: IpNet",
                  heard_priority, heard_at_boottime_ns, bound_at_boottime_ns, announced_at_boottime_ns,
                  released_at_boottime_ns, recorded_at, failing_checks
           FROM transitions WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?
    .map(Transition::try_from)
    .transpose()
}

struct TransitionRow {
    id: Uuid,
    node_id: Uuid,
    node: String,
    boot_id: Uuid,
    sequence: i64,
    group_id: Uuid,
    group_name: String,
    family: String,
    vrid: i16,
    interface: String,
    from_state: String,
    to_state: String,
    reason: String,
    priority: i16,
    at: DateTime<Utc>,
    at_boottime_ns: i64,
    heard_source: Option<IpNet>,
    heard_priority: Option<i16>,
    heard_at_boottime_ns: Option<i64>,
    bound_at_boottime_ns: Option<i64>,
    announced_at_boottime_ns: Option<i64>,
    released_at_boottime_ns: Option<i64>,
    recorded_at: DateTime<Utc>,
    failing_checks: Vec<String>,
}

impl TryFrom<TransitionRow> for Recorded {
    type Error = StoreError;

    fn try_from(row: TransitionRow) -> Result<Self, StoreError> {
        let id = row.id;
        let wrong = |column: &str| StoreError::inconsistent("transitions", id, format!("its {column}"));
        let last_advertisement = match (row.heard_source, row.heard_priority, row.heard_at_boottime_ns) {
            (Some(source), Some(priority), Some(at)) => Some(AdvertisementHeard {
                source: source.addr(),
                priority: u8::try_from(priority)
                    .map(Claim::from_octet)
                    .map_err(|_| wrong("heard_priority"))?,
                at_boottime_ns: unsigned(at),
            }),
            _ => None,
        };
        let record = TransitionRecord {
            boot_id: row.boot_id,
            sequence: unsigned(row.sequence),
            group_id: row.group_id,
            group: row.group_name,
            family: family_of(&row.family).ok_or_else(|| wrong("family"))?,
            vrid: Vrid::try_from(i64::from(row.vrid)).map_err(|_| wrong("vrid"))?,
            interface: row.interface,
            from: state_of(&row.from_state).ok_or_else(|| wrong("from_state"))?,
            to: state_of(&row.to_state).ok_or_else(|| wrong("to_state"))?,
            reason: reason_of(&row.reason).ok_or_else(|| wrong("reason"))?,
            priority: Priority::try_from(i64::from(row.priority)).map_err(|_| wrong("priority"))?,
            at: row.at.into(),
            at_boottime_ns: unsigned(row.at_boottime_ns),
            last_advertisement,
            bound_at_boottime_ns: row.bound_at_boottime_ns.map(unsigned),
            announced_at_boottime_ns: row.announced_at_boottime_ns.map(unsigned),
            released_at_boottime_ns: row.released_at_boottime_ns.map(unsigned),
            failing_checks: row.failing_checks,
        };
        Ok(Self { id, node_id: row.node_id, node: row.node, record })
    }
}

impl TryFrom<TransitionRow> for Transition {
    type Error = StoreError;

    fn try_from(row: TransitionRow) -> Result<Self, StoreError> {
        let recorded_at = row.recorded_at.into();
        let Recorded { id, node, record, .. } = row.try_into()?;
        Ok(Self { id, node, recorded_at, record })
    }
}

fn reason_of(word: &str) -> Option<TransitionReason> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// A number of the contract in a column. The rules of the channel refuse what does not fit.
fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::inconsistent("transitions", number, error))
}

/// A number of a column that is never negative.
pub(super) const fn unsigned(number: i64) -> u64 {
    number.unsigned_abs()
}
