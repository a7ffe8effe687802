//! Whether anybody answers for the addresses of a new group, asked before they are bound.
//!
//! Pure. Every address is asked for twice. An answer for one settles it, and so does whoever announces an
//! address or probes for it meanwhile, as a host does that is about to use it (RFC 5227 §2.1.1, RFC 4862
//! §5.4.3).
//!
//! A member that would win asks as soon as it runs a new group, so that the answer is there by the time the
//! token is. It goes on to listen until then, for [`KEPT`] at the most.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::Instant;

use super::Asker;
use crate::dataplane::binder::GroupHandle;

/// How often each address is asked for.
const ROUNDS: u8 = 2;
/// How long after each round an answer is waited for. A neighbour's kernel takes less than a millisecond.
const SETTLE: Duration = Duration::from_millis(15);
/// For how long nobody's answer is kept for a token that has not come.
const KEPT: Duration = Duration::from_secs(1);
/// How many groups are asked about at the same time; more than that begin as usual.
const MOST: usize = 1_024;

/// What lets a group begin at once if nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Token {
    /// The generation of the group that it was made for.
    pub(in super::super) generation: i64,
    /// Until when it is valid.
    pub(in super::super) until: Instant,
}

/// What was found out about the addresses of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Answer {
    /// The group.
    pub(in super::super) group: GroupHandle,
    /// What it was asked for.
    pub(in super::super) token: Token,
    /// An address that is in use, and the MAC address that said so.
    pub(in super::super) taken: Option<(IpAddr, [u8; 6])>,
}

#[derive(Debug)]
struct Vacancy {
    asker: Asker,
    addresses: Vec<IpAddr>,
    /// What it is asked for, once it is known that it was.
    token: Option<Token>,
    /// Until when a token is waited for.
    until: Instant,
    round: u8,
    /// How many addresses were asked for in this round.
    asked: usize,
    /// When to ask on, or once everything was asked, from when silence can be believed.
    due_at: Instant,
    taken: Option<(IpAddr, [u8; 6])>,
}

impl Vacancy {
    fn is_settled(&self) -> bool {
        self.round == ROUNDS || self.taken.is_some()
    }

    fn deadline(&self) -> Instant {
        if self.is_settled() && self.token.is_none() { self.until } else { self.due_at }
    }
}

/// The groups whose addresses are asked for.
#[derive(Debug, Default)]
pub(super) struct Vacancies {
    groups: BTreeMap<GroupHandle, Vacancy>,
    addresses: BTreeMap<(u32, IpAddr), GroupHandle>,
}

impl Vacancies {
    /// Begins to ask for the addresses of a group, unless it does already; what else was under way for it is
    /// over. Whether there is room.
    pub(super) fn begin(
        &mut self,
        group: GroupHandle,
        asker: Asker,
        addresses: Vec<IpAddr>,
        now: Instant,
    ) -> bool {
        let is_same = |vacancy: &Vacancy| vacancy.asker == asker && vacancy.addresses == addresses;
        if self.groups.get(&group).is_some_and(is_same) {
            return true;
        }
        self.cancel(group);
        // What is said about an address is for one group only, so no two ask for the same one.
        let is_asked_for = |address: &IpAddr| self.addresses.contains_key(&(asker.ifindex, *address));
        if self.groups.len() >= MOST || addresses.is_empty() || addresses.iter().any(is_asked_for) {
            return false;
        }
        self.addresses.extend(addresses.iter().map(|address| ((asker.ifindex, *address), group)));
        let (until, due_at) = (now + KEPT, now);
        let vacancy =
            Vacancy { asker, addresses, token: None, until, round: 0, asked: 0, due_at, taken: None };
        self.groups.insert(group, vacancy);
        true
    }

    /// This is what a group is asked about for, if it is.
    pub(super) fn allow(&mut self, group: GroupHandle, token: Token) {
        if let Some(vacancy) = self.groups.get_mut(&group) {
            vacancy.token = Some(token);
        }
    }

    /// Ends it.
    pub(super) fn cancel(&mut self, group: GroupHandle) {
        let Some(Vacancy { asker, addresses, .. }) = self.groups.remove(&group) else { return };
        for address in addresses {
            self.addresses.remove(&(asker.ifindex, address));
        }
    }

    /// Ends what asks through this interface, where a question could not leave.
    pub(super) fn cancel_on(&mut self, ifindex: u32) {
        self.groups.retain(|_, vacancy| vacancy.asker.ifindex != ifindex);
        self.addresses.retain(|(at, _), _| *at != ifindex);
    }

    /// Whether silence is about to be believed.
    pub(super) fn concludes(&self, now: Instant) -> bool {
        let concludes =
            |vacancy: &Vacancy| vacancy.round == ROUNDS && vacancy.token.is_some() && vacancy.due_at <= now;
        self.groups.values().any(concludes)
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When to call [`step`](Self::step).
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().map(Vacancy::deadline).min()
    }

    /// Goes on with what is due: which addresses to ask for, at most so many, and what has been found out.
    pub(super) fn step(&mut self, now: Instant, most: usize) -> (Vec<(Asker, IpAddr)>, Vec<Answer>) {
        let (mut questions, mut answers, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for (group, vacancy) in self.groups.iter_mut().filter(|(_, vacancy)| vacancy.deadline() <= now) {
            if vacancy.is_settled() {
                let answer = |token| Answer { group: *group, token, taken: vacancy.taken };
                answers.extend(vacancy.token.map(answer));
                done.push(*group);
                continue;
            }
            let rest = vacancy.addresses.get(vacancy.asked..).unwrap_or_default();
            let portion = rest.len().min(most - questions.len());
            questions.extend(rest.iter().take(portion).map(|address| (vacancy.asker, *address)));
            vacancy.asked += portion;
            if vacancy.asked == vacancy.addresses.len() {
                (vacancy.round, vacancy.asked, vacancy.due_at) = (vacancy.round + 1, 0, now + SETTLE);
            }
        }
        done.into_iter().for_each(|group| self.cancel(group));
        (questions, answers)
    }

    /// Somebody has this address, or is about to: whose `mac` said so.
    pub(super) fn hear(&mut self, ifindex: u32, address: IpAddr, mac: [u8; 6], now: Instant) {
        let group = self.addresses.get(&(ifindex, address));
        if let Some(vacancy) = group.and_then(|group| self.groups.get_mut(group)) {
            vacancy.taken.get_or_insert((address, mac));
            vacancy.due_at = vacancy.due_at.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(1_000 + milliseconds))
    }

    fn asker() -> Asker {
        Asker { ifindex: 3, mac: [2, 0, 0, 0, 0, 1], source: [192, 0, 2, 1].into() }
    }

    fn addresses(count: u8) -> Vec<IpAddr> {
        (0..count).map(|last| IpAddr::from([192, 0, 2, 10 + last])).collect()
    }

    fn token() -> Token {
        Token { generation: 2, until: at(1_000) }
    }

    fn asking(count: u8) -> Vacancies {
        let mut vacancies = Vacancies::default();
        assert!(vacancies.begin(7, asker(), addresses(count), at(0)));
        vacancies.allow(7, token());
        vacancies
    }

    #[test]
    fn every_address_is_asked_for_twice_and_silence_is_believed_30_ms_after_the_first_question() {
        let mut vacancies = asking(2);
        let mut asked = Vec::new();
        for (now, answers) in
            [(0, vec![]), (15, vec![]), (30, vec![Answer { group: 7, token: token(), taken: None }])]
        {
            assert_eq!(vacancies.next_deadline(), Some(at(now)));
            assert_eq!(vacancies.concludes(at(now)), now == 30);
            let (questions, found) = vacancies.step(at(now), 32);
            asked.extend(questions.into_iter().map(|(_, address)| address));
            assert_eq!(found, answers, "after {now} ms");
        }
        assert_eq!(asked, [addresses(2), addresses(2)].concat());
        assert!(vacancies.is_empty() && vacancies.addresses.is_empty());
    }

    #[test]
    fn what_is_known_before_the_token_comes_is_told_when_it_does_and_for_a_second_at_the_most() {
        let ahead = || {
            let mut vacancies = Vacancies::default();
            assert!(vacancies.begin(7, asker(), addresses(1), at(0)));
            for now in [0, 15] {
                assert_eq!(vacancies.step(at(now), 32).0.len(), 1);
            }
            vacancies
        };
        let answer = |taken| vec![Answer { group: 7, token: token(), taken }];

        let mut early = ahead();
        early.allow(7, token());
        assert_eq!(early.next_deadline(), Some(at(30)), "the last question may still be answered");

        let mut silent = ahead();
        assert_eq!((silent.concludes(at(40)), silent.next_deadline()), (false, Some(at(1_000))));
        assert!(silent.begin(7, asker(), addresses(1), at(40)), "it goes on");
        silent.allow(7, token());
        assert!(silent.concludes(at(40)) && silent.next_deadline() <= Some(at(40)));
        assert_eq!(silent.step(at(40), 32), (vec![], answer(None)));

        let mut answered = ahead();
        answered.hear(3, addresses(1)[0], MAC, at(20));
        assert_eq!(answered.step(at(40), 32), (vec![], vec![]), "nobody has asked for it");
        answered.allow(7, token());
        assert_eq!(answered.step(at(40), 32).1, answer(Some((addresses(1)[0], MAC))));

        let mut forgotten = ahead();
        assert_eq!(forgotten.step(at(1_000), 32), (vec![], vec![]));
        assert!(forgotten.is_empty() && forgotten.addresses.is_empty());

        let mut edited = ahead();
        assert!(edited.begin(7, asker(), addresses(2), at(40)));
        edited.allow(7, token());
        assert_eq!(edited.step(at(40), 32).0.len(), 2, "other addresses are asked for anew");
    }

    #[test]
    fn many_addresses_are_asked_for_a_portion_at_a_time_and_all_of_them() {
        let mut vacancies = asking(100);
        let (mut now, mut asked) = (at(0), 0);
        while !vacancies.is_empty() {
            let (questions, found) = vacancies.step(now, 32);
            assert!(questions.len() <= 32);
            asked += questions.len();
            assert!(found.is_empty() || asked == 200, "{asked}");
            now = vacancies.next_deadline().unwrap_or(now).max(now + Duration::from_millis(1));
        }
        assert_eq!(asked, 200);
    }

    #[test]
    fn whoever_says_that_it_has_an_address_settles_it_at_once() {
        let mut vacancies = asking(2);
        vacancies.step(at(0), 32);
        vacancies.hear(4, addresses(2)[1], MAC, at(1));
        vacancies.hear(3, [192, 0, 2, 99].into(), MAC, at(1));
        assert_eq!(vacancies.next_deadline(), Some(at(15)), "another interface, another address");
        vacancies.hear(3, addresses(2)[1], MAC, at(1));
        let (questions, found) = vacancies.step(at(1), 32);
        let taken = Some((addresses(2)[1], MAC));
        assert_eq!((questions, found), (vec![], vec![Answer { group: 7, token: token(), taken }]));
        assert!(vacancies.is_empty());
    }

    #[test]
    fn nothing_is_concluded_where_no_question_left_or_nothing_could_be_asked() {
        let mut vacancies = asking(2);
        vacancies.cancel_on(4);
        assert!(!vacancies.is_empty());
        vacancies.cancel_on(3);
        assert!(vacancies.is_empty() && vacancies.addresses.is_empty());
        assert!(!vacancies.begin(7, asker(), Vec::new(), at(0)));
        let mut full = Vacancies::default();
        let one = |group: usize| vec![IpAddr::from(u32::try_from(group).unwrap().to_be_bytes())];
        let begun = (0..2_000).filter(|group| full.begin(*group, asker(), one(*group), at(0)));
        assert_eq!(begun.count(), MOST);
    }

    #[test]
    fn an_address_that_is_asked_for_already_keeps_the_second_group_waiting() {
        let mut vacancies = asking(2);
        let overlapping = vec![[192, 0, 2, 99].into(), addresses(2)[1]];
        assert!(!vacancies.begin(8, asker(), overlapping.clone(), at(0)));
        vacancies.hear(3, addresses(2)[1], MAC, at(1));
        let (_, found) = vacancies.step(at(1), 32);
        assert_eq!(
            found.iter().map(|answer| answer.group).collect::<Vec<_>>(),
            [7],
            "it is told to the first"
        );
        assert!(vacancies.begin(8, asker(), overlapping, at(2)));
    }
}
