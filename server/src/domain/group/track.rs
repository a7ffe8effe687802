//! The rules of what a group tracks.

use std::collections::BTreeMap;

use super::GroupDraft;
use crate::domain::faults::Faults;

/// The most checks that one group tracks.
pub const MAX_TRACKED: usize = 32;

pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (position, track) in draft.track() {
        if let Some(first) = seen.get(&track.check) {
            faults.add(
                format!("/track/{position}/check"),
                format_args!("{} stands at /track/{first} already: allowed is each check once", track.check),
            );
        } else {
            seen.insert(&track.check, position);
        }
    }
    let is_tracking = draft.track.as_ref().is_some_and(|track| !track.is_empty());
    let owner = draft.members().find(|(_, member)| member.is_owner());
    if let Some((position, _)) = owner.filter(|_| is_tracking) {
        faults.add(
            "/track",
            format_args!(
                "/members/{position} owns the addresses (priority 255) and holds them whatever a check says: allowed \
                 with an owner is an empty list"
            ),
        );
    }
}
