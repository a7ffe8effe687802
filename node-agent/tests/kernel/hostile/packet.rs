//! A hostile packet and what must become of it.

use super::frame::{GROUP_MAC, GROUP_MAC_V6, Ipv4, Ipv6, ethernet};

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is dropped, and this counter grows by one.
    Dropped(&'static str),
    /// It is an advertisement, and heard.
    Heard,
    /// The kernel gives it to somebody else or to nobody: no counter moves.
    Unseen,
}

/// One packet of the catalogue.
#[derive(Debug, Clone)]
pub(super) struct Hostile {
    /// What is odd about it.
    pub(super) what: String,
    pub(super) frame: Vec<u8>,
    pub(super) fate: Fate,
    /// Why this is its fate.
    pub(super) why: &'static str,
}

impl Hostile {
    pub(super) fn ipv4(what: impl Into<String>, packet: &Ipv4, fate: Fate, why: &'static str) -> Self {
        let frame = ethernet(GROUP_MAC, ETHERTYPE_IPV4, &packet.packet());
        Self { what: what.into(), frame, fate, why }
    }

    pub(super) fn ipv6(what: impl Into<String>, packet: &Ipv6, fate: Fate, why: &'static str) -> Self {
        let frame = ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &packet.packet());
        Self { what: what.into(), frame, fate, why }
    }

    pub(super) fn frame(what: impl Into<String>, frame: Vec<u8>, fate: Fate, why: &'static str) -> Self {
        Self { what: what.into(), frame, fate, why }
    }
}
