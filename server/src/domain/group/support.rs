//! What the contract knows and the agents of this release do not.

use api_types::protocol::MacMode;

use super::GroupDraft;
use crate::domain::faults::Faults;

/// Refuses what no agent can do yet.
pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let mut refuse = |asked: bool, pointer: &str, what: &str, allowed: &str| {
        if asked {
            faults
                .add(pointer, format_args!("{what} is not supported by this release: allowed is {allowed}"));
        }
    };
    refuse(draft.accept_mode == Some(false), "/accept_mode", "false", "true");
    refuse(draft.mac_mode == Some(MacMode::Virtual), "/mac_mode", "virtual", "\"interface\"");
    let filled = |count: Option<usize>| count.is_some_and(|count| count > 0);
    refuse(filled(draft.virtual_routes.as_ref().map(Vec::len)), "/virtual_routes", "a route", "[]");
    refuse(filled(draft.virtual_rules.as_ref().map(Vec::len)), "/virtual_rules", "a rule", "[]");
}
