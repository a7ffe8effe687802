//! Between the words of the contract and those of the protocol.

use std::net::IpAddr;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::group::Checksum;
use api_types::protocol;
use api_types::transition::{AdvertisementHeard, TransitionReason};
use vrrp::{
    Authentication, ChecksumForm, Config, Demands, Discrepancy, Family, Heard, Priority, Reason, Settings,
};

use super::fault::Fault;
use super::group::Departure;
use crate::sys::clock;

/// How often an Active member beside a router without an agent announces anew, for that one may release or take over
/// without a word.
const REFRESH: Duration = Duration::from_secs(10);

/// The settings of the protocol for a desired group that advertises from `source`.
pub(super) fn settings(desired: &DesiredGroup, source: IpAddr) -> Settings {
    Settings {
        version: desired.version,
        family: desired.family,
        vrid: desired.vrid,
        priority: desired.priority,
        interval: desired.advertisement_interval_ms,
        preempt: desired.preempt_mode,
        preempt_delay: desired.options.preempt_delay_ms.as_duration(),
        refresh: refresh(desired),
        require_link_local: desired.options.require_link_local,
        authentication: authentication(desired),
        addresses: desired.virtual_addresses.iter().map(|address| address.address()).collect(),
        source,
    }
}

fn authentication(desired: &DesiredGroup) -> Authentication {
    match &desired.options.authentication {
        Some(protocol::Authentication::SimpleText { text }) => {
            Authentication::simple_text(text.as_str()).unwrap_or_default()
        }
        None => Authentication::None,
    }
}

/// The routers that a group speaks to one by one; `None` when it speaks to all of the LAN.
pub(super) fn unicast_peers(desired: &DesiredGroup) -> Option<Vec<IpAddr>> {
    let is_ours = |address: &IpAddr| Family::of(*address) == desired.family;
    let peers = || desired.peers.iter().filter_map(|peer| peer.address).filter(is_ours).collect();
    (desired.options.transport == protocol::Transport::Unicast).then(peers)
}

/// What packets for a group must be.
pub(super) fn demands(desired: &DesiredGroup) -> Demands {
    Demands {
        least_hop_limit: desired.options.max_hops.least_hop_limit(),
        link_local_first: desired.options.require_link_local,
        multicast: desired.options.transport == protocol::Transport::Multicast,
    }
}

/// How often an Active member announces anew: a router without an agent may release without a word.
fn refresh(desired: &DesiredGroup) -> Option<Duration> {
    let has_stranger = desired.peers.iter().any(|peer| peer.external);
    has_stranger.then_some(REFRESH)
}

/// [`settings`] that have been checked before, but for the source.
pub(super) fn config(desired: &DesiredGroup, source: IpAddr) -> Option<Config> {
    config_at(desired, desired.priority, source)
}

/// The same with the priority that counts in the place of the declared one.
pub(super) fn config_at(desired: &DesiredGroup, priority: Priority, source: IpAddr) -> Option<Config> {
    Config::new(Settings { priority, ..settings(desired, source) }).ok()
}

/// The form of the checksum that a group sends, by what it was told and what it has heard.
pub(super) fn checksum_form(
    desired: &DesiredGroup,
    members: &[IpAddr],
    heard: &super::heard::Heard,
) -> ChecksumForm {
    spoken_form(desired.checksum).unwrap_or_else(|| heard.common_form(members))
}

/// The addresses of the other members, as far as they are known.
pub(super) fn members(desired: &DesiredGroup) -> Vec<IpAddr> {
    desired.peers.iter().filter_map(|peer| peer.address).collect()
}

/// A form that the contract names; `None` where the choice is left open.
pub(super) const fn spoken_form(word: Checksum) -> Option<ChecksumForm> {
    match word {
        Checksum::Auto => None,
        Checksum::Rfc5798 => Some(ChecksumForm::Rfc5798),
        Checksum::Rfc9568 => Some(ChecksumForm::Rfc9568),
    }
}

/// A form as the contract writes it.
pub(super) const fn checksum_word(form: ChecksumForm) -> Checksum {
    match form {
        ChecksumForm::Rfc5798 => Checksum::Rfc5798,
        ChecksumForm::Rfc9568 => Checksum::Rfc9568,
    }
}

/// What is odd about a router, as the contract writes it.
pub(super) const fn discrepancy_word(discrepancy: Discrepancy) -> &'static str {
    match discrepancy {
        Discrepancy::Interval => "interval",
        Discrepancy::AddressList => "address_list",
        Discrepancy::EqualPriority => "equal_priority",
        Discrepancy::DuplicateSource => "duplicate_source",
        Discrepancy::OwnersAddresses => "owners_addresses",
    }
}

/// Why a member changed its state, seen with what the protocol does not know: its fault, why it
/// leaves, and which fence it lets go for.
pub(super) fn reason(
    reason: Reason,
    fault: Option<&Fault>,
    departure: Option<Departure>,
    lapse: Option<TransitionReason>,
) -> TransitionReason {
    match reason {
        Reason::Started => TransitionReason::Started,
        Reason::OwnerStarted => TransitionReason::OwnerStarted,
        Reason::NoResponse => TransitionReason::NoResponse,
        Reason::PriorityZero => TransitionReason::PriorityZero,
        Reason::Preempting => TransitionReason::Preempting,
        Reason::Switchover => TransitionReason::Switchover,
        Reason::Assist => TransitionReason::Assist,
        Reason::FastStart => TransitionReason::FastStart,
        Reason::HigherPriorityHeard => TransitionReason::HigherPriorityHeard,
        Reason::HoldFailed => {
            let of_attempt = fault.filter(|fault| fault.is_of_attempt());
            of_attempt.map_or(TransitionReason::BindFailed, Fault::reason)
        }
        Reason::SyncGroup => TransitionReason::SyncGroup,
        Reason::Lapsed => lapse.unwrap_or(TransitionReason::SelfCheck),
        // Why else a member that stays is stopped is for itself to say.
        Reason::Stopped => departure.map_or(TransitionReason::Drained, reason_of),
        Reason::Faulted => match (fault, departure) {
            (Some(fault), _) => fault.reason(),
            (None, Some(departure)) => reason_of(departure),
            // The interface was replaced by another of the same name.
            (None, None) => TransitionReason::InterfaceMissing,
        },
    }
}

/// The word for a departure.
pub(super) const fn reason_of(departure: Departure) -> TransitionReason {
    match departure {
        Departure::Removed => TransitionReason::Removed,
        Departure::Reconfigured => TransitionReason::Reconfigured,
        Departure::Stopped => TransitionReason::Stopped,
    }
}

/// An advertisement as the contract writes it.
pub(super) fn heard(heard: Heard) -> AdvertisementHeard {
    AdvertisementHeard {
        source: heard.source,
        priority: heard.claim,
        at_boottime_ns: clock::nanoseconds(heard.at),
    }
}
