//! What the contract knows and the agents of this release do not.

use api_types::protocol::{MacMode, Transport};
use vrrp::{Family, Version};

use super::GroupDraft;
use crate::domain::faults::Faults;

/// The most virtual addresses that an agent of this release takes.
const MAX_ADDRESSES: usize = 64;

/// Refuses what no agent can do yet.
pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    let mut refuse = |asked: bool, pointer: &str, what: &str, allowed: &str| {
        if asked {
            faults
                .add(pointer, format_args!("{what} is not supported by this release: allowed is {allowed}"));
        }
    };
    refuse(draft.family == Some(Family::Ipv6), "/family", "ipv6", "\"ipv4\"");
    refuse(draft.version == Some(Version::V2), "/version", "version 2", "3");
    let delays = draft.preempt_delay_ms.is_some_and(|delay| delay.as_millis() > 0);
    refuse(delays, "/preempt_delay_ms", "a delay", "0");
    refuse(draft.accept_mode == Some(false), "/accept_mode", "false", "true");
    refuse(draft.mac_mode == Some(MacMode::Virtual), "/mac_mode", "virtual", "\"interface\"");
    refuse(draft.transport == Some(Transport::Unicast), "/transport", "unicast", "\"multicast\"");
    let filled = |count: Option<usize>| count.is_some_and(|count| count > 0);
    refuse(filled(draft.virtual_routes.as_ref().map(Vec::len)), "/virtual_routes", "a route", "[]");
    refuse(filled(draft.virtual_rules.as_ref().map(Vec::len)), "/virtual_rules", "a rule", "[]");
    let many = draft.virtual_addresses.as_ref().is_some_and(|addresses| addresses.len() > MAX_ADDRESSES);
    refuse(many, "/virtual_addresses", "so long a list", "1 to 64 addresses");
}
