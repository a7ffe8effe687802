//! How each member that is a node last said that it stands, and what follows for its group.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use api_types::Timestamp;
use api_types::channel::{GroupReport, MemberDetails};
use api_types::fences::Fences;
use api_types::node::{Interface, Rejection};
use api_types::timing::Timing;
use api_types::transition::{State, TransitionRecord};
use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority};

use super::events::Subject;
use super::groups::transport_of;
use super::{StoreError, conditions, drains, members, switchovers};
use crate::domain::condition::{self, GroupFacts, ObservedLink};
use crate::domain::desired::primary_address;
use crate::domain::holder::{Link, MemberReport, Observed, ObservedNode};

/// An agent works out its wall clock of the past anew for each report, and the clock is set now and then: two reports
/// of one state whose beginnings are nearer than this speak of the same stay in it.
const SAME_SINCE: TimeDelta = TimeDelta::seconds(1);

/// Replaces everything that the agent of `node` said about its members, and returns the groups for which that
/// changes who stands how. Reports about groups that are gone are left out.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replace(
    conn: &mut PgConnection,
    node: Uuid,
    reports: &[GroupReport],
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    // One row for each group, in the order of their ids; what is said twice is what was said last.
    let reports: BTreeMap<_, _> = reports.iter().map(|report| (report.group_id, report)).collect();
    let (groups, reports): (Vec<_>, Vec<_>) = reports.into_iter().unzip();
    let mut changed = sqlx::query_scalar!(
        "DELETE FROM member_reports WHERE node_id = $1 AND group_id <> ALL($2) RETURNING group_id",
        node,
        &groups
    )
    .fetch_all(&mut *conn)
    .await?;
    let news = news(conn, node, &reports).await?;
    let written = write(conn, node, &groups, &reports, now).await?;
    changed.extend(written.into_iter().filter(|group| news.contains(group)));
    Ok(changed)
}

/// The groups of which more is reported than that they go on as before.
async fn news(
    conn: &mut PgConnection,
    node: Uuid,
    reports: &[&GroupReport],
) -> Result<HashSet<Uuid>, StoreError> {
    let before = sqlx::query!(
        r#"SELECT group_id, state, active_source, details AS "details: Json<MemberDetails>"
           FROM member_reports WHERE node_id = $1"#,
        node
    )
    .fetch_all(conn)
    .await?;
    let before: HashMap<_, _> = before.into_iter().map(|row| (row.group_id, row)).collect();
    let is_news = |report: &&&GroupReport| {
        before.get(&report.group_id).is_none_or(|before| {
            before.state != report.state.as_str()
                || before.active_source != report.active_source.map(IpNet::from)
                || tells_more(before.details.as_deref(), report.details.as_ref())
        })
    };
    Ok(reports.iter().filter(is_news).map(|report| report.group_id).collect())
}

/// Writes all of them at once: a node may have a thousand, and somebody may wait for the database meanwhile.
/// Returns the groups that are there.
async fn write(
    conn: &mut PgConnection,
    node: Uuid,
    groups: &[Uuid],
    reports: &[&GroupReport],
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    let states: Vec<_> = reports.iter().map(|report| report.state.as_str().to_owned()).collect();
    let since: Vec<_> = reports.iter().map(|report| report.since.as_datetime()).collect();
    let priorities: Vec<_> =
        reports.iter().map(|report| i16::from(report.effective_priority.get())).collect();
    let sources: Vec<_> = reports.iter().map(|report| report.active_source.map(IpNet::from)).collect();
    let present: Vec<_> = reports.iter().map(|report| Json(&report.addresses_present)).collect();
    let details: Vec<_> = reports.iter().map(|report| report.details.as_ref().map(Json)).collect();
    let written = sqlx::query_scalar!(
        "INSERT INTO member_reports (group_id, node_id, state, since, effective_priority, active_source,
                                     addresses_present, reported_at, heard_since, details)
         SELECT g.id, $1, said.state, said.since, said.priority, said.source,
                ARRAY(SELECT jsonb_array_elements_text(said.present)), $9, $9, said.details
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::smallint[], $6::inet[], $7::jsonb[], $8::jsonb[])
              AS said (group_id, state, since, priority, source, present, details)
         JOIN groups g ON g.id = said.group_id
         ON CONFLICT (group_id, node_id) DO UPDATE
         SET (since, heard_since) = (
                 SELECT CASE WHEN goes_on THEN member_reports.since ELSE excluded.since END,
                        CASE WHEN goes_on THEN member_reports.heard_since ELSE excluded.heard_since END
                 FROM (SELECT member_reports.state = excluded.state
                              AND excluded.since - member_reports.since > -$10::interval
                              AND excluded.since - member_reports.since < $10::interval
                      ) AS the_state (goes_on)
             ),
             state = excluded.state, effective_priority = excluded.effective_priority,
             active_source = excluded.active_source, addresses_present = excluded.addresses_present,
             reported_at = excluded.reported_at, details = coalesce(excluded.details, member_reports.details)
         RETURNING group_id",
        node,
        groups,
        &states,
        &since,
        &priorities,
        &sources as _,
        &present as _,
        &details as _,
        now.as_datetime(),
        SAME_SINCE as _,
    )
    .fetch_all(conn)
    .await?;
    Ok(written)
}

/// Whether details are told that say another thing than those before.
fn tells_more(before: Option<&MemberDetails>, told: Option<&MemberDetails>) -> bool {
    told.is_some_and(|told| !before.is_some_and(|before| before.says_the_same(told)))
}

/// Forgets what more `node` said about its members than how they stand: a new session tells it anew.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_details(conn: &mut PgConnection, node: Uuid) -> Result<(), StoreError> {
    sqlx::query!("UPDATE member_reports SET details = NULL WHERE node_id = $1 AND details IS NOT NULL", node)
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets a transition that `node` reported tell how its member stands, unless a later report already did. Returns
/// whether it did.
///
/// # Errors
/// When the database cannot be asked.
pub async fn follow(
    conn: &mut PgConnection,
    node: Uuid,
    record: &TransitionRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let written = sqlx::query!(
        "INSERT INTO member_reports (group_id, node_id, state, since, effective_priority, active_source,
                                     addresses_present, reported_at, heard_since)
         SELECT g.id, $2, $3, $4, $5, NULL, '{}', $6, $6
         FROM groups g JOIN members m ON m.group_id = g.id AND m.node_id = $2
         WHERE g.id = $1
         ON CONFLICT (group_id, node_id) DO UPDATE
         SET state = excluded.state, since = excluded.since, effective_priority = excluded.effective_priority,
             active_source = NULL, reported_at = excluded.reported_at, heard_since = excluded.heard_since
         WHERE excluded.since >= member_reports.since AND excluded.state <> member_reports.state",
        record.group_id,
        node,
        record.to.as_str(),
        record.at.as_datetime(),
        i16::from(record.priority.get()),
        now.as_datetime(),
    )
    .execute(conn)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// The groups that both `node` and another node with a session claim to hold.
///
/// # Errors
/// When the database cannot be asked.
pub async fn contested(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let groups = sqlx::query_scalar!(
        "SELECT DISTINCT ours.group_id
         FROM member_reports ours
         JOIN member_reports other ON other.group_id = ours.group_id AND other.node_id <> ours.node_id
         JOIN nodes n ON n.id = other.node_id
         WHERE ours.node_id = $1 AND ours.state = 'active' AND other.state = 'active'
           AND n.session_id IS NOT NULL",
        node
    );
    Ok(groups.fetch_all(conn).await?)
}

/// Has the nodes notified that claim to hold what `node` claims to hold, too.
///
/// # Errors
/// When the database cannot be asked.
pub async fn doubt_rivals(conn: &mut PgConnection, node: Uuid) -> Result<(), StoreError> {
    // 100 names of nodes fit into a notification.
    sqlx::query!(
        r#"SELECT pg_notify('baton_doubts', jsonb_agg(rival.id)::text)
           FROM (
               SELECT other.node_id AS id, (row_number() OVER () - 1) / 100 AS chunk
               FROM (
                   SELECT DISTINCT other.node_id
                   FROM member_reports ours
                   JOIN member_reports other ON other.group_id = ours.group_id AND other.node_id <> ours.node_id
                   JOIN nodes n ON n.id = other.node_id
                   WHERE ours.node_id = $1 AND ours.state = 'active' AND other.state = 'active'
                     AND n.session_id IS NOT NULL
               ) AS other
           ) AS rival
           GROUP BY rival.chunk"#,
        node
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// The members of these groups in the order of the specification, as they were last reported.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn observed(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Observed>>, StoreError> {
    let rows = sqlx::query_as!(
        MemberRow,
        r#"SELECT m.group_id, g.family, m.external_name, m.external_address AS "external_address: IpNet",
                  n.id AS "node_id?", n.name AS "node?", n.boot_id, n.capabilities AS "capabilities?",
                  EXISTS (SELECT FROM drains WHERE node_id = n.id) AS "drained!", m.interface,
                  n.session_id IS NOT NULL AS "connected!",
                  n.interfaces AS "interfaces: Json<Vec<Interface>>",
                  n.last_seen_at AS "last_seen_at?", n.silent_since IS NOT NULL AS "silent!",
                  r.effective_priority AS "effective_priority?", r.state AS "state?", r.since AS "since?",
                  r.heard_since AS "heard_since?", r.active_source AS "active_source: IpNet",
                  r.details AS "details: Json<MemberDetails>", n.timing AS "timing: Json<Timing>"
           FROM members m
           JOIN groups g ON g.id = m.group_id
           LEFT JOIN nodes n ON n.id = m.node_id
           LEFT JOIN member_reports r ON r.group_id = m.group_id AND r.node_id = m.node_id
           WHERE m.group_id = ANY($1)
           ORDER BY m.group_id, m.position"#,
        groups
    )
    .fetch_all(conn)
    .await?;
    let mut observed: HashMap<Uuid, Vec<Observed>> = HashMap::new();
    for row in rows {
        observed.entry(row.group_id).or_default().push(row.try_into()?);
    }
    Ok(observed)
}

/// Finds the conditions of these groups anew, and what became of their switchovers. Groups that are gone are
/// left out.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn judge_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    groups.dedup();
    conditions::lock(conn, &groups).await?;
    let observed = observed(conn, &groups).await?;
    let switchovers = switchovers::review(conn, &groups, &observed, now).await?;
    let configured = members::of_groups(conn, &groups).await?;
    let rows = sqlx::query!(
        r#"SELECT id, advertisement_interval_ms, transport, authentication_text IS NOT NULL AS "is_authenticated!",
                  EXISTS (SELECT FROM tracked_checks WHERE group_id = groups.id) AS "is_tracking!",
                  EXISTS (SELECT FROM group_hooks WHERE group_id = groups.id) AS "has_hooks!"
           FROM groups WHERE id = ANY($1) ORDER BY id"#,
        &groups
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        let wrong = |detail: String| StoreError::inconsistent("groups", row.id, detail);
        let facts = GroupFacts {
            members: configured.get(&row.id).map(Vec::as_slice).unwrap_or_default(),
            interval: AdvertisementInterval::try_from(i64::from(row.advertisement_interval_ms))
                .map_err(|error| wrong(error.to_string()))?,
            transport: transport_of(&row.transport)
                .ok_or_else(|| wrong(format!("transport {:?}", row.transport)))?,
            is_authenticated: row.is_authenticated,
            switchover: switchovers.get(&row.id),
            is_tracking: row.is_tracking,
            has_hooks: row.has_hooks,
        };
        let members = observed.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let findings = condition::of_group(members, &facts);
        conditions::settle(conn, Subject::Group(row.id), &findings, now).await?;
    }
    Ok(())
}

/// Finds the conditions of a node anew. A node that is gone has none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn judge_node(conn: &mut PgConnection, node: Uuid, now: Timestamp) -> Result<(), StoreError> {
    conditions::lock(conn, &[node]).await?;
    let row = sqlx::query!(
        r#"SELECT public_key IS NOT NULL AS "enrolled!", session_id IS NOT NULL AS "connected!",
                  rejection AS "rejection: Json<Rejection>", fences AS "fences: Json<Fences>"
           FROM nodes WHERE id = $1"#,
        node
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let link = ObservedLink {
        enrolled: row.enrolled,
        connected: row.connected,
        rejection: row.rejection.map(|Json(rejection)| rejection),
        drain: drains::of_nodes(conn, &[node]).await?.remove(&node),
        fences: row.fences.map(|Json(fences)| fences),
    };
    conditions::settle(conn, Subject::Node(node), &condition::of_node(&link), now).await
}

/// The groups that a node is a member of.
///
/// # Errors
/// When the database cannot be asked.
pub async fn groups_of(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let groups = sqlx::query_scalar!("SELECT group_id FROM members WHERE node_id = $1", node);
    Ok(groups.fetch_all(conn).await?)
}

struct MemberRow {
    group_id: Uuid,
    family: String,
    external_name: Option<String>,
    external_address: Option<IpNet>,
    node_id: Option<Uuid>,
    node: Option<String>,
    boot_id: Option<Uuid>,
    capabilities: Option<Vec<String>>,
    drained: bool,
    interface: Option<String>,
    connected: bool,
    interfaces: Option<Json<Vec<Interface>>>,
    last_seen_at: Option<DateTime<Utc>>,
    silent: bool,
    effective_priority: Option<i16>,
    state: Option<String>,
    since: Option<DateTime<Utc>>,
    heard_since: Option<DateTime<Utc>>,
    active_source: Option<IpNet>,
    details: Option<Json<MemberDetails>>,
    timing: Option<Json<Timing>>,
}

impl TryFrom<MemberRow> for Observed {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        let wrong = |detail: String| StoreError::inconsistent("members", row.group_id, detail);
        if let (Some(name), Some(address)) = (&row.external_name, row.external_address) {
            return Ok(Self::External { name: name.clone(), address: address.addr() });
        }
        let (Some(id), Some(name), Some(interface)) = (row.node_id, row.node, row.interface) else {
            return Err(wrong("a member is neither a node nor an external router".into()));
        };
        let family = family_of(&row.family).ok_or_else(|| wrong(format!("family {:?}", row.family)))?;
        let interfaces = row.interfaces.map(|Json(interfaces)| interfaces);
        let address: Option<IpAddr> =
            interfaces.as_deref().and_then(|known| primary_address(known, &interface, family));
        let known = interfaces.iter().flatten().find(|known| known.name == interface);
        let link = known.map(|known| Link { up: known.up, carrier: known.carrier });
        let addresses = known.into_iter().flat_map(|known| &known.addresses).map(IpNet::addr).collect();
        let report = match (row.state, row.since, row.heard_since, row.effective_priority) {
            (Some(state), Some(since), Some(heard_since), Some(priority)) => Some(MemberReport {
                state: state_of(&state).ok_or_else(|| wrong(format!("state {state:?}")))?,
                since: since.into(),
                heard_since: heard_since.into(),
                effective_priority: Priority::try_from(i64::from(priority))
                    .map_err(|error| wrong(error.to_string()))?,
                active_source: row.active_source.map(|source| source.addr()),
            }),
            (_, _, _, _) => None,
        };
        Ok(Self::Node(ObservedNode {
            id,
            name,
            boot_id: row.boot_id,
            capabilities: row.capabilities.unwrap_or_default(),
            drained: row.drained,
            interface,
            connected: row.connected,
            last_heard: row.last_seen_at.map(Timestamp::from),
            silent: row.silent,
            interfaces_known: interfaces.is_some(),
            link,
            keeps_to_ms: row.timing.map(|Json(timing)| timing.shortest_interval_ms()),
            address,
            addresses,
            report,
            details: row.details.map(|Json(details)| Box::new(details)),
        }))
    }
}

/// The family of a column.
pub(super) fn family_of(word: &str) -> Option<Family> {
    [Family::Ipv4, Family::Ipv6].into_iter().find(|family| family.as_str() == word)
}

/// The state of a column.
pub(super) fn state_of(word: &str) -> Option<State> {
    [State::Initialize, State::Backup, State::Active, State::Fault]
        .into_iter()
        .find(|state| state.as_str() == word)
}
