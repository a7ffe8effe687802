//! What the contract knows and the agents of this release do not, or are not known to do well enough.

use api_types::protocol::MacMode;
use vrrp::Family;

use super::GroupDraft;
use crate::domain::faults::Faults;

/// Refuses what no agent can do yet.
pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let is_virtual = draft.mac_mode == Some(MacMode::Virtual);
    if is_virtual && draft.members().any(|(_, member)| member.is_owner()) {
        faults.add(
            "/mac_mode",
            "virtual is not supported by this release for a group with an owner (priority 255), whose addresses are \
             its interface's own: allowed is \"interface\"",
        );
    }
    if draft.family != Some(Family::Ipv6) {
        return;
    }
    let mut refuse = |asked: bool, pointer: &str, what: &str, allowed: &str| {
        if asked {
            let detail =
                format_args!("{what} is not supported by this release over IPv6: allowed is {allowed}");
            faults.add(pointer, detail);
        }
    };
    refuse(is_virtual, "/mac_mode", "virtual", "\"interface\"");
    refuse(draft.accept_mode == Some(false), "/accept_mode", "false", "true");
    let filled = |count: Option<usize>| count.is_some_and(|count| count > 0);
    refuse(filled(draft.virtual_routes.as_ref().map(Vec::len)), "/virtual_routes", "a route", "[]");
    refuse(filled(draft.virtual_rules.as_ref().map(Vec::len)), "/virtual_rules", "a rule", "[]");
}
