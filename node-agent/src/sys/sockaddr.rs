//! Addresses of packet sockets (`packet(7)`).

use libc::{c_ushort, sockaddr_ll};

/// The address of the interface `ifindex`, for the protocol `ethertype`; 0 stands for every interface.
pub(super) fn link_layer(ifindex: u32, ethertype: u16) -> sockaddr_ll {
    sockaddr_ll {
        sll_family: FAMILY,
        sll_protocol: ethertype.to_be(),
        // The kernel counts interfaces with a positive `int`.
        sll_ifindex: i32::try_from(ifindex).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

#[expect(clippy::cast_possible_truncation, reason = "AF_PACKET is 17")]
const FAMILY: c_ushort = libc::AF_PACKET as c_ushort;
