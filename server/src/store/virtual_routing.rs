//! The routes and policy rules that come and go with the addresses of groups.

use std::collections::HashMap;
use std::net::IpAddr;

use api_types::protocol::{VirtualRoute, VirtualRule};
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// The routes of each of the groups, in the order in which they were written.
pub(super) async fn routes_of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<VirtualRoute>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        SELECT group_id, destination AS "destination: IpNet", gateway AS "gateway: IpAddr", metric, table_id
        FROM virtual_routes WHERE group_id = ANY($1) ORDER BY group_id, position
        "#,
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vec<VirtualRoute>> = HashMap::new();
    for row in rows {
        let number =
            |number: Option<i64>| number.map(|number| stored("virtual_routes", row.group_id, number));
        found.entry(row.group_id).or_default().push(VirtualRoute {
            destination: row.destination,
            gateway: row.gateway,
            metric: number(row.metric).transpose()?,
            table: number(row.table_id).transpose()?,
        });
    }
    Ok(found)
}

/// The rules of each of the groups, in the order in which they were written.
pub(super) async fn rules_of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<VirtualRule>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        SELECT group_id, from_prefix AS "from_prefix: IpNet", to_prefix AS "to_prefix: IpNet", table_id, preference
        FROM virtual_rules WHERE group_id = ANY($1) ORDER BY group_id, position
        "#,
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vec<VirtualRule>> = HashMap::new();
    for row in rows {
        found.entry(row.group_id).or_default().push(VirtualRule {
            from: row.from_prefix,
            to: row.to_prefix,
            table: stored("virtual_rules", row.group_id, row.table_id)?,
            preference: stored("virtual_rules", row.group_id, row.preference.into())?,
        });
    }
    Ok(found)
}

/// Gives a group, which has none, its routes and rules.
pub(super) async fn insert(
    conn: &mut PgConnection,
    group: Uuid,
    routes: &[VirtualRoute],
    rules: &[VirtualRule],
) -> Result<(), StoreError> {
    for (position, route) in routes.iter().enumerate() {
        sqlx::query!(
            "
            INSERT INTO virtual_routes (group_id, position, destination, gateway, metric, table_id)
            VALUES ($1, $2, $3, $4, $5, $6)
            ",
            group,
            place(group, position)?,
            route.destination as _,
            route.gateway.map(IpNet::from) as _,
            route.metric.map(i64::from),
            route.table.map(i64::from),
        )
        .execute(&mut *conn)
        .await?;
    }
    for (position, rule) in rules.iter().enumerate() {
        sqlx::query!(
            "
            INSERT INTO virtual_rules (group_id, position, from_prefix, to_prefix, table_id, preference)
            VALUES ($1, $2, $3, $4, $5, $6)
            ",
            group,
            place(group, position)?,
            rule.from as _,
            rule.to as _,
            i64::from(rule.table),
            i32::try_from(rule.preference).map_err(|error| StoreError::inconsistent(
                "virtual_rules",
                group,
                error
            ))?,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Takes all its routes and rules from a group.
pub(super) async fn delete(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM virtual_routes WHERE group_id = $1", group).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM virtual_rules WHERE group_id = $1", group).execute(conn).await?;
    Ok(())
}

fn place(group: Uuid, position: usize) -> Result<i16, StoreError> {
    i16::try_from(position).map_err(|error| StoreError::inconsistent("groups", group, error))
}

fn stored(table: &'static str, group: Uuid, number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|error| StoreError::inconsistent(table, group, error))
}
