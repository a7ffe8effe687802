//! The members of groups.

use std::collections::HashMap;
use std::net::IpAddr;

use api_types::Name;
use api_types::group::{ExternalMember, Member, NodeMember};
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;
use vrrp::Priority;

use super::StoreError;
use super::intent::stored_name;

struct MemberRow {
    group_id: Uuid,
    priority: i16,
    node: Option<String>,
    interface: Option<String>,
    external_name: Option<String>,
    external_address: Option<IpAddr>,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        let id = row.group_id;
        let priority = Priority::try_from(i64::from(row.priority))
            .map_err(|error| StoreError::inconsistent("members", id, error))?;
        match (row.node, row.interface, row.external_name, row.external_address) {
            (Some(node), Some(interface), None, None) => {
                let node = stored_name("members", id, node)?;
                Ok(Self::Node(NodeMember { node, interface, priority }))
            }
            (None, None, Some(name), Some(address)) => {
                let name = stored_name("members", id, name)?;
                Ok(Self::External(ExternalMember { name, address, priority }))
            }
            _ => Err(StoreError::inconsistent("members", id, "neither a node nor an external router")),
        }
    }
}

/// The members of each of the groups, in the order in which they were written.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Member>>, StoreError> {
    let rows = sqlx::query_as!(
        MemberRow,
        r#"
        SELECT m.group_id, m.priority, n.name AS "node?", m.interface, m.external_name,
               m.external_address AS "external_address: IpAddr"
        FROM members m LEFT JOIN nodes n ON n.id = m.node_id
        WHERE m.group_id = ANY($1)
        ORDER BY m.group_id, m.position
        "#,
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vec<Member>> = HashMap::new();
    for row in rows {
        found.entry(row.group_id).or_default().push(row.try_into()?);
    }
    Ok(found)
}

/// The nodes that are members of a group.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn node_ids_of(conn: &mut PgConnection, group: Uuid) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT node_id AS "node_id!" FROM members WHERE group_id = $1 AND node_id IS NOT NULL"#,
        group,
    )
    .fetch_all(conn)
    .await?)
}

/// Gives a group, which has none, its members.
pub(super) async fn insert(
    conn: &mut PgConnection,
    group: Uuid,
    members: &[Member],
    node_ids: &HashMap<Name, Uuid>,
) -> Result<(), StoreError> {
    let mut priorities: Vec<i16> = Vec::new();
    let mut nodes: Vec<Option<Uuid>> = Vec::new();
    let mut interfaces: Vec<Option<&str>> = Vec::new();
    let mut external_names: Vec<Option<&str>> = Vec::new();
    let mut external_addresses: Vec<Option<IpNet>> = Vec::new();
    for member in members {
        priorities.push(member.priority().get().into());
        let (node, external) = match member {
            Member::Node(node) => (Some(node), None),
            Member::External(external) => (None, Some(external)),
        };
        nodes.push(node.and_then(|member| node_ids.get(&member.node).copied()));
        interfaces.push(node.map(|member| member.interface.as_str()));
        external_names.push(external.map(|member| member.name.as_str()));
        external_addresses.push(external.map(|member| member.address.into()));
    }
    sqlx::query!(
        r#"
        INSERT INTO members (group_id, position, priority, node_id, interface, external_name, external_address)
        SELECT $1, (row.number - 1)::smallint, row.priority, row.node_id, row.interface, row.external_name,
               row.external_address
        FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::inet[]) WITH ORDINALITY
             AS row (priority, node_id, interface, external_name, external_address, number)
        "#,
        group,
        &priorities,
        &nodes as _,
        &interfaces as _,
        &external_names as _,
        &external_addresses as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes all its members from a group.
pub(super) async fn delete(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM members WHERE group_id = $1", group).execute(conn).await?;
    Ok(())
}
