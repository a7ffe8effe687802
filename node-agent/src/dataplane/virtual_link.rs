//! What a virtual router's own MAC address stands on: a macvlan of the member's interface, and how it is recognised.
//!
//! Its name says the interface and the VRID, so that a virtual router has at most one on a host. Its alias (`ip link`
//! shows it) says which agent made it, so that a later life of the same agent knows its own leftovers, and how the
//! interface below answered ARP before. The alias is written last: a macvlan that has it is complete.

use vrrp::{Family, Vrid};

use super::address_table::AgentNumber;

/// Names the macvlan of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey {
    /// The interface below it.
    pub parent: u32,
    /// The address family of the virtual router.
    pub family: Family,
    /// Its VRID.
    pub vrid: Vrid,
}

impl LinkKey {
    /// The name: at most 15 octets, numbers in hexadecimal as in the MAC address.
    #[must_use]
    pub fn name(self) -> String {
        let family = match self.family {
            Family::Ipv4 => 4,
            Family::Ipv6 => 6,
        };
        format!("bv{family}-{:x}-{:02x}", self.parent, self.vrid.get())
    }

    /// The virtual router's MAC address (RFC 9568 §7.3).
    #[must_use]
    pub const fn mac(self) -> [u8; 6] {
        let family = match self.family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        [0x00, 0x00, 0x5e, 0x00, family, self.vrid.get()]
    }
}

/// What the alias of a macvlan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Whose it is.
    pub agent: AgentNumber,
    /// The `arp_ignore` of the interface below before the first macvlan of this agent came.
    pub parent_arp_ignore: u32,
}

const TAG: &str = "baton-agent ";
const ARP_IGNORE: &str = " parent-arp-ignore ";

impl Tag {
    /// The alias.
    #[must_use]
    pub fn to_alias(self) -> String {
        format!("{TAG}{:08x}{ARP_IGNORE}{}", self.agent.0, self.parent_arp_ignore)
    }

    /// What an alias says; `None` when no agent has written it.
    #[must_use]
    pub fn from_alias(alias: &str) -> Option<Self> {
        let (agent, arp_ignore) = alias.strip_prefix(TAG)?.split_once(ARP_IGNORE)?;
        Some(Self {
            agent: AgentNumber(u32::from_str_radix(agent, 16).ok()?),
            parent_arp_ignore: arp_ignore.parse().ok()?,
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
        let tag = Tag { agent: AgentNumber(0x0bad_cafe), parent_arp_ignore: 1 };
        assert_eq!(tag.to_alias(), "baton-agent 0badcafe parent-arp-ignore 1");
        assert_eq!(Tag::from_alias(&tag.to_alias()), Some(tag));
        for other in ["", "uplink", "baton-agent 0badcafe", "baton-agent x parent-arp-ignore 1"] {
            assert_eq!(Tag::from_alias(other), None, "{other:?}");
        }
    }
}
