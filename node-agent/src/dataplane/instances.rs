//! Every group that this node runs.
//!
//! Pure, like [`Group`]: told what happened and when, it leaves what is to be done in [`Effects`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api_types::assist::LetGo;
use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use api_types::protocol::MacMode;
use uuid::Uuid;
use vrrp::{Advertisement, Demands, DropCause, Family, Instant, Role, Vrid};

use super::address_table::HostAddress;
use super::binder::GroupHandle;
use super::carrier::Carriers;
use super::fault::Fault;
use super::group::{Departure, Effects, Findings, Footing, Group};
use super::handover::Legacy;
use super::interfaces::Interfaces;
use super::sync_sets::SyncSets;
use super::translate;
use super::virtual_link::LinkKey;
use crate::messages::{CheckFinding, ObservedTransition, SpokenChecksums};

/// The name of a virtual router on this node.
type RouterKey = (u32, Family, Vrid);

/// Nothing that is less late than this is overdue: three of the shortest interval (RFC 9568 §5.2.7, and multiples of
/// 10 ms here).
const OVERDUE_AT_LEAST: Duration = Duration::from_millis(30);

/// The groups, and the ways to find one.
#[derive(Debug, Default)]
pub(super) struct Instances {
    groups: BTreeMap<GroupHandle, Group>,
    routers: BTreeMap<RouterKey, GroupHandle>,
    deadlines: BTreeSet<(Instant, GroupHandle)>,
    deadline_of: BTreeMap<GroupHandle, Instant>,
    /// The macvlans that cannot be had, and why.
    refused_links: BTreeMap<LinkKey, String>,
    next_handle: GroupHandle,
    spoken: SpokenChecksums,
    carriers: Carriers,
    boosts: BTreeMap<Uuid, Boost>,
    sync_sets: SyncSets,
    findings: Findings,
}

impl Instances {
    /// The groups that run or are leaving.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupHandle, &Group)> {
        self.groups.iter().map(|(handle, group)| (*handle, group))
    }

    /// One group.
    pub(super) fn get(&self, handle: GroupHandle) -> Option<&Group> {
        self.groups.get(&handle)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When to call [`expire`](Self::expire).
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let own = self.deadlines.first().map(|(at, _)| *at);
        own.into_iter().chain(self.sync_sets.next_deadline()).min()
    }

    /// What other routers spoke before the worker started, for the groups that will begin.
    pub(super) fn recall(&mut self, spoken: SpokenChecksums) {
        self.spoken = spoken;
    }

    /// Begins to run a group; as Active when an earlier worker left it so, which `legacy` says.
    pub(super) fn start(
        &mut self,
        desired: DesiredGroup,
        legacy: Option<Legacy>,
        interfaces: &Interfaces,
        now: Instant,
        effects: &mut Effects,
    ) -> GroupHandle {
        let handle = self.next_handle;
        self.next_handle += 1;
        let mut group = Group::new(handle, desired, now);
        if let Some(spoke) = self.spoken.0.get(&group.desired().id) {
            group.recall(spoke);
        }
        if let Some((ifindex, state)) = interfaces.named(&group.desired().interface) {
            self.carriers.observe(ifindex, state.up, state.carrier, now);
        }
        effects.touched.insert(handle);
        if let Some(Legacy::Adopted(_, Some(boost))) = legacy {
            self.boosts.entry(boost.group_id).or_insert(boost);
        }
        let boost = self.boosts.get(&group.desired().id).copied();
        let footing = self.footing(group.desired(), interfaces);
        match (legacy, footing) {
            (Some(Legacy::Adopted(slot, _)), Ok(footing)) => {
                group.adopt(footing, &slot, boost, now, effects);
            }
            (Some(Legacy::Adopted(slot, _)), Err(fault)) => {
                group.follow_loss(&slot, &fault, effects);
                group.set_footing(Err(fault), now, effects);
            }
            (Some(Legacy::Fenced(slot)), footing) => {
                group.follow_fence(&slot, effects);
                group.set_footing(footing, now, effects);
            }
            (None, footing) => group.set_footing(footing, now, effects),
        }
        group.set_boost(boost, now, effects);
        group.set_findings(&self.findings, now, effects);
        self.groups.insert(handle, group);
        self.settle(handle);
        handle
    }

    /// Calls `change` on a group and then takes account of what that changed.
    pub(super) fn update(&mut self, handle: GroupHandle, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(&handle) {
            change(group);
            self.settle(handle);
        }
    }

    /// Takes over a changed desired state of a group that runs.
    pub(super) fn change(
        &mut self,
        handle: GroupHandle,
        desired: DesiredGroup,
        interfaces: &Interfaces,
        now: Instant,
        effects: &mut Effects,
    ) {
        let footing = self.footing(&desired, interfaces);
        let mut left = None;
        self.update(handle, |group| {
            let sync_group = group.sync_group().cloned();
            group.change(desired, footing, now, effects);
            left = sync_group.filter(|name| group.sync_group() != Some(name));
            if left.is_some() {
                group.leave_set(now, effects);
            }
        });
        left.into_iter().for_each(|name| self.sync_sets.stir_without(name));
    }

    /// Hands an advertisement to the virtual router it is about; the cause if it was dropped.
    pub(super) fn hear(
        &mut self,
        ifindex: u32,
        advertisement: &Advertisement,
        sequence: Option<u16>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), DropCause> {
        let key = (ifindex, advertisement.family, advertisement.vrid);
        let Some(handle) = self.routers.get(&key).copied() else { return Err(DropCause::Vrid) };
        let mut outcome = Ok(());
        self.update(handle, |group| {
            if !group.listens_to(advertisement.source) {
                group.counters.count_dropped(DropCause::Peer);
                outcome = Err(DropCause::Peer);
                return;
            }
            outcome = group
                .handle_advertisement(advertisement, sequence, now, effects)
                .map_err(|refusal| refusal.cause());
        });
        outcome
    }

    /// What a packet must be that comes through this interface and names this virtual router.
    pub(super) fn demands(&self, ifindex: u32, family: Family, vrid: Vrid) -> Demands {
        let handle = self.routers.get(&(ifindex, family, vrid));
        let group = handle.and_then(|handle| self.groups.get(handle));
        group.map_or(Demands::RFC_9568, |group| translate::demands(group.desired()))
    }

    /// Counts a packet that named this virtual router and was dropped before it could be heard.
    pub(super) fn count_dropped(&mut self, ifindex: u32, family: Family, vrid: Vrid, cause: DropCause) {
        let handle = self.routers.get(&(ifindex, family, vrid));
        if let Some(group) = handle.and_then(|handle| self.groups.get_mut(handle)) {
            group.counters.count_dropped(cause);
        }
    }

    /// Acts on every deadline that has passed, or on those of Active members only.
    pub(super) fn expire(&mut self, now: Instant, only_active: bool, effects: &mut Effects) {
        let is_meant = |handle: &GroupHandle| {
            !only_active || self.groups.get(handle).is_some_and(|group| group.role() == Role::Active)
        };
        let passed = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<_> = passed.map(|(_, handle)| *handle).filter(is_meant).collect();
        for handle in due {
            self.update(handle, |group| group.handle_timeout(now, effects));
        }
    }

    /// The groups that hold their addresses and are so late that another may do so too.
    pub(super) fn overdue(&self, now: Instant) -> Vec<GroupHandle> {
        let passed = self.deadlines.iter().take_while(|(at, _)| *at + OVERDUE_AT_LEAST <= now);
        let is_overdue = |handle: &GroupHandle| self.get(*handle).is_some_and(|group| group.is_overdue(now));
        passed.map(|(_, handle)| *handle).filter(is_overdue).collect()
    }

    /// Every boost of the node; what is not among them is over.
    pub(super) fn set_boosts(&mut self, boosts: Vec<Boost>, now: Instant, effects: &mut Effects) {
        self.boosts = boosts.into_iter().map(|boost| (boost.group_id, boost)).collect();
        let told: Vec<_> = self
            .iter()
            .map(|(handle, group)| (handle, self.boosts.get(&group.desired().id).copied()))
            .collect();
        for (handle, boost) in told {
            self.update(handle, |group| group.set_boost(boost, now, effects));
        }
    }

    /// What the checks of the node have found.
    pub(super) fn set_findings(
        &mut self,
        findings: BTreeMap<String, CheckFinding>,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.findings = Arc::new(findings);
        let findings = Arc::clone(&self.findings);
        let tracking = |(_, group): &(GroupHandle, &Group)| !group.desired().track.is_empty();
        let handles: Vec<_> = self.iter().filter(tracking).map(|(handle, _)| handle).collect();
        for handle in handles {
            self.update(handle, |group| group.set_findings(&findings, now, effects));
        }
    }

    /// Another node has let go of these. How many groups believed it.
    pub(super) fn assist(&mut self, let_go: &[LetGo], now: Instant, effects: &mut Effects) -> usize {
        let mut obeyed = 0;
        for one in let_go {
            let is_it = |(_, group): &(GroupHandle, &Group)| group.desired().id == one.group_id;
            let Some(handle) = self.iter().find(is_it).map(|(handle, _)| handle) else { continue };
            self.update(handle, |group| obeyed += usize::from(group.handle_assist(one, now, effects)));
        }
        obeyed
    }

    /// How the `pre_active` hook of a group went, for this attempt to hold its addresses.
    pub(super) fn enter(
        &mut self,
        group_id: Uuid,
        attempt: u64,
        outcome: Result<(), String>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let is_it = |(_, group): &(GroupHandle, &Group)| group.desired().id == group_id;
        let Some(handle) = self.iter().find(is_it).map(|(handle, _)| handle) else { return };
        self.update(handle, |group| group.handle_entrance(attempt, outcome, now, effects));
    }

    /// When [`follow_interfaces`](Self::follow_interfaces) is due although nothing changes: a carrier is gone for too long.
    pub(super) fn carrier_deadline(&self) -> Option<Instant> {
        self.carriers.next_deadline()
    }

    /// Interfaces or their addresses have changed.
    pub(super) fn follow_interfaces(&mut self, interfaces: &Interfaces, now: Instant, effects: &mut Effects) {
        for (ifindex, state) in interfaces.iter() {
            self.carriers.observe(ifindex, state.up, state.carrier, now);
        }
        let footing = |group: &Group| self.footing(group.desired(), interfaces);
        let footings: Vec<_> = self.iter().map(|(handle, group)| (handle, footing(group))).collect();
        for (handle, footing) in footings {
            self.update(handle, |group| group.set_footing(footing, now, effects));
        }
    }

    /// Every group leaves and hands over.
    pub(super) fn stop(&mut self, now: Instant, effects: &mut Effects) {
        let staying: Vec<_> =
            self.iter().filter(|(_, group)| group.departure().is_none()).map(|(handle, _)| handle).collect();
        for handle in staying {
            self.update(handle, |group| group.leave(Departure::Stopped, now, effects));
        }
    }

    /// The transitions about which everything is known.
    pub(super) fn take_transitions(&mut self) -> Vec<ObservedTransition> {
        let with_transitions = |(_, group): &(GroupHandle, &Group)| group.has_transitions();
        let handles: Vec<_> = self.iter().filter(with_transitions).map(|(handle, _)| handle).collect();
        let mut transitions = Vec::new();
        for handle in handles {
            self.update(handle, |group| transitions.extend(group.take_transitions()));
        }
        transitions.sort_by_key(|transition: &ObservedTransition| transition.at_boottime_ns);
        transitions
    }

    /// Forgets the groups that have left, and names them.
    pub(super) fn bury(&mut self) -> Vec<GroupHandle> {
        let gone: Vec<_> =
            self.iter().filter(|(_, group)| group.is_gone()).map(|(handle, _)| handle).collect();
        for handle in &gone {
            self.groups.remove(handle);
            self.routers.retain(|_, known| known != handle);
            self.set_deadline(*handle, None);
        }
        gone
    }

    /// Every virtual address of every group, on the interface where it belongs.
    pub(super) fn virtual_addresses(&self) -> BTreeSet<HostAddress> {
        let of = |group: &Group| {
            let ifindex = group.footing().map_or(0, |footing| footing.ifindex);
            let owner = group.desired().priority.is_owner();
            let addresses = group.desired().virtual_addresses.clone();
            addresses
                .into_iter()
                .filter(move |_| !owner)
                .map(move |address| HostAddress { ifindex, address: address.address() })
        };
        self.groups.values().flat_map(of).collect()
    }

    /// The macvlans that cannot be had, and why.
    pub(super) fn set_refused_links(&mut self, refused: &BTreeMap<LinkKey, String>) {
        self.refused_links.clone_from(refused);
    }

    /// The macvlans that the groups want.
    pub(super) fn links(&self, interfaces: &Interfaces) -> BTreeSet<LinkKey> {
        let wanted = |group: &Group| {
            let desired = group.desired();
            link_key(desired, interfaces.index_of(&desired.interface)?)
        };
        self.groups.values().filter_map(wanted).collect()
    }

    /// The addresses for which no packet may be accepted.
    pub(super) fn shut_addresses(&self) -> BTreeSet<IpAddr> {
        let desired = self.groups.values().map(Group::desired);
        let shut = desired.filter(|desired| is_shut(desired));
        shut.flat_map(|desired| &desired.virtual_addresses).map(|address| address.address()).collect()
    }

    /// What the interface of the group offers it, or what keeps it from running there.
    fn footing(&self, desired: &DesiredGroup, interfaces: &Interfaces) -> Result<Footing, Fault> {
        let ifindex = interfaces.index_of(&desired.interface).ok_or(Fault::InterfaceMissing)?;
        let state = interfaces.get(ifindex).ok_or(Fault::InterfaceMissing)?;
        if !state.up {
            return Err(Fault::InterfaceDown);
        }
        let interval = desired.advertisement_interval_ms.as_duration();
        if !state.carrier && !self.carriers.is_bridged(ifindex, interval) {
            return Err(Fault::CarrierLost);
        }
        let own_mac = state.mac.ok_or(Fault::NoInterfaceAddress)?;
        let virtual_addresses: BTreeSet<IpAddr> =
            desired.virtual_addresses.iter().map(|address| address.address()).collect();
        let owner = desired.priority.is_owner();
        if owner && !virtual_addresses.iter().all(|address| interfaces.owns(ifindex, *address)) {
            return Err(Fault::AddressNotOwned);
        }
        // An owner's virtual addresses are the interface's own, and it may advertise from them.
        let never = if owner { BTreeSet::new() } else { virtual_addresses };
        let source = interfaces.primary(ifindex, desired.family, &never).ok_or(Fault::NoInterfaceAddress)?;
        let mtu = state.mtu;
        let Some(key) = link_key(desired, ifindex) else {
            return Ok(Footing { ifindex, mac: own_mac, own_mac, holder: Some(ifindex), source, mtu });
        };
        let holder = interfaces.virtual_link(key);
        match self.refused_links.get(&key) {
            Some(reason) if holder.is_none() => Err(Fault::NoVirtualMac(reason.clone())),
            Some(_) | None => Ok(Footing { ifindex, mac: key.mac(), own_mac, holder, source, mtu }),
        }
    }

    /// Lets the groups of each sync group do what the others allow, or forces them to.
    pub(super) fn settle_sync_groups(&mut self, now: Instant, effects: &mut Effects) {
        for handle in self.sync_sets.settle(&mut self.groups, now, effects) {
            self.follow(handle);
        }
    }

    /// For what a group waits that would take over if its sync group did.
    pub(super) fn waits_for(&self, group: &Group, now: Instant) -> Option<String> {
        self.sync_sets.waits_for(&self.groups, group, now)
    }

    fn settle(&mut self, handle: GroupHandle) {
        if let Some(group) = self.groups.get(&handle) {
            self.sync_sets.stir(handle, group);
            self.follow(handle);
        }
    }

    /// Takes account of where the group runs now, and until when it waits.
    fn follow(&mut self, handle: GroupHandle) {
        let Some(group) = self.groups.get(&handle) else { return };
        let deadline = group.poll_timeout();
        let desired = group.desired();
        // Another group may already have taken the place of one that has left.
        let takes_part = group.departure().is_none() || group.role() != Role::Initialize;
        let key = group
            .footing()
            .filter(|_| takes_part)
            .map(|footing| (footing.ifindex, desired.family, desired.vrid));
        if key.is_none_or(|key| self.routers.get(&key) != Some(&handle)) {
            self.routers.retain(|_, known| *known != handle);
            if let Some(key) = key {
                self.routers.insert(key, handle);
            }
        }
        self.set_deadline(handle, deadline);
    }

    fn set_deadline(&mut self, handle: GroupHandle, deadline: Option<Instant>) {
        let old = match deadline {
            Some(at) => self.deadline_of.insert(handle, at),
            None => self.deadline_of.remove(&handle),
        };
        if old == deadline {
            return;
        }
        if let Some(at) = old {
            self.deadlines.remove(&(at, handle));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, handle));
        }
    }
}

/// Whether no packet may be accepted for the addresses of the group.
pub(super) const fn is_shut(desired: &DesiredGroup) -> bool {
    !desired.options.accept_mode && !desired.priority.is_owner()
}

/// The macvlan that a group wants; `None` for one that uses the MAC address of its interface.
fn link_key(desired: &DesiredGroup, parent: u32) -> Option<LinkKey> {
    let is_virtual = desired.options.mac_mode == MacMode::Virtual;
    is_virtual.then_some(LinkKey { parent, family: desired.family, vrid: desired.vrid })
}
