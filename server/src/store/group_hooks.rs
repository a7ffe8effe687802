//! Which programs of the hosts follow the members of groups.

use std::collections::HashMap;

use api_types::hook::{Hook, HookTime, HookTimeout, PreActive};
use api_types::transition::State;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::intent::stored_name;

/// What runs for a group.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) pre_active: Option<PreActive>,
    pub(super) hooks: Vec<Hook>,
}

const STATES: [State; 4] = [State::Initialize, State::Backup, State::Active, State::Fault];

/// What runs for each of the groups, in the order in which it was written.
pub(super) async fn of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Hooks>, StoreError> {
    let rows = sqlx::query!(
        "SELECT group_id, runs_on, hook, timeout_ms FROM group_hooks
         WHERE group_id = ANY($1) ORDER BY group_id, position",
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Hooks> = HashMap::new();
    for row in rows {
        let refuse = |detail: String| StoreError::inconsistent("group_hooks", row.group_id, detail);
        let timeout_ms = HookTimeout::try_from(i64::from(row.timeout_ms));
        let timeout_ms = timeout_ms.map_err(|error| refuse(error.to_string()))?;
        let hook = stored_name("group_hooks", row.group_id, row.hook)?;
        let hooks = found.entry(row.group_id).or_default();
        if row.runs_on == HookTime::PreActive.as_str() {
            hooks.pre_active = Some(PreActive { hook, timeout_ms });
            continue;
        }
        let on = STATES.into_iter().find(|state| state.as_str() == row.runs_on);
        let on = on.ok_or_else(|| refuse(format!("unknown state {:?}", row.runs_on)))?;
        hooks.hooks.push(Hook { on, hook, timeout_ms });
    }
    Ok(found)
}

/// Lets these run for a group, for which nothing does.
pub(super) async fn insert(
    conn: &mut PgConnection,
    group: Uuid,
    pre_active: Option<&PreActive>,
    hooks: &[Hook],
) -> Result<(), StoreError> {
    let first = pre_active.map(|first| (0, HookTime::PreActive, &first.hook, first.timeout_ms));
    let others = (0..).zip(hooks);
    let others = others.map(|(position, hook)| (position, hook.on.into(), &hook.hook, hook.timeout_ms));
    let rows: Vec<(i16, HookTime, _, _)> = first.into_iter().chain(others).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let positions: Vec<i16> = rows.iter().map(|(position, ..)| *position).collect();
    let times: Vec<String> = rows.iter().map(|(_, on, ..)| on.as_str().to_owned()).collect();
    let names: Vec<String> = rows.iter().map(|(_, _, hook, _)| hook.to_string()).collect();
    let timeouts = rows.iter().map(|(.., timeout)| i32::try_from(u32::from(*timeout)));
    let timeouts: Vec<i32> = timeouts
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::inconsistent("group_hooks", group, error))?;
    sqlx::query!(
        "INSERT INTO group_hooks (group_id, position, runs_on, hook, timeout_ms)
         SELECT $1, row.position, row.runs_on, row.hook, row.timeout_ms
         FROM unnest($2::smallint[], $3::text[], $4::text[], $5::integer[])
              AS row (position, runs_on, hook, timeout_ms)",
        group,
        &positions,
        &times,
        &names,
        &timeouts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets nothing run for a group.
pub(super) async fn delete(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM group_hooks WHERE group_id = $1", group).execute(conn).await?;
    Ok(())
}
