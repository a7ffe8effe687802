//! What a virtual router's own MAC address stands on: a macvlan of the member's interface, and how it is recognised.
//!
//! Its name says the interface and the VRID, so that a virtual router has at most one on a host. Its alias (`ip link`
//! shows it) says which agent made it, so that a later life of the same agent knows its own leftovers, and how the
//! interface below answered ARP before. The alias is written last: a macvlan that has it is complete.

use vrrp::{Family, Vrid};

use super::address_table::AgentNumber;

/// Names the macvlan of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkKey {
    /// The interface below it.
    pub(super) parent: u32,
    /// The address family of the virtual router.
    pub(super) family: Family,
    /// Its VRID.
    pub(super) vrid: Vrid,
}

impl LinkKey {
    /// The name: at most 15 octets, numbers in hexadecimal as in the MAC address.
    pub(super) fn name(self) -> String {
        let family = match self.family {
            Family::Ipv4 => 4,
            Family::Ipv6 => 6,
        };
        format!("bv{family}-{:x}-{:02x}", self.parent, self.vrid.get())
    }

    /// The virtual router's MAC address (RFC 9568 §7.3).
    pub(super) const fn mac(self) -> [u8; 6] {
        let family = match self.family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        [0x00, 0x00, 0x5e, 0x00, family, self.vrid.get()]
    }
}

/// What the alias of a macvlan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Whose it is.
    pub(super) agent: AgentNumber,
    /// How the interface below answered and asked before the first macvlan of this agent came.
    pub(super) before: ArpSettings,
}

/// What an interface does about ARP (`networking/ip-sysctl`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ArpSettings {
    /// `arp_ignore`: for which addresses it answers.
    pub(super) ignore: u32,
    /// `arp_announce`: as which address it asks.
    pub(super) announce: u32,
}

const TAG: &str = "baton-agent ";
const BEFORE: &str = " parent-arp ";

impl Tag {
    /// The alias.
    pub(super) fn to_alias(self) -> String {
        let ArpSettings { ignore, announce } = self.before;
        format!("{TAG}{:08x}{BEFORE}{ignore}/{announce}", self.agent.0)
    }

    /// What an alias says; `None` when no agent has written it.
    pub(super) fn from_alias(alias: &str) -> Option<Self> {
        let (agent, before) = alias.strip_prefix(TAG)?.split_once(BEFORE)?;
        let (ignore, announce) = before.split_once('/')?;
        Some(Self {
            agent: AgentNumber(u32::from_str_radix(agent, 16).ok()?),
            before: ArpSettings { ignore: ignore.parse().ok()?, announce: announce.parse().ok()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parent: u32, family: Family, vrid: u8) -> LinkKey {
        LinkKey { parent, family, vrid: Vrid::new(vrid).unwrap() }
    }

    #[test]
    fn the_mac_address_is_that_of_the_standard_and_the_name_fits_any_interface() {
        assert_eq!(key(2, Family::Ipv4, 51).mac(), [0x00, 0x00, 0x5e, 0x00, 0x01, 51]);
        assert_eq!(key(2, Family::Ipv6, 51).mac(), [0x00, 0x00, 0x5e, 0x00, 0x02, 51]);
        assert_eq!(key(2, Family::Ipv4, 5).name(), "bv4-2-05");
        assert_eq!(key(u32::MAX, Family::Ipv6, 255).name().len(), 15);
    }

    #[test]
    fn an_alias_says_what_was_written_and_a_strangers_says_nothing() {
        let tag = Tag { agent: AgentNumber(0x0bad_cafe), before: ArpSettings { ignore: 1, announce: 2 } };
        assert_eq!(tag.to_alias(), "baton-agent 0badcafe parent-arp 1/2");
        assert_eq!(Tag::from_alias(&tag.to_alias()), Some(tag));
        for other in ["", "uplink", "baton-agent 0badcafe", "baton-agent x parent-arp 1/2"] {
            assert_eq!(Tag::from_alias(other), None, "{other:?}");
        }
    }
}
