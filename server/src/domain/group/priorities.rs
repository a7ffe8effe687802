//! The rule that every member without a written priority must get one.

use api_types::group::priorities::assigned;

use super::GroupDraft;
use crate::domain::faults::Faults;

pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let (Some(interval), Some(version), Some(members)) =
        (draft.advertisement_interval_ms, draft.version, &draft.members)
    else {
        return;
    };
    let written: Option<Vec<_>> = members.iter().map(|member| member.priority()).collect();
    let (Some(written), Ok(interval)) = (written, interval.checked_for(version)) else { return };
    if let Err(refusal) = assigned(interval, &written) {
        // Where no interval has room, it is the members that are too many.
        let pointer = if refusal.least.is_some() { "/advertisement_interval_ms" } else { "/members" };
        faults.add(pointer, refusal);
    }
}
