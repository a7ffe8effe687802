//! The sync groups of this node: which groups are in each, and what they let each other do.

use std::collections::{BTreeMap, BTreeSet};

use api_types::Name;
use vrrp::{Instance, Instant, SyncSet, kept_waiting_by};

use super::binder::GroupHandle;
use super::group::{Effects, Group};

type Groups = BTreeMap<GroupHandle, Group>;

/// What is known of each sync group, and which are to be looked at.
#[derive(Debug, Default)]
pub(super) struct SyncSets {
    sets: BTreeMap<Name, (SyncSet, BTreeSet<GroupHandle>)>,
    stirred: BTreeSet<Name>,
}

impl SyncSets {
    /// Something may have changed in a group.
    pub(super) fn stir(&mut self, handle: GroupHandle, group: &Group) {
        // One that leaves for good has left the others behind.
        let Some(name) = &group.desired().sync_group else { return };
        if group.sync_group().is_some() {
            self.sets.entry(name.clone()).or_default().1.insert(handle);
        }
        self.stirred.insert(name.clone());
    }

    /// A group has left this sync group.
    pub(super) fn stir_without(&mut self, name: Name) {
        self.stirred.insert(name);
    }

    /// When to [`settle`](Self::settle) although nothing has happened.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.sets.values().filter_map(|(set, _)| set.poll_timeout()).min()
    }

    /// Has the groups do what the others of their sync groups allow, or force them to. Names those it looked at.
    pub(super) fn settle(
        &mut self,
        groups: &mut Groups,
        now: Instant,
        effects: &mut Effects,
    ) -> Vec<GroupHandle> {
        let is_due = |set: &SyncSet| set.poll_timeout().is_some_and(|at| at <= now);
        let due = self.sets.iter().filter(|(_, (set, _))| is_due(set)).map(|(name, _)| name.clone());
        self.stirred.extend(due);
        let mut looked_at = Vec::new();
        for name in std::mem::take(&mut self.stirred) {
            let Some((set, members)) = self.sets.get_mut(&name) else { continue };
            members.retain(|member| groups.get(member).and_then(Group::sync_group) == Some(&name));
            if members.is_empty() {
                self.sets.remove(&name);
                continue;
            }
            let mut instances: Vec<Option<Instance>> =
                members.iter().map(|member| groups.get_mut(member)?.lend_instance()).collect();
            let mut lent: Vec<_> = instances.iter_mut().map(Option::as_mut).collect();
            set.settle(&mut lent, now);
            for (member, instance) in members.iter().zip(instances) {
                if let Some(group) = groups.get_mut(member) {
                    group.take_back(instance);
                }
            }
            let mut present = members.iter().filter_map(|member| groups.get(member));
            let lame = present.find(|group| group.is_lame()).map(|group| group.desired().name.clone());
            for member in members.iter() {
                let Some(group) = groups.get_mut(member) else { continue };
                let lame = lame.as_ref().filter(|_| !group.is_lame());
                group.follow_set(lame, now, effects);
            }
            looked_at.extend(members.iter().copied());
        }
        looked_at
    }

    /// For what a group waits that would take over if its sync group did, for people.
    pub(super) fn waits_for(&self, groups: &Groups, group: &Group, now: Instant) -> Option<String> {
        let name = group.sync_group().filter(|_| group.instance().is_some_and(Instance::is_willing))?;
        let (_, members) = self.sets.get(name)?;
        let members: Vec<_> = members.iter().filter_map(|member| groups.get(member)).collect();
        let instances: Vec<_> = members.iter().map(|member| member.instance()).collect();
        let other = members.get(kept_waiting_by(&instances, now)?)?;
        let why = match other.active_source() {
            Some(source) => format!(": {source} is heard there"),
            None if other.is_lame() => ", which is in fault".to_owned(),
            None => String::new(),
        };
        Some(format!("waits for group {} of sync group {name}{why}", other.desired().name))
    }
}

#[cfg(test)]
mod tests;
