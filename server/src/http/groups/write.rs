//! One transaction for each change of a group: validate, write, audit, and a new revision for every node that the
//! change touches.
//!
//! The rows of the nodes come first: reports of an agent lock them first too, so that the two wait for each other
//! in one order only.

use std::collections::HashMap;

use api_types::group::{Group, GroupSpec};
use api_types::switchover::SwitchoverState;
use api_types::{Name, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::versioned;
use crate::app::App;
use crate::domain::conflict::{Conflict, Kind};
use crate::domain::group::{self, GroupDraft};
use crate::domain::surroundings;
use crate::domain::sync_group;
use crate::http::authorise::Caller;
use crate::http::body::DraftBody;
use crate::http::intent::{Written, creation_fault, key_of};
use crate::http::path::NameOrId;
use crate::http::problem::Problem;
use crate::http::versions::{Created, Preconditions};
use crate::store::audit::{self, Target};
use crate::store::events::Subject;
use crate::store::groups::{self, GroupWrite};
use crate::store::{
    self, Key, StoreError, conditions, intent, member_reports, members, switchovers, sync_groups,
};

/// What the caller sent, as far as it could be read.
type Wish = DraftBody<GroupDraft>;

pub(super) async fn create(app: &App, caller: &Caller, wish: Wish) -> Result<Created<Group>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let group = insert(&mut tx, app, caller, wish).await?;
    tx.commit().await?;
    Ok(created(group))
}

pub(super) async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    mut wish: Wish,
) -> Result<Written<Group>, Problem> {
    let key = key_of(Kind::Group, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = groups::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|group| group.generation))?;
    let Some(before) = found else {
        wish.faults.extend(creation_fault(Kind::Group, path, wish.draft.name.as_ref())?);
        let group = insert(&mut tx, app, caller, wish).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(group)));
    };
    if wish.faults.is_empty() && wish.draft.clone().complete().is_some_and(|spec| spec == before.spec()) {
        return Ok(Written::There(versioned(before)));
    }
    let checked = check(&mut tx, Some(before.id), wish).await?;
    check_sync_group(&mut tx, &before, &checked.spec).await?;
    let mut touched = members::node_ids_of(&mut tx, before.id).await?;
    touched.extend(checked.members());
    intent::touch_nodes(&mut tx, &touched).await?;
    let now = app.clock.now();
    groups::replace(&mut tx, checked.write(before.id, now)).await?;
    member_reports::judge_groups(&mut tx, &[before.id], now).await?;
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::Group.as_str(), before.id, &before.name);
    let entry = caller.did("group.update", target).before(&recorded(&before)).after(&recorded(&after));
    audit::record(&mut tx, now, &entry).await?;
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
    let mut tx = app.intent.begin(&app.db).await?;
    let found = groups::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::Group.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    if let Some(sync_group) = sync_groups::of_groups(&mut tx, &[before.id]).await?.remove(&before.id) {
        return Err(Conflict::InSyncGroup { group: before.name, sync_group, why: None }.into());
    }
    let now = app.clock.now();
    let touched = members::node_ids_of(&mut tx, before.id).await?;
    intent::touch_nodes(&mut tx, &touched).await?;
    conditions::lock(&mut tx, &[before.id]).await?;
    if let Some(switchover) = &before.status.switchover {
        let reason = "the group was deleted";
        switchovers::end(&mut tx, switchover.id, SwitchoverState::Ended, reason, now).await?;
    }
    conditions::settle(&mut tx, Subject::Group(before.id), &[], now).await?;
    groups::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::Group.as_str(), before.id, &before.name);
    audit::record(&mut tx, now, &caller.did("group.delete", target).before(&recorded(&before))).await?;
    tx.commit().await?;
    Ok(())
}

async fn insert(conn: &mut PgConnection, app: &App, caller: &Caller, wish: Wish) -> Result<Group, Problem> {
    let checked = check(conn, None, wish).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    intent::touch_nodes(conn, &checked.members().collect::<Vec<_>>()).await?;
    groups::insert(conn, checked.write(id, now)).await?;
    member_reports::judge_groups(conn, &[id], now).await?;
    let group = read_back(conn, id).await?;
    let target = Target::new(Kind::Group.as_str(), id, &group.name);
    audit::record(conn, now, &caller.did("group.create", target).after(&recorded(&group))).await?;
    Ok(group)
}

/// The group as the audit log keeps it: without what its members hear and count, which no change is about.
fn recorded(group: &Group) -> Group {
    let mut group = group.clone();
    for member in &mut group.status.members {
        (member.counters, member.peers) = (None, Vec::new());
        member.dropping.clear();
    }
    group
}

/// A specification that passed, with the ids of what it names.
struct CheckedGroup {
    spec: GroupSpec,
    segment_id: Uuid,
    node_ids: HashMap<Name, Uuid>,
}

impl CheckedGroup {
    fn members(&self) -> impl Iterator<Item = Uuid> {
        self.node_ids.values().copied()
    }

    const fn write(&self, id: Uuid, now: Timestamp) -> GroupWrite<'_> {
        let Self { spec, segment_id, node_ids } = self;
        GroupWrite { id, spec, segment_id: *segment_id, node_ids, now }
    }
}

/// Everything that is wrong with the wish, in one answer; then what stands in its way.
async fn check(conn: &mut PgConnection, own: Option<Uuid>, wish: Wish) -> Result<CheckedGroup, Problem> {
    let DraftBody { draft, mut faults } = wish;
    let around = store::surroundings::of(conn, &draft).await?;
    faults.extend(group::faults_of(&draft));
    faults.extend(surroundings::faults_of(&draft, &around));
    let (Some(segment), Some(spec), true) = (&around.segment, draft.complete(), faults.is_empty()) else {
        return Err(Problem::invalid(faults));
    };
    let mut conflicts = Vec::new();
    if let Some(other) = groups::find(conn, &Key::Name(spec.name.clone())).await?
        && Some(other.id) != own
    {
        conflicts.push(Conflict::NameTaken { kind: Kind::Group, name: other.name });
    }
    let neighbours = store::surroundings::neighbours(conn, own, &spec, &around).await?;
    conflicts.extend(surroundings::conflicts_of(&spec, &neighbours));
    if !conflicts.is_empty() {
        return Err(conflicts.into());
    }
    let segment_id = segment.id;
    let node_ids = around.nodes.into_iter().map(|(name, node)| (name, node.id)).collect();
    Ok(CheckedGroup { spec, segment_id, node_ids })
}

/// A group that is in a sync group stays what that needs.
async fn check_sync_group(conn: &mut PgConnection, before: &Group, spec: &GroupSpec) -> Result<(), Problem> {
    let Some(sync_group) = sync_groups::of_groups(conn, &[before.id]).await?.remove(&before.id) else {
        return Ok(());
    };
    let mut others = Vec::new();
    for id in sync_groups::together_with(conn, before.id).await? {
        if id != before.id {
            others.push(read_back(conn, id).await?.spec());
        }
    }
    let together: Vec<_> = others.iter().chain([spec]).collect();
    match sync_group::fault_of(&together) {
        None => Ok(()),
        Some((_, why)) => {
            Err(Conflict::InSyncGroup { group: before.name.clone(), sync_group, why: Some(why) }.into())
        }
    }
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
