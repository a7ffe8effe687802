//! How the dataplane stands, for control.

use std::net::IpAddr;

use api_types::VirtualAddress;
use api_types::agent_status::{HeardRouter, RealtimeStatus};
use api_types::channel::DesiredGroup;

use super::accept_gate::AcceptGate;
use super::binder::{Binder, GroupHandle};
use super::drops::Drops;
use super::fences::Fencing;
use super::group::Group;
use super::heard::Router;
use super::instances::{self, Instances};
use super::interfaces::Interfaces;
use super::translate;
use crate::messages::{DroppedPackets, GroupSnapshot, Snapshot};
use crate::sys::clock;

/// Everything that control may want to know, groups by name.
pub(super) fn take(
    instances: &Instances,
    interfaces: &Interfaces,
    binder: &Binder,
    gate: &AcceptGate,
    realtime: &RealtimeStatus,
    drops: &Drops,
    fencing: &Fencing,
) -> Snapshot {
    let running: Vec<_> = instances.iter().map(|(_, group)| group).collect();
    let not_shut = gate.failure().map(|failure| failure.to_string());
    let mut groups: Vec<_> = instances
        .iter()
        .filter(|(_, group)| group.departure().is_none())
        .map(|(handle, group)| GroupSnapshot {
            waits_for: instances.waits_for(group, clock::boottime()),
            ..of_group(handle, group, interfaces, binder)
        })
        .map(|group| GroupSnapshot {
            fault: group.fault.or_else(|| lack(&group.desired, &not_shut)),
            ..group
        })
        .collect();
    groups.sort_by(|one, other| one.desired.name.cmp(&other.desired.name));
    Snapshot {
        interfaces: interfaces.to_contract(&instances.virtual_addresses()),
        groups,
        realtime: Some(realtime.clone()),
        timing: None,
        fences: fencing.status(&running, binder.renewal_failure()),
        dropped_packets: drops
            .counts()
            .map(|(ifindex, cause, count)| {
                let name = interfaces.get(ifindex).map(|state| state.name.clone());
                DroppedPackets { interface: name.unwrap_or_default(), cause, count }
            })
            .collect(),
    }
}

fn of_group(handle: GroupHandle, group: &Group, interfaces: &Interfaces, binder: &Binder) -> GroupSnapshot {
    let desired = group.desired();
    let bound = binder.present(handle);
    let ifindex = group.footing().map(|footing| footing.ifindex);
    let is_present = |address: &&VirtualAddress| match ifindex {
        Some(ifindex) if desired.priority.is_owner() => interfaces.has_address(ifindex, address.address()),
        Some(_) | None => bound.iter().any(|bound| bound.address == address.address()),
    };
    GroupSnapshot {
        desired: desired.clone(),
        state: group.state(),
        since_boottime_ns: clock::nanoseconds(group.since()),
        effective_priority: group.effective_priority(),
        addresses_present: desired.virtual_addresses.iter().filter(is_present).copied().collect(),
        active_source: group.active_source(),
        last_heard_boottime_ns: group.last_heard_at().map(clock::nanoseconds),
        active_down_interval: group.active_down_interval(),
        boost: group.boost(),
        boost_refused: group.boost_refused().map(|refused| refused.to_string()),
        fault: group
            .fault()
            .map(|fault| fault.describe(&desired.interface))
            .or_else(|| group.describe_checks()),
        counters: group.counters,
        heard: group.heard().iter().map(|(source, router)| heard_router(source, router, desired)).collect(),
        checksum: translate::checksum_word(group.checksum()),
        entrance: group.entrance(),
        waits_for: None,
    }
}

/// What a group lacks that goes on without it.
fn lack(desired: &DesiredGroup, not_shut: &Option<String>) -> Option<String> {
    not_shut.clone().filter(|_| instances::is_shut(desired))
}

fn heard_router(source: IpAddr, router: &Router, desired: &DesiredGroup) -> HeardRouter {
    let words = router.discrepancies.iter().map(|one| translate::discrepancy_word(*one).to_owned());
    let last = router.last();
    let member = desired.peers.iter().find(|peer| peer.address == Some(source));
    HeardRouter {
        source,
        version: Some(last.version),
        priority: router.claim,
        advertisement_interval_ms: Some(last.interval),
        address_count: u32::try_from(last.addresses.len()).ok(),
        member: member.map(|peer| peer.name.to_string()),
        checksum: router.checksum.map(translate::checksum_word),
        at_boottime_ns: clock::nanoseconds(router.at),
        discrepancies: words.collect(),
    }
}
