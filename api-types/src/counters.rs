//! What was sent, heard and dropped. What RFC 8347 counts has the RFC's name in `snake_case`, but
//! `active_transitions`, which is its `master-transitions`; what it does not count has a name of ours.

use serde::{Deserialize, Serialize};
use vrrp::DropCause;

/// What one group has sent, heard and dropped since the worker started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct GroupCounters {
    /// Advertisements sent, priority 0 included.
    pub advertisement_sent: u64,
    /// Valid advertisements heard from others.
    pub advertisement_rcvd: u64,
    /// Priority 0 sent.
    pub priority_zero_pkts_sent: u64,
    /// Priority 0 heard.
    pub priority_zero_pkts_rcvd: u64,
    /// Advertisements that left more than an interval later than they were due.
    pub advertisements_late: u64,
    /// By how much the latest of all advertisements left late, in microseconds.
    pub longest_lateness_us: u64,
    /// Gratuitous ARPs and unsolicited NAs sent.
    pub announcements_sent: u64,
    /// Addresses that somebody else removed while we held them, and that were bound again.
    pub addresses_restored: u64,
    /// Packets that named this virtual router and were dropped, for whatever cause.
    pub packets_dropped: u64,
    /// How often the member has become Active (`master-transitions` of RFC 8347).
    pub active_transitions: u64,
    /// Dropped: a wrong checksum.
    pub checksum_errors: u64,
    /// Dropped: another version than the group's.
    pub version_errors: u64,
    /// Dropped: a TTL or hop limit too low.
    pub ip_ttl_errors: u64,
    /// Dropped: no advertisement.
    pub invalid_type_pkts_rcvd: u64,
    /// Dropped: not as long as it must be.
    pub packet_length_errors: u64,
    /// Dropped: an interval of 0, or, in version 2, another one than the group's.
    pub interval_errors: u64,
    /// Dropped: no address, or an IPv6 list that does not begin with a link-local one.
    pub address_list_errors: u64,
    /// Dropped: version 2 with another authentication than the group's.
    pub authentication_errors: u64,
    /// Dropped: the addresses inside, or the protocol, are of another family than the group.
    pub family_errors: u64,
    /// Dropped: from an address that no router has.
    pub source_errors: u64,
    /// Dropped: sent to another address than the multicast group, to a group that speaks by multicast.
    pub destination_errors: u64,
    /// Dropped: from a router that is no peer of a unicast group.
    pub peer_errors: u64,
}

impl GroupCounters {
    /// Counts a packet that was dropped for this cause.
    pub fn count_dropped(&mut self, cause: DropCause) {
        self.packets_dropped += 1;
        if let Some(counter) = self.counter(cause) {
            *counter += 1;
        }
    }

    /// How many packets were dropped for each cause.
    #[must_use]
    pub fn dropped(&self) -> Vec<(DropCause, u64)> {
        let mut counters = *self;
        DropCause::ALL.into_iter().filter_map(|cause| Some((cause, *counters.counter(cause)?))).collect()
    }

    const fn counter(&mut self, cause: DropCause) -> Option<&mut u64> {
        Some(match cause {
            DropCause::Checksum => &mut self.checksum_errors,
            DropCause::Version => &mut self.version_errors,
            DropCause::Ttl => &mut self.ip_ttl_errors,
            DropCause::Type => &mut self.invalid_type_pkts_rcvd,
            DropCause::Length => &mut self.packet_length_errors,
            DropCause::Interval => &mut self.interval_errors,
            DropCause::AddressList => &mut self.address_list_errors,
            DropCause::Authentication => &mut self.authentication_errors,
            DropCause::Family => &mut self.family_errors,
            DropCause::Source => &mut self.source_errors,
            DropCause::Destination => &mut self.destination_errors,
            DropCause::Peer => &mut self.peer_errors,
            // Such a packet names no virtual router that somebody here takes part in.
            DropCause::Vrid | DropCause::Overflow => return None,
        })
    }
}

/// The packets that were dropped on one interface since the worker started, whatever virtual router they
/// named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct InterfaceCounters {
    /// The name of the interface; empty for those that are gone, and where none can be told.
    pub interface: String,
    /// A wrong checksum.
    pub checksum_errors: u64,
    /// Another version than the group's, or one that nobody knows.
    pub version_errors: u64,
    /// A VRID that no group of the interface has.
    pub vrid_errors: u64,
    /// A TTL or hop limit too low.
    pub ip_ttl_errors: u64,
    /// No advertisement.
    pub invalid_type_pkts_rcvd: u64,
    /// Not as long as it must be.
    pub packet_length_errors: u64,
    /// An interval of 0, or, in version 2, another one than the group's.
    pub interval_errors: u64,
    /// No address, or an IPv6 list that does not begin with a link-local one.
    pub address_list_errors: u64,
    /// Version 2 with another authentication than the group's.
    pub authentication_errors: u64,
    /// The addresses inside are of another family than the packet.
    pub family_errors: u64,
    /// From an address that no router has.
    pub source_errors: u64,
    /// Sent to another address than the multicast group, about a group that speaks by multicast.
    pub destination_errors: u64,
    /// From a router that is no peer of a unicast group.
    pub peer_errors: u64,
    /// Came faster than they were taken, through whatever interface: only where `interface` is empty.
    pub overflow_errors: u64,
}

impl InterfaceCounters {
    /// Adds packets that were dropped for this cause.
    pub const fn add(&mut self, cause: DropCause, count: u64) {
        *self.counter(cause) += count;
    }

    /// How many packets were dropped for each cause.
    #[must_use]
    pub fn dropped(&self) -> Vec<(DropCause, u64)> {
        let mut counters = self.clone();
        DropCause::ALL.into_iter().map(|cause| (cause, *counters.counter(cause))).collect()
    }

    const fn counter(&mut self, cause: DropCause) -> &mut u64 {
        match cause {
            DropCause::Checksum => &mut self.checksum_errors,
            DropCause::Version => &mut self.version_errors,
            DropCause::Vrid => &mut self.vrid_errors,
            DropCause::Ttl => &mut self.ip_ttl_errors,
            DropCause::Type => &mut self.invalid_type_pkts_rcvd,
            DropCause::Length => &mut self.packet_length_errors,
            DropCause::Interval => &mut self.interval_errors,
            DropCause::AddressList => &mut self.address_list_errors,
            DropCause::Authentication => &mut self.authentication_errors,
            DropCause::Family => &mut self.family_errors,
            DropCause::Source => &mut self.source_errors,
            DropCause::Destination => &mut self.destination_errors,
            DropCause::Peer => &mut self.peer_errors,
            DropCause::Overflow => &mut self.overflow_errors,
        }
    }

    /// How many packets were dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.dropped().iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The counters of a JSON object that are not 0.
    fn counted(counters: impl Serialize) -> Vec<(String, u64)> {
        let Value::Object(fields) = serde_json::to_value(counters).unwrap() else { panic!("an object") };
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?)));
        fields.filter(|(_, value)| *value > 0).collect()
    }

    #[test]
    fn every_cause_that_names_a_virtual_router_has_a_counter_of_its_own_in_a_group() {
        for cause in DropCause::ALL {
            let mut counters = GroupCounters::default();
            counters.count_dropped(cause);
            let of_nobody = matches!(cause, DropCause::Vrid | DropCause::Overflow);
            let own = (!of_nobody).then(|| (cause.counter().to_owned(), 1));
            let all = own.into_iter().chain([("packets_dropped".to_owned(), 1)]);
            let mut all: Vec<_> = all.collect();
            all.sort();
            assert_eq!(counted(counters), all);
            assert!(of_nobody || counters.dropped().contains(&(cause, 1)));
        }
    }

    #[test]
    fn every_cause_has_a_counter_of_its_own_on_an_interface() {
        for cause in DropCause::ALL {
            let mut counters = InterfaceCounters::default();
            counters.add(cause, 7);
            assert_eq!((counters.total(), counters.dropped().contains(&(cause, 7))), (7, true));
            assert_eq!(counted(counters), [(cause.counter().to_owned(), 7)]);
        }
    }
}
