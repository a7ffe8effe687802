//! What is odd about an advertisement that is valid and obeyed all the same: for logs and for conditions.

use thiserror::Error;

use crate::{Advertisement, Claim, Config};

/// Something that the members of one virtual router should agree upon and do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Discrepancy {
    /// Another interval; a Backup adopts the Active router's (RFC 9568 §7.1: log, do not drop).
    #[error("advertises another interval than ours")]
    Interval,
    /// Another set of addresses; the order does not matter (RFC 9568 §7.1: may log, do not drop).
    #[error("lists other addresses than ours")]
    AddressList,
    /// Our priority, so that addresses decide; the owner's is the case that RFC 9568 §8.3.2 warns of.
    #[error("has our priority")]
    EqualPriority,
    /// Our primary address: another router uses it, or the LAN has sent back what we sent.
    #[error("sends from our address")]
    DuplicateSource,
    /// We own the addresses, so nobody else should claim them (RFC 9568 §7.1, erratum 8298).
    #[error("claims addresses that we own")]
    OwnersAddresses,
}

impl Config {
    /// Everything odd about an advertisement that [`Config::admits`].
    #[must_use]
    pub fn discrepancies(&self, advertisement: &Advertisement) -> Vec<Discrepancy> {
        let claims = match advertisement.claim {
            Claim::Holds(rival) => Some(rival),
            Claim::Resigns => None,
        };
        let sorted = |addresses: &[_]| {
            let mut addresses = addresses.to_vec();
            addresses.sort_unstable();
            addresses
        };
        [
            (Discrepancy::Interval, advertisement.interval != self.interval()),
            (Discrepancy::AddressList, sorted(&advertisement.addresses) != sorted(self.advertised())),
            (Discrepancy::EqualPriority, claims.is_some_and(|rival| self.candidate().ties_with(rival))),
            (Discrepancy::DuplicateSource, advertisement.source == self.source()),
            (Discrepancy::OwnersAddresses, claims.is_some() && self.priority().is_owner()),
        ]
        .into_iter()
        .filter_map(|(discrepancy, is_there)| is_there.then_some(discrepancy))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::{AdvertisementInterval, Authentication, Family, Priority, Settings, Version, Vrid};

    fn config(priority: u8) -> Config {
        Config::new(Settings {
            version: Version::V3,
            family: Family::Ipv4,
            vrid: Vrid::MIN,
            priority: Priority::new(priority).unwrap(),
            interval: AdvertisementInterval::DEFAULT_V3,
            preempt: true,
            preempt_delay: Duration::ZERO,
            refresh: None,
            require_link_local: true,
            authentication: Authentication::None,
            addresses: vec![address("192.0.2.100"), address("192.0.2.101")],
            source: address("192.0.2.1"),
        })
        .unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn usual() -> Advertisement {
        Advertisement {
            version: Version::V3,
            family: Family::Ipv4,
            vrid: Vrid::MIN,
            claim: Claim::Holds(Priority::MIN),
            interval: AdvertisementInterval::DEFAULT_V3,
            authentication: Authentication::None,
            addresses: vec![address("192.0.2.101"), address("192.0.2.100")],
            source: address("192.0.2.2"),
            checksum: None,
        }
    }

    #[test]
    fn there_is_nothing_odd_about_a_usual_advertisement() {
        assert_eq!(config(100).discrepancies(&usual()), [], "the order of addresses means nothing");
    }

    #[test]
    fn each_discrepancy_is_named_alone() {
        let interval = AdvertisementInterval::DEFAULT_V2;
        for (advertisement, discrepancy) in [
            (Advertisement { interval, ..usual() }, Discrepancy::Interval),
            (Advertisement { addresses: vec![address("192.0.2.100")], ..usual() }, Discrepancy::AddressList),
            (
                Advertisement { claim: Claim::Holds(config(100).priority()), ..usual() },
                Discrepancy::EqualPriority,
            ),
            (Advertisement { source: address("192.0.2.1"), ..usual() }, Discrepancy::DuplicateSource),
        ] {
            assert_eq!(config(100).discrepancies(&advertisement), [discrepancy]);
        }
    }

    #[test]
    fn an_owner_finds_every_claim_odd_but_no_resignation() {
        assert_eq!(config(255).discrepancies(&usual()), [Discrepancy::OwnersAddresses]);
        let resignation = Advertisement { claim: Claim::Resigns, ..usual() };
        assert_eq!(config(255).discrepancies(&resignation), []);
    }
}
