//! Whether the LAN has followed a takeover, as a member sees it that waits behind the new holder.
//!
//! Pure. It asks for the addresses, again and again at growing distances, until of all that answer each is the new
//! holder, and an announcement of it has come through: who asks anew is then led to it, and so is whoever
//! remembers. A holder that is asked announces once more, so asking again is also how a lost announcement is made
//! up for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::Instant;

use super::answer::Said;

/// How many addresses of a group are asked for.
pub(in super::super) const MAX_ADDRESSES: usize = 3;
/// When it asks, counted from the first time.
const ROUNDS: [Duration; 14] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(125),
    Duration::from_millis(250),
    Duration::from_millis(375),
    Duration::from_millis(500),
    Duration::from_millis(625),
    Duration::from_millis(750),
    Duration::from_millis(1_000),
    Duration::from_millis(1_250),
    Duration::from_millis(1_500),
    Duration::from_millis(2_000),
    Duration::from_millis(2_500),
];
/// How long others are given to answer, too. A neighbour's kernel takes less than a millisecond.
const SETTLE: Duration = Duration::from_millis(10);

/// What is to be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Subject {
    /// The first addresses of the group.
    pub(in super::super) addresses: BTreeSet<IpAddr>,
    /// Which MAC address shall answer for them.
    pub(in super::super) mac: [u8; 6],
    /// When the first advertisement of the new holder was accepted.
    pub(in super::super) heard_at: Instant,
    /// When to ask first.
    pub(in super::super) first: Instant,
    /// Whether an announcement must have been heard, too: not from a router of another make, which need not repeat
    /// one that this member was not listening for yet.
    pub(in super::super) wants_announcement: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for these addresses.
    Ask(Vec<IpAddr>),
    /// It has been found out: after this time the LAN had followed.
    Converged(Duration),
    /// It has not, and will not be asked again.
    GivenUp(Doubt),
    /// Nothing yet.
    Wait,
}

/// Why it was not found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Doubt {
    /// Another MAC address answers for an address, too, or instead.
    Another(IpAddr, [u8; 6]),
    /// Nobody answers for it.
    Nobody(IpAddr),
    /// The holder answers alone, and was not heard to announce it.
    Unannounced(IpAddr),
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Another(address, mac) => {
                let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
                write!(formatter, "{mac} answers for {address}, too or instead")
            }
            Self::Nobody(address) => write!(formatter, "nobody answers for {address}"),
            Self::Unannounced(address) => {
                write!(formatter, "no announcement of {address} came through, though it answers")
            }
        }
    }
}

/// One check under way.
#[derive(Debug)]
pub(super) struct Check {
    subject: Subject,
    round: usize,
    /// When to judge what the last round brought.
    judge_at: Option<Instant>,
    answered: BTreeMap<IpAddr, Instant>,
    announced: BTreeMap<IpAddr, Instant>,
    /// Who else answered in this round.
    other: Option<(IpAddr, [u8; 6])>,
}

impl Check {
    /// One that has not asked yet.
    pub(super) const fn new(subject: Subject) -> Self {
        Self {
            subject,
            round: 0,
            judge_at: None,
            answered: BTreeMap::new(),
            announced: BTreeMap::new(),
            other: None,
        }
    }

    /// The addresses that it is about.
    pub(super) const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// When to call [`step`](Self::step).
    pub(super) fn due_at(&self) -> Instant {
        self.judge_at.unwrap_or_else(|| self.asks_at())
    }

    fn asks_at(&self) -> Instant {
        self.subject.first + ROUNDS[self.round.min(ROUNDS.len() - 1)]
    }

    /// Something was said about one of its addresses.
    pub(super) fn hear(&mut self, said: Said, now: Instant) {
        match said {
            Said::Answers { address, mac } if mac == self.subject.mac => {
                self.answered.entry(address).or_insert(now);
            }
            Said::Answers { address, mac } => self.other = Some((address, mac)),
            Said::Announces { address, mac } if mac == self.subject.mac => {
                self.announced.entry(address).or_insert(now);
            }
            // The holder before may have spoken a moment ago.
            Said::Announces { .. } | Said::Asks { .. } => {}
        }
    }

    /// Goes on if it is time.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if now < self.due_at() {
            return Step::Wait;
        }
        if self.judge_at.take().is_none() {
            self.round += 1;
            self.judge_at = Some(now + SETTLE);
            self.other = None;
            return Step::Ask(self.subject.addresses.iter().copied().collect());
        }
        match self.verdict() {
            Ok(at) => Step::Converged(at.saturating_duration_since(self.subject.heard_at)),
            Err(doubt) if self.round == ROUNDS.len() => Step::GivenUp(doubt),
            Err(Doubt::Another(..)) => {
                self.answered.clear();
                Step::Wait
            }
            Err(Doubt::Nobody(_) | Doubt::Unannounced(_)) => Step::Wait,
        }
    }

    /// When the last of what is wanted was heard, if all of it was.
    fn verdict(&self) -> Result<Instant, Doubt> {
        if let Some((address, mac)) = self.other {
            return Err(Doubt::Another(address, mac));
        }
        let mut last = self.subject.heard_at;
        for address in &self.subject.addresses {
            last = last.max(*self.answered.get(address).ok_or(Doubt::Nobody(*address))?);
        }
        for address in self.subject.addresses.iter().filter(|_| self.subject.wants_announcement) {
            last = last.max(*self.announced.get(address).ok_or(Doubt::Unannounced(*address))?);
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OLD: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn at(microseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(1) + Duration::from_micros(microseconds))
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn check(addresses: &[u8]) -> Check {
        Check::new(Subject {
            addresses: addresses.iter().copied().map(address).collect(),
            mac: HOLDER,
            heard_at: at(0),
            first: at(1_000),
            wants_announcement: true,
        })
    }

    fn answers(last: u8, mac: [u8; 6]) -> Said {
        Said::Answers { address: address(last), mac }
    }

    fn announces(last: u8) -> Said {
        Said::Announces { address: address(last), mac: HOLDER }
    }

    fn ask(addresses: &[u8]) -> Step {
        Step::Ask(addresses.iter().copied().map(address).collect())
    }

    /// Lets it go on until it asks next, and returns when that was.
    fn next_round(check: &mut Check) -> Instant {
        loop {
            let due = check.due_at();
            match check.step(due) {
                Step::Ask(_) => return due,
                Step::Wait => {}
                ended @ (Step::Converged(_) | Step::GivenUp(_)) => panic!("{ended:?}"),
            }
        }
    }

    #[test]
    fn it_took_until_the_last_address_was_answered_for_and_announced() {
        let mut check = check(&[10, 11]);
        assert_eq!((check.step(at(999)), check.step(at(1_000))), (Step::Wait, ask(&[10, 11])));
        check.hear(answers(10, HOLDER), at(1_200));
        check.hear(announces(10), at(1_300));
        check.hear(announces(11), at(1_310));
        check.hear(answers(11, HOLDER), at(1_400));
        check.hear(answers(11, HOLDER), at(1_900));
        assert_eq!(check.step(at(10_999)), Step::Wait, "another may answer yet");
        assert_eq!(check.step(at(11_000)), Step::Converged(Duration::from_micros(1_400)));
    }

    #[test]
    fn while_another_answers_what_the_holder_answered_counts_for_nothing() {
        let mut check = check(&[10]);
        next_round(&mut check);
        check.hear(announces(10), at(1_100));
        check.hear(answers(10, HOLDER), at(1_200));
        check.hear(answers(10, OLD), at(1_300));
        let second = next_round(&mut check);
        assert_eq!(second, at(21_000));
        check.hear(answers(10, HOLDER), at(21_200));
        assert_eq!(check.step(check.due_at()), Step::Converged(Duration::from_micros(21_200)));
    }

    #[test]
    fn it_asks_again_while_nobody_answers_or_no_announcement_was_heard() {
        let mut check = check(&[10]);
        next_round(&mut check);
        assert_eq!(next_round(&mut check), at(21_000), "nobody answered");
        check.hear(answers(10, HOLDER), at(21_200));
        assert_eq!(next_round(&mut check), at(61_000), "nobody announced");
        check.hear(answers(10, HOLDER), at(61_200));
        check.hear(announces(10), at(61_300));
        assert_eq!(check.step(check.due_at()), Step::Converged(Duration::from_micros(61_300)));
    }

    #[test]
    fn a_lost_announcement_is_asked_for_at_least_every_five_hundred_milliseconds() {
        let mut check = check(&[10]);
        let mut before = next_round(&mut check);
        for _ in 1..ROUNDS.len() {
            let now = next_round(&mut check);
            let apart = now.saturating_duration_since(before);
            assert!(apart <= Duration::from_millis(500), "{apart:?}");
            before = now;
        }
        assert_eq!(check.step(check.due_at()), Step::GivenUp(Doubt::Nobody(address(10))));
    }

    #[test]
    fn the_doubt_that_is_left_is_named() {
        for (said, doubt) in [
            (answers(10, OLD), Doubt::Another(address(10), OLD)),
            (answers(10, HOLDER), Doubt::Unannounced(address(10))),
            (announces(10), Doubt::Nobody(address(10))),
        ] {
            let mut check = check(&[10]);
            for _ in 0..ROUNDS.len() {
                let now = next_round(&mut check);
                check.hear(said, now);
            }
            assert_eq!(check.step(check.due_at()), Step::GivenUp(doubt));
        }
    }

    #[test]
    fn of_a_router_of_another_make_no_announcement_is_asked() {
        let mut check = check(&[10]);
        check.subject.wants_announcement = false;
        next_round(&mut check);
        check.hear(answers(10, HOLDER), at(1_250));
        assert_eq!(check.step(check.due_at()), Step::Converged(Duration::from_micros(1_250)));
    }
}
