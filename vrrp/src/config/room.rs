//! How many addresses one advertisement can list. It must not need fragments.

use crate::{Family, Version};

/// The count of addresses is one octet (RFC 9568 §5.2.5).
const MAX_COUNT: usize = 255;
/// As many octets as an Ethernet frame carries, unless the interface carries fewer.
const ETHERNET: usize = 1_500;
/// What precedes the addresses in a VRRP message.
const MESSAGE_HEADER: usize = 8;
/// What follows them in version 2.
const AUTHENTICATION: usize = 8;

/// The number for an interface that carries IP packets of so many octets; 1 at least.
pub(super) fn for_addresses(version: Version, family: Family, octets: usize) -> usize {
    let (ip_header, address) = match family {
        Family::Ipv4 => (20, 4),
        Family::Ipv6 => (40, 16),
    };
    let trailer = match version {
        Version::V2 => AUTHENTICATION,
        Version::V3 => 0,
    };
    let free = octets.min(ETHERNET).saturating_sub(ip_header + MESSAGE_HEADER + trailer);
    (free / address).clamp(1, MAX_COUNT)
}
