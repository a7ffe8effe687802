//! VIP groups: insert, change, delete, find, list. Their addresses and members are rows of their own.

use std::collections::HashMap;

use api_types::check::Track;
use api_types::condition::Condition;
use api_types::group::{Checksum, Group, GroupSpec, GroupStatus, Member};
use api_types::protocol::{
    Authentication, MacMode, MaxHops, PreemptDelay, SimpleText, Transport, VirtualRoute, VirtualRule,
};
use api_types::switchover::SwitchoverInEffect;
use api_types::{Name, Timestamp, VirtualAddress};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Version, Vrid};

use super::intent::{expect_one_row, name_taken, stored_name};
use super::key::Key;
use super::{
    StoreError, conditions, group_hooks, member_reports, members, switchovers, tracked_checks,
    virtual_addresses, virtual_routing,
};
use crate::domain::conflict::Kind;
use crate::domain::group::unadvertised;
use crate::domain::holder::{self, Observed};
use crate::domain::switchover::InEffect;
use crate::domain::{peers, readiness};

struct GroupRow {
    id: Uuid,
    name: String,
    description: String,
    segment: String,
    family: String,
    vrid: i16,
    version: i16,
    advertisement_interval_ms: i32,
    preempt_mode: bool,
    preempt_delay_ms: i32,
    accept_mode: bool,
    mac_mode: String,
    transport: String,
    max_hops: i16,
    require_link_local: bool,
    authentication_text: Option<String>,
    checksum: String,
    generation: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The lists of a group, each in the order in which it was written.
#[derive(Default)]
struct Lists {
    virtual_addresses: Vec<VirtualAddress>,
    virtual_routes: Vec<VirtualRoute>,
    virtual_rules: Vec<VirtualRule>,
    track: Vec<Track>,
    hooks: group_hooks::Hooks,
    members: Vec<Member>,
}

impl GroupRow {
    fn into_group(
        self,
        lists: Lists,
        observed: &[Observed],
        switchover: Option<InEffect>,
        conditions: Vec<Condition>,
    ) -> Result<Group, StoreError> {
        let id = self.id;
        let Lists { virtual_addresses, virtual_routes, virtual_rules, track, hooks, members } = lists;
        let family = stored_family("groups", id, &self.family)?;
        let authentication = self.authentication_text.map(SimpleText::try_from).transpose();
        let refuse = |detail: String| StoreError::inconsistent("groups", id, detail);
        Ok(Group {
            id,
            name: stored_name("groups", id, self.name)?,
            description: self.description,
            segment: stored_name("groups", id, self.segment)?,
            family,
            vrid: Vrid::try_from(i64::from(self.vrid)).map_err(|error| refuse(error.to_string()))?,
            version: Version::try_from(i64::from(self.version)).map_err(|error| refuse(error.to_string()))?,
            advertisement_interval_ms: AdvertisementInterval::try_from(i64::from(
                self.advertisement_interval_ms,
            ))
            .map_err(|error| refuse(error.to_string()))?,
            preempt_mode: self.preempt_mode,
            preempt_delay_ms: PreemptDelay::try_from(i64::from(self.preempt_delay_ms))
                .map_err(|error| refuse(error.to_string()))?,
            accept_mode: self.accept_mode,
            mac_mode: from_word([MacMode::Interface, MacMode::Virtual], MacMode::as_str, &self.mac_mode)
                .ok_or_else(|| refuse(format!("unknown mac_mode {:?}", self.mac_mode)))?,
            transport: transport_of(&self.transport)
                .ok_or_else(|| refuse(format!("unknown transport {:?}", self.transport)))?,
            max_hops: MaxHops::try_from(i64::from(self.max_hops))
                .map_err(|error| refuse(error.to_string()))?,
            require_link_local: self.require_link_local,
            authentication: authentication
                .map_err(|error| refuse(error.to_string()))?
                .map(|text| Authentication::SimpleText { text }),
            checksum: from_word(CHECKSUMS, Checksum::as_str, &self.checksum)
                .ok_or_else(|| refuse(format!("unknown checksum {:?}", self.checksum)))?,
            status: GroupStatus {
                active: holder::active(observed),
                members: peers::statuses(observed),
                standby: readiness::standby(observed),
                unadvertised_addresses: unadvertised(family, &virtual_addresses).to_vec(),
                switchover: switchover.map(SwitchoverInEffect::from),
                conditions,
            },
            virtual_addresses,
            virtual_routes,
            virtual_rules,
            track,
            pre_active: hooks.pre_active,
            hooks: hooks.hooks,
            members,
            generation: self.generation,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

const CHECKSUMS: [Checksum; 3] = [Checksum::Auto, Checksum::Rfc9568, Checksum::Rfc5798];

/// Which of these has this word.
fn from_word<T: Copy, const COUNT: usize>(
    all: [T; COUNT],
    word_of: impl Fn(T) -> &'static str,
    word: &str,
) -> Option<T> {
    all.into_iter().find(|one| word_of(*one) == word)
}

/// The transport of a column.
pub(super) fn transport_of(word: &str) -> Option<Transport> {
    from_word([Transport::Multicast, Transport::Unicast], Transport::as_str, word)
}

/// A family from a column that only ever takes families.
pub(super) fn stored_family(table: &'static str, id: Uuid, word: &str) -> Result<Family, StoreError> {
    [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .find(|family| family.as_str() == word)
        .ok_or_else(|| StoreError::inconsistent(table, id, format!("unknown family {word:?}")))
}

/// Which group it is, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
}

/// Which group has this key, if there is one: where what else there is to know of it would take too long.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn named(conn: &mut PgConnection, key: &Key) -> Result<Option<Named>, StoreError> {
    let row = sqlx::query!("SELECT id, name FROM groups WHERE id = $1 OR name = $2", key.id(), key.name())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(Named { id: row.id, name: stored_name("groups", row.id, row.name)? })).transpose()
}

/// The group with this key, if there is one.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<Group>, StoreError> {
    let row = sqlx::query_as!(
        GroupRow,
        "
        SELECT g.id, g.name, g.description, s.name AS segment, g.family, g.vrid, g.version,
               g.advertisement_interval_ms, g.preempt_mode, g.preempt_delay_ms, g.accept_mode, g.mac_mode,
               g.transport, g.max_hops, g.require_link_local, g.authentication_text, g.checksum, g.generation,
               g.created_at, g.updated_at
        FROM groups g JOIN segments s ON s.id = g.segment_id
        WHERE g.id = $1 OR g.name = $2
        ",
        key.id(),
        key.name(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(assemble(conn, row.into_iter().collect()).await?.pop())
}

/// At most `limit` groups whose id is greater than `after`, by id.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query_as!(
        GroupRow,
        "
        SELECT g.id, g.name, g.description, s.name AS segment, g.family, g.vrid, g.version,
               g.advertisement_interval_ms, g.preempt_mode, g.preempt_delay_ms, g.accept_mode, g.mac_mode,
               g.transport, g.max_hops, g.require_link_local, g.authentication_text, g.checksum, g.generation,
               g.created_at, g.updated_at
        FROM groups g JOIN segments s ON s.id = g.segment_id
        WHERE $1::uuid IS NULL OR g.id > $1
        ORDER BY g.id
        LIMIT $2
        ",
        after,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    assemble(conn, rows).await
}

/// Every group that the node is a member of, by name.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn of_node(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query_as!(
        GroupRow,
        "
        SELECT g.id, g.name, g.description, s.name AS segment, g.family, g.vrid, g.version,
               g.advertisement_interval_ms, g.preempt_mode, g.preempt_delay_ms, g.accept_mode, g.mac_mode,
               g.transport, g.max_hops, g.require_link_local, g.authentication_text, g.checksum, g.generation,
               g.created_at, g.updated_at
        FROM groups g JOIN segments s ON s.id = g.segment_id
        WHERE g.id IN (SELECT group_id FROM members WHERE node_id = $1)
        ORDER BY g.name
        ",
        node,
    )
    .fetch_all(&mut *conn)
    .await?;
    assemble(conn, rows).await
}

/// Joins the rows with what belongs to them, in as many queries for a page as for one group.
async fn assemble(conn: &mut PgConnection, rows: Vec<GroupRow>) -> Result<Vec<Group>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut addresses = virtual_addresses::of_groups(conn, &ids).await?;
    let mut routes = virtual_routing::routes_of_groups(conn, &ids).await?;
    let mut rules = virtual_routing::rules_of_groups(conn, &ids).await?;
    let mut tracks = tracked_checks::of_groups(conn, &ids).await?;
    let mut hooks = group_hooks::of_groups(conn, &ids).await?;
    let mut members = members::of_groups(conn, &ids).await?;
    let mut observed = member_reports::observed(conn, &ids).await?;
    let mut switchovers = switchovers::in_effect(conn, &ids).await?;
    let mut conditions = conditions::of_groups(conn, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let id = row.id;
            let lists = Lists {
                virtual_addresses: addresses.remove(&id).unwrap_or_default(),
                virtual_routes: routes.remove(&id).unwrap_or_default(),
                virtual_rules: rules.remove(&id).unwrap_or_default(),
                track: tracks.remove(&id).unwrap_or_default(),
                hooks: hooks.remove(&id).unwrap_or_default(),
                members: members.remove(&id).unwrap_or_default(),
            };
            let observed = observed.remove(&id).unwrap_or_default();
            let switchover = switchovers.remove(&id);
            row.into_group(lists, &observed, switchover, conditions.remove(&id).unwrap_or_default())
        })
        .collect()
}

/// A group as it is written: the specification with the ids of what it names.
#[derive(Debug, Clone, Copy)]
pub struct GroupWrite<'a> {
    /// The group.
    pub id: Uuid,
    /// What the operator wrote.
    pub spec: &'a GroupSpec,
    /// The segment that the specification names.
    pub segment_id: Uuid,
    /// The nodes that the specification names.
    pub node_ids: &'a HashMap<Name, Uuid>,
    /// When.
    pub now: Timestamp,
}

/// Adds a group of generation 1.
///
/// # Errors
/// [`StoreError`] when the database refuses it.
pub async fn insert(conn: &mut PgConnection, write: GroupWrite<'_>) -> Result<(), StoreError> {
    let GroupWrite { id, spec, segment_id, now, .. } = write;
    sqlx::query!(
        "
        INSERT INTO groups (id, name, description, segment_id, family, vrid, version, advertisement_interval_ms,
                            preempt_mode, checksum, preempt_delay_ms, accept_mode, mac_mode, transport, max_hops,
                            require_link_local, authentication_text, generation, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $18, $18)
        ",
        id,
        spec.name.as_str(),
        spec.description,
        segment_id,
        spec.family.as_str(),
        i16::from(spec.vrid.get()),
        i16::from(spec.version.number()),
        interval_column(spec)?,
        spec.preempt_mode,
        spec.checksum.as_str(),
        delay_column(spec)?,
        spec.accept_mode,
        spec.mac_mode.as_str(),
        spec.transport.as_str(),
        i16::from(spec.max_hops.get()),
        spec.require_link_local,
        text_column(spec),
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await
    .map_err(name_taken("groups_name_key", Kind::Group, &spec.name))?;
    insert_parts(conn, write).await
}

/// Replaces what operators wrote of a group, and raises its generation.
///
/// # Errors
/// [`StoreError`] when the database refuses it, or there is no such group.
pub async fn replace(conn: &mut PgConnection, write: GroupWrite<'_>) -> Result<(), StoreError> {
    let GroupWrite { id, spec, segment_id, now, .. } = write;
    virtual_addresses::delete(conn, id).await?;
    virtual_routing::delete(conn, id).await?;
    tracked_checks::delete(conn, id).await?;
    group_hooks::delete(conn, id).await?;
    members::delete(conn, id).await?;
    let done = sqlx::query!(
        "
        UPDATE groups
        SET name = $2, description = $3, segment_id = $4, family = $5, vrid = $6, version = $7,
            advertisement_interval_ms = $8, preempt_mode = $9, checksum = $10, preempt_delay_ms = $11,
            accept_mode = $12, mac_mode = $13, transport = $14, max_hops = $15, require_link_local = $16,
            authentication_text = $17, generation = generation + 1, updated_at = $18
        WHERE id = $1
        ",
        id,
        spec.name.as_str(),
        spec.description,
        segment_id,
        spec.family.as_str(),
        i16::from(spec.vrid.get()),
        i16::from(spec.version.number()),
        interval_column(spec)?,
        spec.preempt_mode,
        spec.checksum.as_str(),
        delay_column(spec)?,
        spec.accept_mode,
        spec.mac_mode.as_str(),
        spec.transport.as_str(),
        i16::from(spec.max_hops.get()),
        spec.require_link_local,
        text_column(spec),
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await
    .map_err(name_taken("groups_name_key", Kind::Group, &spec.name))?;
    expect_one_row("groups", id, done.rows_affected())?;
    insert_parts(conn, write).await
}

async fn insert_parts(conn: &mut PgConnection, write: GroupWrite<'_>) -> Result<(), StoreError> {
    let GroupWrite { id, spec, segment_id, node_ids, .. } = write;
    virtual_addresses::insert(conn, id, segment_id, &spec.virtual_addresses).await?;
    virtual_routing::insert(conn, id, &spec.virtual_routes, &spec.virtual_rules).await?;
    tracked_checks::insert(conn, id, &spec.track).await?;
    group_hooks::insert(conn, id, spec.pre_active.as_ref(), &spec.hooks).await?;
    members::insert(conn, id, &spec.members, node_ids).await
}

fn interval_column(spec: &GroupSpec) -> Result<i32, StoreError> {
    i32::try_from(spec.advertisement_interval().as_millis())
        .map_err(|error| StoreError::inconsistent("groups", &spec.name, error))
}

fn delay_column(spec: &GroupSpec) -> Result<i32, StoreError> {
    i32::try_from(spec.preempt_delay_ms.as_millis())
        .map_err(|error| StoreError::inconsistent("groups", &spec.name, error))
}

fn text_column(spec: &GroupSpec) -> Option<&str> {
    match &spec.authentication {
        Some(Authentication::SimpleText { text }) => Some(text.as_str()),
        None => None,
    }
}

/// Removes a group with its addresses and members.
///
/// # Errors
/// [`StoreError`] when the database refuses it, or there is no such group.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    let done = sqlx::query!("DELETE FROM groups WHERE id = $1", id).execute(conn).await?;
    expect_one_row("groups", id, done.rows_affected())
}
