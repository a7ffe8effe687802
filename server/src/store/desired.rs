//! The desired state of a node, read from what operators wrote and agents reported.

use api_types::channel::{DesiredState, Revision};
use api_types::node::Interface;
use api_types::{Name, group::Member};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::intent::stored_name;
use super::{StoreError, checks, groups, sync_groups};
use crate::domain::desired::{self, Interfaces, StoredGroup};

/// What a node shall run; `None` when there is no such node.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn read(db: &PgPool, node: Uuid) -> Result<Option<DesiredState>, StoreError> {
    // One state of the database, so that the revision is the one of the groups.
    let mut tx = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let state = of_node(&mut tx, node).await?;
    tx.commit().await?;
    Ok(state)
}

async fn of_node(conn: &mut PgConnection, node: Uuid) -> Result<Option<DesiredState>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT name, desired_epoch, desired_counter,
                  EXISTS (SELECT FROM drains WHERE node_id = $1) AS "drained!"
           FROM nodes WHERE id = $1"#,
        node
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let name = stored_name("nodes", node, row.name)?;
    let revision = Revision { epoch: row.desired_epoch, counter: row.desired_counter };
    let groups = groups::of_node(conn, node).await?;
    let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
    let mut sync_groups = sync_groups::of_groups(conn, &ids).await?;
    let groups: Vec<_> = groups
        .into_iter()
        .map(|group| StoredGroup {
            id: group.id,
            generation: group.generation,
            spec: group.spec(),
            sync_group: sync_groups.remove(&group.id),
        })
        .collect();
    let interfaces = interfaces_of(conn, &groups).await?;
    let groups = desired::groups_of(&name, row.drained, &groups, &interfaces);
    let tracked = groups.iter().flat_map(|group| &group.track).map(|track| &track.check).collect();
    let checks = checks::named(conn, &tracked).await?;
    let state = DesiredState::new(revision, groups, checks);
    state.map(Some).map_err(|error| StoreError::inconsistent("groups", node, error))
}

async fn interfaces_of(conn: &mut PgConnection, groups: &[StoredGroup]) -> Result<Interfaces, StoreError> {
    let mut names: Vec<String> = groups
        .iter()
        .flat_map(|group| &group.spec.members)
        .filter_map(|member| match member {
            Member::Node(member) => Some(member.node.to_string()),
            Member::External(_) => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let rows = sqlx::query!(
        r#"SELECT id, name, interfaces AS "interfaces!: Json<Vec<Interface>>" FROM nodes
           WHERE name = ANY($1) AND interfaces IS NOT NULL"#,
        &names
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let name: Name = stored_name("nodes", row.id, row.name)?;
            let Json(interfaces) = row.interfaces;
            Ok((name, interfaces))
        })
        .collect()
}
