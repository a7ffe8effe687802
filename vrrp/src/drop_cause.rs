//! Why packets are dropped: every cause there is, with the word that people read and the counter it belongs to.

use std::fmt;

macro_rules! drop_causes {
    ($($(#[doc = $doc:literal])+ $cause:ident: $word:literal, $counter:literal;)+) => {
        /// Why a packet was dropped: by [`packet::decode`](crate::packet::decode), because it is none for the virtual
        /// router that it names, or by whoever receives it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropCause {
            $($(#[doc = $doc])+ $cause,)+
        }

        impl DropCause {
            /// Every one.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$cause),+];

            /// The word for it, in `snake_case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$cause => $word,)+ }
            }

            /// The name of its counter: RFC 8347's where it has one, in `snake_case`.
            #[must_use]
            pub const fn counter(self) -> &'static str {
                match self { $(Self::$cause => $counter,)+ }
            }
        }
    };
}

drop_causes! {
    /// The checksum of the message, or of the IPv4 header, is wrong.
    Checksum: "checksum", "checksum_errors";
    /// Another version than the virtual router's, or one that nobody knows.
    Version: "version", "version_errors";
    /// VRID 0, or one that nobody here takes part in.
    Vrid: "vrid", "vrid_errors";
    /// The TTL or hop limit is too low.
    Ttl: "ttl", "ip_ttl_errors";
    /// Another type than an advertisement.
    Type: "type", "invalid_type_pkts_rcvd";
    /// Not as long as it must be, or a fragment.
    Length: "length", "packet_length_errors";
    /// An interval of 0, or, in version 2, another one than the virtual router's.
    Interval: "interval", "interval_errors";
    /// No address, or an IPv6 list that does not begin with a link-local one.
    AddressList: "address_list", "address_list_errors";
    /// Version 2 with another authentication than the virtual router's.
    Authentication: "auth", "authentication_errors";
    /// The addresses inside are of another family than the packet, or the packet is of another than it was sent as.
    Family: "family", "family_errors";
    /// The source is an address that no router has.
    Source: "source", "source_errors";
    /// Sent to another address than the multicast group, where routers speak to all.
    Destination: "destination", "destination_errors";
    /// From a router that is no peer, where routers speak to each other alone.
    Peer: "peer", "peer_errors";
    /// Came faster than it was taken.
    Overflow: "overflow", "overflow_errors";
}

impl fmt::Display for DropCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_word_and_a_counter_of_its_own() {
        let words: BTreeSet<_> = DropCause::ALL.map(DropCause::as_str).into();
        let counters: BTreeSet<_> = DropCause::ALL.map(DropCause::counter).into();
        assert_eq!((words.len(), counters.len()), (DropCause::ALL.len(), DropCause::ALL.len()));
        assert_eq!(DropCause::AddressList.to_string(), "address_list");
    }
}
