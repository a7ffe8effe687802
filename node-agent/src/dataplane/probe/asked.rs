//! Whether somebody asks for what was taken over a moment ago.
//!
//! Pure. Whoever checks on a takeover has heard of it, and asks again only if it has not heard enough; so a
//! holder that is asked announces once more, within bounds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::Instant;

use crate::dataplane::binder::GroupHandle;

/// How long after a takeover it matters.
pub(in super::super) const ATTENTIVE: Duration = Duration::from_secs(3);
/// How far apart two announcements are that were asked for.
const APART: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Taken {
    ifindex: u32,
    addresses: Vec<IpAddr>,
    until: Instant,
    /// The next announcement that is asked for leaves no sooner.
    not_before: Instant,
    /// Whose questions count over IPv6, where everybody asks in the same way.
    members: Vec<IpAddr>,
}

/// The groups that were taken over a moment ago.
#[derive(Debug, Default)]
pub(super) struct Asked {
    groups: BTreeMap<GroupHandle, Taken>,
    addresses: BTreeMap<(u32, IpAddr), GroupHandle>,
}

impl Asked {
    /// The group was taken over at `since`.
    pub(super) fn taken(
        &mut self,
        group: GroupHandle,
        ifindex: u32,
        addresses: &[IpAddr],
        members: Vec<IpAddr>,
        since: Instant,
    ) {
        if self.groups.contains_key(&group) {
            return;
        }
        let (until, addresses) = (since + ATTENTIVE, addresses.to_vec());
        self.addresses.extend(addresses.iter().map(|address| ((ifindex, *address), group)));
        self.groups.insert(group, Taken { ifindex, addresses, until, not_before: since, members });
    }

    /// It is held no longer.
    pub(super) fn forget(&mut self, group: GroupHandle) {
        let Some(Taken { ifindex, addresses, .. }) = self.groups.remove(&group) else { return };
        for address in addresses {
            self.addresses.remove(&(ifindex, address));
        }
    }

    /// Forgets what was taken over long ago.
    pub(super) fn expire(&mut self, now: Instant) {
        let before = self.groups.len();
        self.groups.retain(|_, taken| now < taken.until);
        if self.groups.len() != before {
            self.addresses.retain(|_, group| self.groups.contains_key(group));
        }
    }

    /// Whether there is nothing to be asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When to call [`expire`](Self::expire) next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().map(|taken| taken.until).min()
    }

    /// Somebody asks for an address: the group to be announced once more, if it is.
    pub(super) fn hear(
        &mut self,
        ifindex: u32,
        address: IpAddr,
        source: Option<IpAddr>,
        now: Instant,
    ) -> Option<GroupHandle> {
        let group = *self.addresses.get(&(ifindex, address))?;
        let taken = self.groups.get_mut(&group)?;
        let counts = source.is_none_or(|source| taken.members.contains(&source));
        if !counts || now < taken.not_before || taken.until <= now {
            return None;
        }
        taken.not_before = now + APART;
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(milliseconds))
    }

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));

    fn taken() -> Asked {
        let mut asked = Asked::default();
        asked.taken(7, 3, &[VIP], vec!["fe80::2".parse().unwrap()], at(1_000));
        asked
    }

    #[test]
    fn who_is_asked_announces_at_most_once_in_a_hundred_milliseconds_and_for_three_seconds() {
        let mut asked = taken();
        let heard = (1_000..5_000).filter(|now| asked.hear(3, VIP, None, at(*now)).is_some());
        let heard: Vec<_> = heard.collect();
        assert_eq!((heard.len(), heard[0], heard[29]), (30, 1_000, 3_900));
        assert!(heard.windows(2).all(|pair| pair[1] - pair[0] == 100));
    }

    #[test]
    fn only_what_was_taken_over_and_is_held_is_announced() {
        let mut asked = taken();
        assert_eq!(asked.hear(4, VIP, None, at(1_001)), None, "another interface");
        assert_eq!(asked.hear(3, [192, 0, 2, 11].into(), None, at(1_001)), None, "another address");
        let stranger = Some("fe80::9".parse().unwrap());
        assert_eq!(asked.hear(3, VIP, stranger, at(1_001)), None, "any neighbour asks so");
        let member = Some("fe80::2".parse().unwrap());
        assert_eq!(asked.hear(3, VIP, member, at(1_001)), Some(7));
        asked.forget(7);
        assert!(asked.is_empty() && asked.hear(3, VIP, None, at(1_500)).is_none());
    }

    #[test]
    fn what_was_taken_over_long_ago_is_forgotten() {
        let mut asked = taken();
        assert_eq!(asked.next_deadline(), Some(at(4_000)));
        asked.expire(at(3_999));
        assert!(!asked.is_empty());
        asked.expire(at(4_000));
        assert!(asked.is_empty() && asked.addresses.is_empty());
    }
}
