//! A group of the bench: its addresses, its priorities, and what follows from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::cell::{Family, Shape};

/// How far apart the priorities of neighbours are that an operator has not chosen.
const ADJACENT: u8 = 8;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct GroupPlan {
    pub(crate) vrid: u8,
    /// The virtual address that is probed.
    pub(crate) address: IpAddr,
    /// An address that the group has in some scenarios besides.
    pub(crate) second_address: IpAddr,
    /// What an IPv6 group has before all others (RFC 9568 §5.2.9).
    link_local: Option<Ipv6Addr>,
    /// The priorities of `n1` and `n2`.
    pub(crate) priorities: [u8; 2],
}

impl GroupPlan {
    /// The group with this number, of those of a bench.
    pub(crate) fn number(number: u8, bench: Shape) -> Self {
        let of = bench.groups;
        // Skews of n1 from 0.06 to 0.5 of an interval. Those of n2 are every second time from 0.5 to 0.94, in an
        // order of their own, and else just above those of n1, as the default priorities have it.
        let step = |number: u8| u8::try_from(u16::from(number) * 110 / u16::from(of)).unwrap_or(0);
        let shuffled = u8::try_from(u16::from(number) * 7 % u16::from(of)).unwrap_or(0);
        let first = 240 - step(number);
        let second = if number.is_multiple_of(2) { 125 - step(shuffled) } else { first - ADJACENT };
        let address = |last: u8| match bench.family {
            Family::Ipv4 => IpAddr::from(Ipv4Addr::new(10, 77, 0, last)),
            Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 1, last.into()).into(),
        };
        Self {
            vrid: number + 1,
            address: address(100 + number),
            second_address: address(150 + number),
            link_local: (bench.family == Family::Ipv6)
                .then(|| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, (100 + number).into())),
            priorities: [first, second],
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("g{}", self.vrid)
    }

    /// `virtual_addresses` of a specification with these addresses.
    pub(crate) fn virtual_addresses(&self, addresses: &[IpAddr]) -> Vec<String> {
        let all = self.link_local.iter().copied().map(IpAddr::from).chain(addresses.iter().copied());
        all.map(|address| format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 })).collect()
    }

    /// How long after the last advertisement of `n1` a Backup with the priority of `n2` takes over
    /// (RFC 9568 §6.1).
    pub(crate) fn active_down(&self, interval: Duration) -> Duration {
        interval * 3 + interval * (256 - u32::from(self.priorities[1])) / 256
    }
}
