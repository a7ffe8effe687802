//! Who should hold the addresses. The only file in which two priorities are compared.

use std::net::IpAddr;

use crate::Priority;

/// The first of the priorities that are kept for switchovers.
const RESERVED: u8 = 250;

/// Whether a router that advertises this may win against one that is boosted.
pub(crate) fn is_out_of_reach(rival: Priority) -> bool {
    rival.get() >= RESERVED
}

/// One router as the election sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// What it advertises.
    pub(crate) priority: Priority,
    /// Its primary address, from which it advertises.
    pub(crate) address: IpAddr,
    /// Whether it takes the addresses from a router of lower priority. The owner always does (RFC 9568 §6.1).
    pub(crate) preempts: bool,
}

impl Candidate {
    /// As Active we give way to a higher priority and, on a tie, to the higher address (RFC 9568 §6.4.3).
    /// Preemption is not asked about.
    pub(crate) fn yields_to(self, rival: Priority, sender: IpAddr) -> bool {
        (rival, sender) > (self.priority, self.address)
    }

    /// As Backup we wait behind an equal and, without preemption, behind anyone (RFC 9568 §6.4.2).
    /// Addresses are not asked about.
    pub(crate) fn waits_behind(self, rival: Priority) -> bool {
        !self.preempts || rival >= self.priority
    }

    /// Whether only addresses can decide between us.
    pub(crate) fn ties_with(self, rival: Priority) -> bool {
        rival == self.priority
    }

    /// Whether `rival` would win if both of us took over at once. One whose address is not known may.
    pub(crate) fn comes_after(self, rival: Priority, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.yields_to(rival, address),
            None => rival >= self.priority,
        }
    }

    /// Whether `sender` uses our address and our priority, so that no rule can tell us apart.
    pub(crate) fn is_mirrored_by(self, rival: Priority, sender: IpAddr) -> bool {
        (rival, sender) == (self.priority, self.address)
    }

    /// Whether a router that says this may only be conceding to us, who said `before` a moment ago. An equal one may
    /// claim what we have been told to give back, so that it is believed.
    pub(crate) fn may_be_conceded_to(before: Priority, rival: Priority) -> bool {
        rival < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(priority: u8, address: &str, preempts: bool) -> Candidate {
        Candidate { priority: Priority::new(priority).unwrap(), address: address.parse().unwrap(), preempts }
    }

    #[test]
    fn every_pair_of_priorities_has_the_winner_that_the_tables_of_the_rfc_name() {
        for ours in 1..=u8::MAX {
            for theirs in 1..=u8::MAX {
                let rival = Priority::new(theirs).unwrap();
                for preempts in [false, true] {
                    let us = candidate(ours, "192.0.2.2", preempts);
                    let (lower, higher) = ("192.0.2.1".parse().unwrap(), "192.0.2.3".parse().unwrap());
                    assert_eq!(us.yields_to(rival, lower), theirs > ours);
                    assert_eq!(us.yields_to(rival, higher), theirs >= ours);
                    assert_eq!(us.waits_behind(rival), !preempts || theirs >= ours);
                }
            }
        }
    }

    #[test]
    fn of_two_active_routers_exactly_one_yields() {
        let addresses = ["10.0.0.255", "10.0.1.0", "192.0.2.1", "9.255.255.255"];
        for (ours, theirs) in addresses.iter().flat_map(|ours| addresses.map(|theirs| (*ours, theirs))) {
            if ours != theirs {
                let (us, them) = (candidate(100, ours, true), candidate(100, theirs, true));
                assert_ne!(
                    us.yields_to(them.priority, them.address),
                    them.yields_to(us.priority, us.address)
                );
            }
        }
    }

    #[test]
    fn one_whose_address_is_not_known_wins_a_tie() {
        let us = candidate(100, "192.0.2.2", true);
        let wins = |rival| us.comes_after(Priority::new(rival).unwrap(), None);
        assert_eq!([99, 100, 101].map(wins), [false, true, true]);
    }

    #[test]
    fn only_whom_we_outranked_before_may_be_conceding_to_us() {
        let before = Priority::new(200).unwrap();
        let may = |rival| Candidate::may_be_conceded_to(before, Priority::new(rival).unwrap());
        assert_eq!([1, 199, 200, 201, 255].map(may), [true, true, false, false, false]);
    }

    #[test]
    fn a_router_does_not_yield_to_its_own_mirror_image() {
        let us = candidate(100, "192.0.2.1", true);
        assert!(us.is_mirrored_by(us.priority, us.address));
        assert!(!us.yields_to(us.priority, us.address));
    }

    #[test]
    fn ipv6_addresses_are_compared_in_network_order() {
        let us = candidate(100, "fe80::ff", true);
        assert!(us.yields_to(us.priority, "fe80::100".parse().unwrap()));
        assert!(!us.yields_to(us.priority, "fe80::fe".parse().unwrap()));
    }
}
