//! Tells the neighbours and switches of a LAN which MAC address answers for an address now: by gratuitous ARP in IPv4, by
//! unsolicited neighbour advertisements in IPv6.

use std::net::IpAddr;

use super::{gratuitous_arp, unsolicited_na};

/// Addresses that moved to an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The interface.
    pub ifindex: u32,
    /// The MAC address that answers for them.
    pub mac: [u8; 6],
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether the host forwards IPv6, so that neighbours may take it for a router.
    pub router: bool,
}

/// A frame that announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncementFrame {
    /// The EtherType, as it stands in the frame too.
    pub ethertype: u16,
    /// The whole Ethernet frame.
    pub octets: Vec<u8>,
}

/// Makes the frames that announce. The seam at which a test can put an agent that stays silent.
pub trait Announcer: Send {
    /// The frames that tell the LAN about `announcement`, in the order in which they shall leave.
    fn frames(&self, announcement: &Announcement) -> Vec<AnnouncementFrame>;
}

/// Announces as the family of each address asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct NeighbourAnnouncer;

impl Announcer for NeighbourAnnouncer {
    fn frames(&self, announcement: &Announcement) -> Vec<AnnouncementFrame> {
        let of = |address: &IpAddr| match *address {
            IpAddr::V4(address) => gratuitous_arp::frames(announcement.mac, address),
            IpAddr::V6(address) => unsolicited_na::frames(announcement.mac, address, announcement.router),
        };
        announcement.addresses.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_announced_as_its_family_asks_for() {
        let announcement = Announcement {
            ifindex: 3,
            mac: [2, 0, 0, 0, 0, 1],
            addresses: vec!["192.0.2.10".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            router: false,
        };
        let ethertypes: Vec<_> =
            NeighbourAnnouncer.frames(&announcement).iter().map(|frame| frame.ethertype).collect();
        assert_eq!(ethertypes, [0x0806, 0x0806, 0x86dd]);
    }
}
