//! Which groups get a lease, and which do not and why.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, Transport};

use super::fenced::{Fenced, Lease, LeaseKey};
use crate::dataplane::group::Group;
use crate::dataplane::interfaces::Interfaces;
use crate::dataplane::virtual_link::LinkKey;

/// How many intervals a lease lasts: no Backup moves before, since its Active_Down_Interval has the skew on
/// top (RFC 9568 §6.1).
const INTERVALS: u32 = 3;
/// Below it the kernel's clock, of 4 ms, and a scheduler's whim would end leases of members that are well.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// What is to be fenced.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) fenced: Fenced,
    /// The groups, for people.
    pub(super) names: BTreeMap<LeaseKey, String>,
    /// Groups that have no lease, each with the reason.
    pub(super) uncovered: BTreeSet<String>,
}

/// The name of the group's virtual router on this host, once its interface is known.
pub(super) fn key(group: &Group) -> Option<LeaseKey> {
    let DesiredGroup { family, vrid, .. } = *group.desired();
    Some(LeaseKey { ifindex: group.footing()?.ifindex, family, vrid })
}

/// How long the lease of a group lasts.
pub(super) fn lasts(desired: &DesiredGroup) -> Duration {
    desired.advertisement_interval_ms.as_duration() * INTERVALS
}

impl Plan {
    /// Covers all of these that can be.
    pub(super) fn of<'a>(groups: impl Iterator<Item = &'a Group>, interfaces: &Interfaces) -> Self {
        let mut plan = Self::default();
        let mut claims: BTreeMap<(u32, IpAddr), usize> = BTreeMap::new();
        // Of two with the same virtual router the one that stays is meant.
        let (staying, leaving): (Vec<_>, Vec<_>) = groups.partition(|group| group.departure().is_none());
        for group in staying.into_iter().chain(leaving) {
            let desired = group.desired();
            if let Some(reason) = why_not(desired) {
                if group.departure().is_none() {
                    plan.uncovered.insert(format!("{} ({reason})", desired.name));
                }
                continue;
            }
            let lease = key(group).and_then(|key| Some((key, lease(group, interfaces)?)));
            let Some((key, lease)) = lease else { continue };
            if plan.names.contains_key(&key) {
                continue;
            }
            for address in &lease.addresses {
                *claims.entry((key.ifindex, *address)).or_default() += 1;
            }
            plan.names.insert(key, desired.name.to_string());
            plan.fenced.0.insert(key, lease);
        }
        // An address on its way from one group to another must not be silenced because the one that it leaves
        // is silent.
        for (key, lease) in &mut plan.fenced.0 {
            lease.addresses.retain(|address| claims.get(&(key.ifindex, *address)) == Some(&1));
        }
        plan
    }
}

fn why_not(desired: &DesiredGroup) -> Option<String> {
    if desired.priority.is_owner() {
        // They are the host's own, and answer whatever becomes of the agent.
        return Some("it owns its addresses".to_owned());
    }
    let interval = desired.advertisement_interval_ms.as_duration();
    (interval < SHORTEST_INTERVAL).then(|| {
        format!(
            "its interval is {} ms, and at least {} are needed",
            interval.as_millis(),
            SHORTEST_INTERVAL.as_millis()
        )
    })
}

fn lease(group: &Group, interfaces: &Interfaces) -> Option<Lease> {
    let (desired, footing) = (group.desired(), group.footing()?);
    let key = LinkKey { parent: footing.ifindex, family: desired.family, vrid: desired.vrid };
    Some(Lease {
        interface: interfaces.get(footing.ifindex)?.name.clone(),
        addresses: desired.virtual_addresses.iter().map(|address| address.address()).collect(),
        // What goes to a peer that does not answer ARP never reaches the hook.
        source: (desired.options.transport == Transport::Multicast).then_some(footing.source),
        mac: (desired.options.mac_mode == MacMode::Virtual).then(|| key.mac()),
        lasts: lasts(desired),
    })
}
