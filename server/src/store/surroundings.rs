//! Reads what stands around a group: its segment, its nodes, and the groups that it could clash with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api_types::Name;
use api_types::group::{GroupSpec, Member};
use api_types::node::Interface;
use ipnet::IpNet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use vrrp::Vrid;

use super::StoreError;
use super::groups::stored_family;
use super::intent::stored_name;
use crate::domain::group::GroupDraft;
use crate::domain::surroundings::{Neighbour, NodeFacts, SegmentFacts, Surroundings};

/// What stands around a group, as far as it says where it lives.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn of(conn: &mut PgConnection, draft: &GroupDraft) -> Result<Surroundings, StoreError> {
    let segment = match &draft.segment {
        Some(name) => segment_named(conn, name).await?,
        None => None,
    };
    let nodes = nodes_named(conn, draft.members().filter_map(|(_, member)| member.name())).await?;
    let checks = checks_named(conn, draft.track().map(|(_, track)| &track.check)).await?;
    Ok(Surroundings { segment, nodes, checks })
}

async fn segment_named(conn: &mut PgConnection, name: &Name) -> Result<Option<SegmentFacts>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT id, prefixes AS "prefixes: Vec<IpNet>" FROM segments WHERE name = $1"#,
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| SegmentFacts { id: row.id, prefixes: row.prefixes }))
}

/// Those of the named nodes that exist.
async fn nodes_named(
    conn: &mut PgConnection,
    names: impl Iterator<Item = &Name>,
) -> Result<BTreeMap<Name, NodeFacts>, StoreError> {
    let names: Vec<String> = names.map(ToString::to_string).collect();
    sqlx::query!(
        r#"SELECT id, name, interfaces AS "interfaces: Json<Vec<Interface>>" FROM nodes WHERE name = ANY($1)"#,
        &names,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        let interfaces = row.interfaces.map(|Json(interfaces)| interfaces);
        Ok((stored_name("nodes", row.id, row.name)?, NodeFacts { id: row.id, interfaces }))
    })
    .collect()
}

/// Those of the named checks that exist.
async fn checks_named(
    conn: &mut PgConnection,
    names: impl Iterator<Item = &Name>,
) -> Result<BTreeSet<Name>, StoreError> {
    let names: Vec<String> = names.map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows =
        sqlx::query!("SELECT id, name FROM checks WHERE name = ANY($1)", &names).fetch_all(conn).await?;
    rows.into_iter().map(|row| stored_name("checks", row.id, row.name)).collect()
}

/// The groups that this one could clash with. `own` is the group itself, where it exists already.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn neighbours(
    conn: &mut PgConnection,
    own: Option<Uuid>,
    spec: &GroupSpec,
    around: &Surroundings,
) -> Result<Vec<Neighbour>, StoreError> {
    let Surroundings { segment, nodes, .. } = around;
    let addresses: Vec<IpNet> =
        spec.virtual_addresses.iter().map(|virtual_address| virtual_address.address().into()).collect();
    let (node_ids, interfaces): (Vec<Uuid>, Vec<String>) = spec
        .members
        .iter()
        .filter_map(|member| match member {
            Member::Node(member) => Some((nodes.get(&member.node)?.id, member.interface.clone())),
            Member::External(_) => None,
        })
        .unzip();
    sqlx::query!(
        r#"
        SELECT g.id, g.name, s.name AS segment, g.family, g.vrid,
               ARRAY(
                   SELECT v.address FROM virtual_addresses v
                   WHERE v.group_id = g.id AND v.address = ANY($6::inet[]) ORDER BY v.address
               ) AS "addresses!: Vec<IpAddr>"
        FROM groups g JOIN segments s ON s.id = g.segment_id
        WHERE g.id IS DISTINCT FROM $1
          AND (
              g.segment_id = $2
              OR EXISTS (
                  SELECT FROM members m
                  JOIN unnest($3::uuid[], $4::text[]) AS own (node_id, interface) USING (node_id, interface)
                  WHERE m.group_id = g.id
              )
          )
          AND (
              (g.family = $5 AND g.vrid = $7)
              OR EXISTS (
                  SELECT FROM virtual_addresses v WHERE v.group_id = g.id AND v.address = ANY($6::inet[])
              )
          )
        ORDER BY g.name
        "#,
        own,
        segment.as_ref().map(|segment| segment.id),
        &node_ids,
        &interfaces,
        spec.family.as_str(),
        &addresses,
        i16::from(spec.vrid.get()),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        let vrid = Vrid::try_from(i64::from(row.vrid))
            .map_err(|error| StoreError::inconsistent("groups", row.id, error))?;
        Ok(Neighbour {
            group: stored_name("groups", row.id, row.name)?,
            segment: stored_name("groups", row.id, row.segment)?,
            family: stored_family("groups", row.id, &row.family)?,
            vrid,
            addresses: row.addresses,
        })
    })
    .collect()
}
