//! What the groups of a sync group must have in common, so that its nodes never move it to and fro: one order of the nodes.

use std::collections::BTreeMap;

use api_types::Name;
use api_types::check::Track;
use api_types::group::{GroupSpec, Member};
use vrrp::Priority;

use super::desired::StoredGroup;

/// Why these groups cannot be one sync group: the number of the first that does not fit, and a sentence.
#[must_use]
pub fn fault_of(groups: &[&GroupSpec]) -> Option<(usize, String)> {
    let first = groups.first()?;
    groups.iter().enumerate().find_map(|(number, group)| {
        alone(group).or_else(|| beside(first, group)).map(|detail| (number, detail))
    })
}

/// Everything that the groups of a sync group track counts for each of them: the checks of all, by name.
#[must_use]
pub fn tracked_together<'a>(groups: impl Iterator<Item = &'a StoredGroup>) -> Vec<Track> {
    let all = groups.flat_map(|group| &group.spec.track);
    let by_check: BTreeMap<&Name, &Track> = all.map(|track| (&track.check, track)).collect();
    by_check.into_values().cloned().collect()
}

/// Why a group cannot be in a sync group, whatever the others are.
fn alone(group: &GroupSpec) -> Option<String> {
    let name = &group.name;
    for member in &group.members {
        match member {
            Member::External(external) => {
                return Some(format!(
                    "group {name} has the external member {}, which moves by itself: allowed are groups all of whose \
                     members have agents",
                    external.name
                ));
            }
            Member::Node(member) if member.priority.is_owner() => {
                return Some(format!(
                    "node {} owns the addresses of group {name} and keeps them: allowed are groups without an owner",
                    member.node
                ));
            }
            Member::Node(_) => {}
        }
    }
    let mut seen: BTreeMap<Priority, &Name> = BTreeMap::new();
    group.members.iter().find_map(|member| {
        let other = seen.insert(member.priority(), member.name())?;
        Some(format!(
            "nodes {other} and {} have the same priority in group {name}: allowed are groups in which no two have",
            member.name()
        ))
    })
}

/// Why a group cannot be in a sync group with `first`.
fn beside(first: &GroupSpec, group: &GroupSpec) -> Option<String> {
    let (one, other) = (priorities(first), priorities(group));
    let names = (&group.name, &first.name);
    if !one.keys().eq(other.keys()) {
        return Some(format!(
            "group {} does not have the members of group {}: allowed are groups with the same nodes",
            names.0, names.1
        ));
    }
    if let Some((node, priority)) = other.iter().find(|(node, priority)| one.get(*node) != Some(*priority)) {
        return Some(format!(
            "node {node} has the priority {priority} in group {} and {} in group {}: allowed is the same in all",
            names.0, one[node], names.1
        ));
    }
    if first.preempt_mode != group.preempt_mode {
        return Some(format!(
            "group {} has another preempt_mode than group {}: allowed is the same in all",
            names.0, names.1
        ));
    }
    let differs =
        |track: &&Track| first.track.iter().any(|other| other.check == track.check && other != *track);
    group.track.iter().find(differs).map(|track| {
        format!(
            "group {} tracks check {} otherwise than group {}: allowed is the same weight in all",
            names.0, track.check, names.1
        )
    })
}

fn priorities(group: &GroupSpec) -> BTreeMap<&Name, Priority> {
    group.members.iter().map(|member| (member.name(), member.priority())).collect()
}
