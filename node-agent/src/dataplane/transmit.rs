//! The frames of advertisements, built once and sent many times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use pnet_base::MacAddr;
use pnet_packet::MutablePacket;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{self, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use uuid::Uuid;
use vrrp::packet::{self, HOP_LIMIT, Outgoing};
use vrrp::{AdvertisementInterval, ChecksumForm, Claim, Config, Family, IP_PROTOCOL};

/// The MAC address of 224.0.0.18 (RFC 1112 §6.4).
const MULTICAST_MAC_IPV4: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
/// The MAC address of ff02::12 (RFC 2464 §7).
const MULTICAST_MAC_IPV6: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x12];
const ETHERNET_OCTETS: usize = 14;
const IPV4_OCTETS: usize = 20;
const IPV6_OCTETS: usize = 40;
/// Where the running number stands in a frame.
const IPV4_IDENTIFICATION: Range<usize> = ETHERNET_OCTETS + 4..ETHERNET_OCTETS + 6;
const IPV6_FLOW_LABEL: Range<usize> = ETHERNET_OCTETS + 2..ETHERNET_OCTETS + 4;
/// Class selector 6, "internetwork control" (RFC 4594 §3.1).
const DSCP_CS6: u8 = 48;
/// With it, and without fragments, the identification field means nothing to IP (RFC 6864 §4.1).
const DONT_FRAGMENT: u8 = 0b010;

/// The EtherType of the advertisements of a family.
pub(super) const fn ethertype(family: Family) -> u16 {
    match family {
        Family::Ipv4 => 0x0800,
        Family::Ipv6 => 0x86dd,
    }
}

/// A running number to begin with: none that an earlier life is likely to have used lately.
pub(super) fn any_number() -> u16 {
    let [high, low, ..] = Uuid::new_v4().into_bytes();
    u16::from_be_bytes([high, low])
}

/// What an advertisement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saying {
    /// The claim.
    pub(super) claim: Claim,
    /// The interval, where it is not the group's own.
    pub(super) interval: Option<AdvertisementInterval>,
}

impl From<Claim> for Saying {
    fn from(claim: Claim) -> Self {
        Self { claim, interval: None }
    }
}

/// A frame that says something for the settings it was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrebuiltAdvertisement {
    /// What it says.
    pub(super) saying: Saying,
    /// The whole Ethernet frame.
    pub(super) octets: Arc<[u8]>,
}

impl PrebuiltAdvertisement {
    /// The frame of an advertisement that leaves from `mac`; `None` when the message is too long for a packet.
    pub(super) fn build(
        config: &Config,
        saying: Saying,
        checksum: ChecksumForm,
        mac: [u8; 6],
    ) -> Option<Self> {
        let interval = saying.interval.unwrap_or(config.interval());
        let destination = config.family().multicast_group();
        let outgoing = Outgoing { config, claim: saying.claim, interval, destination, checksum };
        let message = packet::encode(&outgoing);
        let octets = match (config.source(), destination) {
            (IpAddr::V4(source), IpAddr::V4(group)) => frame_ipv4(mac, source, group, &message),
            (IpAddr::V6(source), IpAddr::V6(group)) => frame_ipv6(mac, source, group, &message),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        Some(Self { saying, octets: octets?.into() })
    }

    /// Gives the packet this running number, by which others tell it from those before: the identification in IPv4, which
    /// a packet that is no fragment may use for anything (RFC 6864 §4.1), the low 16 bits of the flow label in IPv6.
    pub(super) fn number(&mut self, number: u16) {
        if self.octets[number_field(&self.octets)] != number.to_be_bytes() {
            set_number(Arc::make_mut(&mut self.octets), number);
        }
    }
}

/// Where the number stands in a frame.
fn number_field(octets: &[u8]) -> Range<usize> {
    match octets.get(ETHERNET_OCTETS) {
        Some(version) if version >> 4 == 6 => IPV6_FLOW_LABEL,
        _ => IPV4_IDENTIFICATION,
    }
}

/// Gives the packet in a frame that was [built](PrebuiltAdvertisement::build) here this running number.
pub(crate) fn set_number(octets: &mut [u8], number: u16) {
    let field = number_field(octets);
    let is_ipv4 = field == IPV4_IDENTIFICATION;
    let Some(place) = octets.get_mut(field) else { return };
    place.copy_from_slice(&number.to_be_bytes());
    if is_ipv4 && let Some(mut header) = MutableIpv4Packet::new(&mut octets[ETHERNET_OCTETS..]) {
        let checksum = ipv4::checksum(&header.to_immutable());
        header.set_checksum(checksum);
    }
}

/// An advertisement for one router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerMessage {
    /// Its address.
    pub(super) destination: IpAddr,
    /// What the IP packet carries.
    pub(super) octets: Vec<u8>,
}

/// The message for each of `peers`, which are routers of the group's family. The checksum covers the address that it goes
/// to, so each is another one.
pub(super) fn messages(
    config: &Config,
    saying: Saying,
    checksum: ChecksumForm,
    peers: &[IpAddr],
) -> Vec<PeerMessage> {
    let (claim, interval) = (saying.claim, saying.interval.unwrap_or(config.interval()));
    let to = |&destination| {
        let octets = packet::encode(&Outgoing { config, claim, interval, destination, checksum });
        PeerMessage { destination, octets }
    };
    peers.iter().map(to).collect()
}

fn frame_ipv4(mac: [u8; 6], source: Ipv4Addr, group: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
    let mut octets = vec![0; ETHERNET_OCTETS + IPV4_OCTETS + message.len()];
    let mut ethernet = MutableEthernetPacket::new(&mut octets)?;
    ethernet.set_destination(MacAddr::from(MULTICAST_MAC_IPV4));
    ethernet.set_source(MacAddr::from(mac));
    ethernet.set_ethertype(EtherTypes::Ipv4);
    let mut header = MutableIpv4Packet::new(ethernet.payload_mut())?;
    header.set_version(4);
    header.set_header_length(5);
    header.set_dscp(DSCP_CS6);
    header.set_total_length(u16::try_from(IPV4_OCTETS + message.len()).ok()?);
    header.set_flags(DONT_FRAGMENT);
    header.set_ttl(HOP_LIMIT);
    header.set_next_level_protocol(IpNextHeaderProtocol(IP_PROTOCOL));
    header.set_source(source);
    header.set_destination(group);
    header.set_payload(message);
    let checksum = ipv4::checksum(&header.to_immutable());
    header.set_checksum(checksum);
    Some(octets)
}

fn frame_ipv6(mac: [u8; 6], source: Ipv6Addr, group: Ipv6Addr, message: &[u8]) -> Option<Vec<u8>> {
    let mut octets = vec![0; ETHERNET_OCTETS + IPV6_OCTETS + message.len()];
    let mut ethernet = MutableEthernetPacket::new(&mut octets)?;
    ethernet.set_destination(MacAddr::from(MULTICAST_MAC_IPV6));
    ethernet.set_source(MacAddr::from(mac));
    ethernet.set_ethertype(EtherTypes::Ipv6);
    let mut header = MutableIpv6Packet::new(ethernet.payload_mut())?;
    header.set_version(6);
    header.set_traffic_class(DSCP_CS6 << 2);
    header.set_payload_length(u16::try_from(message.len()).ok()?);
    header.set_next_header(IpNextHeaderProtocol(IP_PROTOCOL));
    header.set_hop_limit(HOP_LIMIT);
    header.set_source(source);
    header.set_destination(group);
    header.set_payload(message);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vrrp::{AdvertisementInterval, Authentication, Priority, Settings, Version, Vrid};

    use super::*;
    use crate::dataplane::receive;

    const MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];

    /// What keepalived 2.2.7 sent for the same settings (`vrrp_version 3`, `advert_int 0.1`, `priority 200`),
    /// captured with `tcpdump -i eth0 proto 112`.
    const KEEPALIVED: [u8; 50] = [
        0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08, 0x00, // Ethernet
        0x45, 0xc0, 0x00, 0x24, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x53, // IPv4
        0x0a, 0x42, 0x00, 0x01, 0xe0, 0x00, 0x00, 0x12, // 10.66.0.1 to 224.0.0.18
        0x31, 0x33, 0xc8, 0x02, 0x00, 0x0a, 0x04, 0xff, // VRRP
        0x0a, 0x42, 0x01, 0x33, 0x0a, 0x42, 0x01, 0x34, // 10.66.1.51, 10.66.1.52
    ];

    fn config() -> Config {
        Config::new(Settings {
            version: Version::V3,
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::new(200).unwrap(),
            interval: AdvertisementInterval::DEFAULT_V3,
            preempt: true,
            preempt_delay: Duration::ZERO,
            refresh: None,
            require_link_local: true,
            authentication: Authentication::None,
            addresses: vec!["10.66.1.51".parse().unwrap(), "10.66.1.52".parse().unwrap()],
            source: "10.66.0.1".parse().unwrap(),
        })
        .unwrap()
    }

    #[test]
    fn an_advertisement_is_the_one_of_keepalived_but_for_the_identification() {
        let claim = Claim::Holds(Priority::new(200).unwrap());
        let ours = PrebuiltAdvertisement::build(&config(), claim.into(), ChecksumForm::Rfc5798, MAC).unwrap();
        let mut expected = KEEPALIVED;
        // No identification, "don't fragment", and the header checksum that follows: 0xd053 + 1 - 0x4000.
        expected[18..22].copy_from_slice(&[0x00, 0x00, 0x40, 0x00]);
        expected[24..26].copy_from_slice(&[0x90, 0x54]);
        assert_eq!(*ours.octets, expected);
    }

    #[test]
    fn the_running_number_is_all_that_changes_and_the_header_s_checksum_follows() {
        let claim = Claim::Holds(Priority::new(200).unwrap());
        let built =
            PrebuiltAdvertisement::build(&config(), claim.into(), ChecksumForm::Rfc5798, MAC).unwrap();
        for number in [0, 1, 0xff, 0x1234, u16::MAX] {
            let mut numbered = built.clone();
            numbered.number(number);
            let packet = &numbered.octets[ETHERNET_OCTETS..];
            assert_eq!(receive::number(Family::Ipv4, packet), Some(number));
            assert!(receive::advertisement(Family::Ipv4, packet, |_| vrrp::Demands::RFC_9568).is_ok());
            let differing: Vec<_> =
                (0..50).filter(|&index| built.octets[index] != numbered.octets[index]).collect();
            assert!(differing.iter().all(|index| [18, 19, 24, 25].contains(index)), "{differing:?}");
        }
    }

    #[test]
    fn in_ipv6_it_stands_in_the_flow_label() {
        let (addresses, source) = (vec!["fe80::51".parse().unwrap()], "fe80::1".parse().unwrap());
        let settings = Settings { family: Family::Ipv6, addresses, source, ..config().settings().clone() };
        let claim = Claim::Holds(Priority::new(200).unwrap());
        let config = Config::new(settings).unwrap();
        let mut ours =
            PrebuiltAdvertisement::build(&config, claim.into(), ChecksumForm::Rfc9568, MAC).unwrap();
        ours.number(0xabcd);
        assert_eq!(ours.octets[14..18], [0x6c, 0x00, 0xab, 0xcd], "version, class CS6, flow label");
        let packet = &ours.octets[ETHERNET_OCTETS..];
        assert_eq!(receive::number(Family::Ipv6, packet), Some(0xabcd));
        assert!(receive::advertisement(Family::Ipv6, packet, |_| vrrp::Demands::RFC_9568).is_ok());
    }

    #[test]
    fn a_resignation_differs_in_the_priority_and_the_checksum_only() {
        let claim = Claim::Holds(Priority::new(200).unwrap());
        let holds =
            PrebuiltAdvertisement::build(&config(), claim.into(), ChecksumForm::Rfc5798, MAC).unwrap();
        let resigns =
            PrebuiltAdvertisement::build(&config(), Claim::Resigns.into(), ChecksumForm::Rfc5798, MAC)
                .unwrap();
        let differing: Vec<_> =
            (0..50).filter(|&index| holds.octets[index] != resigns.octets[index]).collect();
        assert_eq!(differing, [36, 40]);
        assert_eq!(resigns.octets[36], 0);
    }
}
