//! The rules of what follows the members of a group.

use std::collections::BTreeMap;

use super::GroupDraft;
use crate::domain::faults::Faults;

/// The most hooks of one group.
pub const MAX_HOOKS: usize = 32;

pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (position, hook) in draft.hooks() {
        if let Some(first) = seen.insert((hook.on, &hook.hook), position) {
            faults.add(
                format!("/hooks/{position}/hook"),
                format_args!(
                    "{} runs on {} already, at /hooks/{first}: allowed is each once in a state",
                    hook.hook,
                    hook.on.as_str()
                ),
            );
        }
    }
    let owner = draft.members().find(|(_, member)| member.is_owner());
    if let (Some((position, _)), Some(Some(_))) = (owner, &draft.pre_active) {
        faults.add(
            "/pre_active",
            format_args!(
                "/members/{position} owns the addresses (priority 255), which always answer: allowed with an owner is \
                 null"
            ),
        );
    }
}
