//! Whether a name means anything: whether something has it, or had it when something happened.

use sqlx::PgConnection;

use super::StoreError;

/// Whether a group has this name, or had it.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn is_of_a_group(conn: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM groups WHERE name = $1)
            OR EXISTS (SELECT FROM transitions WHERE group_name = $1)
            OR EXISTS (SELECT FROM failovers WHERE group_name = $1)
            OR EXISTS (
                SELECT FROM audit_events
                WHERE (target_kind = 'group' AND target_name = $1) OR after ->> 'group' = $1
            ) AS "known!"
        "#,
        name,
    )
    .fetch_one(conn)
    .await?)
}

/// Whether a node or an external member has this name, or had it.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn is_of_a_node(conn: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM nodes WHERE name = $1)
            OR EXISTS (SELECT FROM members WHERE external_name = $1)
            OR EXISTS (SELECT FROM transitions WHERE node = $1)
            OR EXISTS (SELECT FROM failovers WHERE from_member = $1 OR to_member = $1)
            OR EXISTS (
                SELECT FROM audit_events
                WHERE (target_kind = 'node' AND target_name = $1) OR (actor_kind = 'node' AND actor_name = $1)
            ) AS "known!"
        "#,
        name,
    )
    .fetch_one(conn)
    .await?)
}
