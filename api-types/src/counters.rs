//! What was sent, heard and dropped. The names are those of RFC 8347 where it has one, in `snake_case` and with "active"
//! for "master".

use serde::{Deserialize, Serialize};

/// What one group has sent, heard and dropped since the worker started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct GroupCounters {
    /// Advertisements sent, priority 0 included.
    pub advertisements_sent: u64,
    /// Valid advertisements heard from others.
    pub advertisements_received: u64,
    /// Priority 0 sent.
    pub priority_zero_sent: u64,
    /// Priority 0 heard.
    pub priority_zero_received: u64,
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
    /// Dropped: a wrong checksum (`checksum-errors`).
    pub checksum_errors: u64,
    /// Dropped: another version than the group's (`version-errors`).
    pub version_errors: u64,
    /// Dropped: a TTL or hop limit too low (`ip-ttl-errors`).
    pub ip_ttl_errors: u64,
    /// Dropped: no advertisement (`invalid-type-pkts-rcvd`).
    pub invalid_type_packets_received: u64,
    /// Dropped: not as long as it must be (`packet-length-errors`).
    pub packet_length_errors: u64,
    /// Dropped: an interval of 0, or, in version 2, another one than the group's (`interval-errors`).
    pub interval_errors: u64,
    /// Dropped: no address, or an IPv6 list that does not begin with a link-local one (`address-list-errors`).
    pub address_list_errors: u64,
    /// Dropped: version 2 with another authentication than the group's.
    pub authentication_errors: u64,
    /// Dropped: from a router that is no peer of a unicast group.
    pub peer_errors: u64,
}

impl GroupCounters {
    /// Counts a packet that was dropped for this cause; the words are those of `LocalStatus::dropped_packets`.
    pub fn count_dropped(&mut self, cause: &str) {
        self.packets_dropped += 1;
        let counter = match cause {
            "checksum" => &mut self.checksum_errors,
            "version" => &mut self.version_errors,
            "ttl" => &mut self.ip_ttl_errors,
            "type" => &mut self.invalid_type_packets_received,
            "length" => &mut self.packet_length_errors,
            "interval" => &mut self.interval_errors,
            "address_list" => &mut self.address_list_errors,
            "auth" => &mut self.authentication_errors,
            "peer" => &mut self.peer_errors,
            _ => return,
        };
        *counter += 1;
    }

    /// How many packets were dropped for each cause.
    #[must_use]
    pub const fn dropped(&self) -> [(&'static str, u64); 9] {
        [
            ("checksum", self.checksum_errors),
            ("version", self.version_errors),
            ("ttl", self.ip_ttl_errors),
            ("type", self.invalid_type_packets_received),
            ("length", self.packet_length_errors),
            ("interval", self.interval_errors),
            ("address_list", self.address_list_errors),
            ("auth", self.authentication_errors),
            ("peer", self.peer_errors),
        ]
    }
}

/// The packets that were dropped on one interface since the worker started, whatever virtual router they named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct InterfaceCounters {
    /// The name of the interface; empty for one that is gone.
    pub interface: String,
    /// A wrong checksum (`checksum-errors`).
    pub checksum_errors: u64,
    /// Another version than the group's, or one that nobody knows (`version-errors`).
    pub version_errors: u64,
    /// A VRID that no group of the interface has (`vrid-errors`).
    pub vrid_errors: u64,
    /// A TTL or hop limit too low (`ip-ttl-errors`).
    pub ip_ttl_errors: u64,
    /// No advertisement (`invalid-type-pkts-rcvd`).
    pub invalid_type_packets_received: u64,
    /// Not as long as it must be (`packet-length-errors`).
    pub packet_length_errors: u64,
    /// An interval of 0, or, in version 2, another one than the group's (`interval-errors`).
    pub interval_errors: u64,
    /// No address, or an IPv6 list that does not begin with a link-local one (`address-list-errors`).
    pub address_list_errors: u64,
    /// Version 2 with another authentication than the group's.
    pub authentication_errors: u64,
    /// The addresses inside are of another family than the packet.
    pub family_errors: u64,
    /// From a router that is no peer of a unicast group.
    pub peer_errors: u64,
}

impl InterfaceCounters {
    /// Adds packets that were dropped for this cause; the words are those of `LocalStatus::dropped_packets`.
    pub fn add(&mut self, cause: &str, count: u64) {
        let counter = match cause {
            "checksum" => &mut self.checksum_errors,
            "version" => &mut self.version_errors,
            "vrid" => &mut self.vrid_errors,
            "ttl" => &mut self.ip_ttl_errors,
            "type" => &mut self.invalid_type_packets_received,
            "length" => &mut self.packet_length_errors,
            "interval" => &mut self.interval_errors,
            "address_list" => &mut self.address_list_errors,
            "auth" => &mut self.authentication_errors,
            "family" => &mut self.family_errors,
            "peer" => &mut self.peer_errors,
            _ => return,
        };
        *counter += count;
    }

    /// How many packets were dropped for each cause.
    #[must_use]
    pub const fn dropped(&self) -> [(&'static str, u64); 11] {
        [
            ("checksum", self.checksum_errors),
            ("version", self.version_errors),
            ("vrid", self.vrid_errors),
            ("ttl", self.ip_ttl_errors),
            ("type", self.invalid_type_packets_received),
            ("length", self.packet_length_errors),
            ("interval", self.interval_errors),
            ("address_list", self.address_list_errors),
            ("auth", self.authentication_errors),
            ("family", self.family_errors),
            ("peer", self.peer_errors),
        ]
    }

    /// How many packets were dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.dropped().iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_counted_by_its_cause() {
        let mut counters = GroupCounters::default();
        for (number, (cause, _)) in GroupCounters::default().dropped().into_iter().enumerate() {
            (0..=number).for_each(|_| counters.count_dropped(cause));
        }
        assert_eq!(counters.dropped().map(|(_, count)| count), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(counters.packets_dropped, 45);
    }

    #[test]
    fn every_cause_has_a_counter_of_its_own_on_an_interface() {
        for (place, (cause, _)) in InterfaceCounters::default().dropped().into_iter().enumerate() {
            let mut counters = InterfaceCounters::default();
            counters.add(cause, 7);
            assert_eq!((counters.dropped()[place], counters.total()), ((cause, 7), 7));
        }
    }
}
