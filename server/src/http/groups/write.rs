//! One transaction for each change of a group: validate, write, audit, and a new revision for every node that the
//! change touches.
//!
//! The rows of the nodes come first: reports of an agent lock them first too, so that the two wait for each other
//! in one order only.

use std::collections::HashMap;

use api_types::group::{Group, GroupSpec};
use sqlx::PgConnection;
use uuid::Uuid;

use super::versioned;
use crate::app::App;
use crate::domain::conflict::{Conflict, Kind};
use crate::domain::{group, surroundings};
use crate::http::authorise::Caller;
use crate::http::intent::{Written, check_creation, key_of};
use crate::http::path::NameOrId;
use crate::http::problem::Problem;
use crate::http::versions::{Created, Preconditions};
use crate::store::audit::{self, Target};
use crate::store::events::Subject;
use crate::store::groups::{self, GroupWrite};
use crate::store::{self, Key, StoreError, conditions, intent, member_reports, members};

pub(super) async fn create(app: &App, caller: &Caller, spec: &GroupSpec) -> Result<Created<Group>, Problem> {
    let mut tx = app.db.begin().await?;
    intent::lock(&mut tx).await?;
    let group = insert(&mut tx, app, caller, spec).await?;
    tx.commit().await?;
    Ok(created(group))
}

pub(super) async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    spec: &GroupSpec,
) -> Result<Written<Group>, Problem> {
    let key = key_of(Kind::Group, path)?;
    let mut tx = app.db.begin().await?;
    intent::lock(&mut tx).await?;
    let found = groups::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|group| group.generation))?;
    let Some(before) = found else {
        check_creation(Kind::Group, path, &spec.name)?;
        let group = insert(&mut tx, app, caller, spec).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(group)));
    };
    if before.spec() == *spec {
        return Ok(Written::There(versioned(before)));
    }
    let checked = check(&mut tx, Some(before.id), spec).await?;
    let mut touched = members::node_ids_of(&mut tx, before.id).await?;
    touched.extend(checked.members());
    intent::touch_nodes(&mut tx, &touched).await?;
    let now = app.clock.now();
    let CheckedGroup { segment_id, node_ids } = &checked;
    let write = GroupWrite { id: before.id, spec, segment_id: *segment_id, node_ids, now };
    groups::replace(&mut tx, write).await?;
    member_reports::judge_groups(&mut tx, &[before.id], now).await?;
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::Group.as_str(), before.id, &before.name);
    audit::record(&mut tx, now, &caller.did("group.update", target).before(&before).after(&after)).await?;
    tx.commit().await?;
    Ok(Written::There(versioned(after)))
}

pub(super) async fn delete(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
) -> Result<(), Problem> {
    let key = key_of(Kind::Group, path)?;
    let mut tx = app.db.begin().await?;
    intent::lock(&mut tx).await?;
    let found = groups::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::Group.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    let now = app.clock.now();
    let touched = members::node_ids_of(&mut tx, before.id).await?;
    intent::touch_nodes(&mut tx, &touched).await?;
    conditions::settle(&mut tx, Subject::Group(before.id), &[], now).await?;
    groups::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::Group.as_str(), before.id, &before.name);
    audit::record(&mut tx, now, &caller.did("group.delete", target).before(&before)).await?;
    tx.commit().await?;
    Ok(())
}

async fn insert(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    spec: &GroupSpec,
) -> Result<Group, Problem> {
    let checked = check(conn, None, spec).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    intent::touch_nodes(conn, &checked.members().collect::<Vec<_>>()).await?;
    let CheckedGroup { segment_id, node_ids } = &checked;
    groups::insert(conn, GroupWrite { id, spec, segment_id: *segment_id, node_ids, now }).await?;
    member_reports::judge_groups(conn, &[id], now).await?;
    let group = read_back(conn, id).await?;
    let target = Target::new(Kind::Group.as_str(), id, &group.name);
    audit::record(conn, now, &caller.did("group.create", target).after(&group)).await?;
    Ok(group)
}

/// A specification that passed, with the ids of what it names.
struct CheckedGroup {
    segment_id: Uuid,
    node_ids: HashMap<api_types::Name, Uuid>,
}

impl CheckedGroup {
    fn members(&self) -> impl Iterator<Item = Uuid> {
        self.node_ids.values().copied()
    }
}

async fn check(
    conn: &mut PgConnection,
    own: Option<Uuid>,
    spec: &GroupSpec,
) -> Result<CheckedGroup, Problem> {
    let around = store::surroundings::of(conn, own, spec).await?;
    let mut faults = group::faults_of(spec);
    faults.extend(surroundings::faults_of(spec, &around));
    let Some(segment) = around.segment.as_ref().filter(|_| faults.is_empty()) else {
        return Err(Problem::invalid(faults));
    };
    let mut conflicts = Vec::new();
    if let Some(other) = groups::find(conn, &Key::Name(spec.name.clone())).await?
        && Some(other.id) != own
    {
        conflicts.push(Conflict::NameTaken { kind: Kind::Group, name: other.name });
    }
    conflicts.extend(surroundings::conflicts_of(spec, &around));
    if !conflicts.is_empty() {
        return Err(conflicts.into());
    }
    let node_ids = around.nodes.into_iter().map(|(name, node)| (name, node.id)).collect();
    Ok(CheckedGroup { segment_id: segment.id, node_ids })
}

async fn read_back(conn: &mut PgConnection, id: Uuid) -> Result<Group, StoreError> {
    let found = groups::find(conn, &Key::Id(id)).await?;
    found.ok_or_else(|| StoreError::inconsistent("groups", id, "it was just written and is not there"))
}

fn created(group: Group) -> Created<Group> {
    Created {
        location: format!("/api/v1/groups/{}", group.id),
        generation: Some(group.generation),
        object: group,
    }
}
