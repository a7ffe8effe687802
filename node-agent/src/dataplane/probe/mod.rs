//! Asks the LAN who answers for an address, and hears who asks for ours.
//!
//! - A member that hears a new holder checks that the LAN has followed: [`check`].
//! - A holder that is asked a moment after its takeover announces once more: [`asked`].
//! - A member that may begin at once finds out whether anybody has the addresses: [`vacancy`].
//!
//! Questions ([`question`]) change no neighbour's mind: ARP probes have no sender (RFC 5227), and solicitations
//! say of theirs what is true. The sockets that hear the answers are open only while there is something to find
//! out ([`ear`]).
//!
//! # Pace
//! No question delays an advertisement: the driver asks behind them, and in each [`PAUSE`] no more than
//! [`PORTION`] questions leave.

mod answer;
mod asked;
mod check;
mod ear;
mod question;
mod vacancy;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::Instant;

use self::answer::Said;
pub(super) use self::asked::ATTENTIVE;
use self::asked::Asked;
use self::check::{Check, Step};
pub(super) use self::check::{Doubt, MAX_ADDRESSES, Subject};
use self::ear::Ear;
use self::vacancy::Vacancies;
pub(super) use self::vacancy::{Answer, Token};
use super::announcement::AnnouncementFrame;
use super::background::Background;
use super::binder::GroupHandle;
use crate::sys::clock;

/// How many questions leave in each [`PAUSE`].
const PORTION: usize = 32;
const PAUSE: Duration = Duration::from_millis(1);
/// How many checks run at the same time. More takeovers than that at once are not checked.
const MAX_CHECKS: usize = 1_024;

/// Where a question leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    /// The interface.
    pub(super) ifindex: u32,
    /// Its own MAC address.
    pub(super) mac: [u8; 6],
    /// Its own address.
    pub(super) source: IpAddr,
}

/// What came of the time that has passed.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Questions to send, with their interfaces.
    pub(super) questions: Vec<(u32, AnnouncementFrame)>,
    /// Checks that are done.
    pub(super) done: Vec<Finding>,
    /// What was found out about the addresses of new groups.
    pub(super) answers: Vec<Answer>,
}

/// What was found out about the new holder of a group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The group.
    pub(super) group: GroupHandle,
    /// When the new holder was heard.
    pub(super) heard_at: Instant,
    /// How long after that the LAN had followed, or what is left of doubt.
    pub(super) outcome: Result<Duration, Doubt>,
}

/// What is being found out.
pub(super) struct Probes {
    checks: BTreeMap<GroupHandle, (Asker, Check)>,
    due: BTreeSet<(Instant, GroupHandle)>,
    addresses: BTreeMap<(u32, IpAddr), GroupHandle>,
    asked: Asked,
    vacancies: Vacancies,
    ear: Ear,
    /// No question leaves before.
    quiet_until: Instant,
}

impl Probes {
    /// Nothing yet. Sockets are closed by `closing`, since the kernel takes its time for that.
    pub(super) fn new(closing: Background) -> Self {
        Self {
            checks: BTreeMap::new(),
            due: BTreeSet::new(),
            addresses: BTreeMap::new(),
            asked: Asked::default(),
            vacancies: Vacancies::default(),
            ear: Ear::new(closing),
            quiet_until: Instant::ORIGIN,
        }
    }

    /// Begins to check on the new holder of a group; what was under way for it is over.
    pub(super) fn begin(&mut self, group: GroupHandle, asker: Asker, subject: Subject) {
        self.cancel(group);
        if self.checks.len() >= MAX_CHECKS {
            return;
        }
        let at = |address: &IpAddr| ((asker.ifindex, *address), group);
        self.addresses.extend(subject.addresses.iter().map(at));
        let check = Check::new(subject);
        self.due.insert((check.due_at(), group));
        self.checks.insert(group, (asker, check));
    }

    /// Ends a check.
    pub(super) fn cancel(&mut self, group: GroupHandle) {
        let Some((asker, check)) = self.checks.remove(&group) else { return };
        self.due.remove(&(check.due_at(), group));
        for address in &check.subject().addresses {
            self.addresses.remove(&(asker.ifindex, *address));
        }
    }

    /// This node took the group over at `since`.
    pub(super) fn taken(
        &mut self,
        group: GroupHandle,
        ifindex: u32,
        addresses: &[IpAddr],
        members: &[IpAddr],
        since: Instant,
    ) {
        self.asked.taken(group, ifindex, addresses, members.to_vec(), since);
    }

    /// This node holds the group no longer.
    pub(super) fn let_go(&mut self, group: GroupHandle) {
        self.asked.forget(group);
    }

    /// Begins to ask whether anybody has the addresses of a new group, or goes on; nothing comes of it where
    /// too much is asked already, and nothing before there is a token.
    ///
    /// # Errors
    /// When no answer could be heard.
    pub(super) fn ask(
        &mut self,
        group: GroupHandle,
        asker: Asker,
        addresses: Vec<IpAddr>,
        token: Option<Token>,
        now: Instant,
    ) -> io::Result<()> {
        if self.vacancies.begin(group, asker, addresses, now)
            && let Some(token) = token
        {
            self.vacancies.allow(group, token);
        }
        self.listen().inspect_err(|_| self.vacancies.cancel(group))
    }

    /// A question could not leave through this interface.
    pub(super) fn give_up_on(&mut self, ifindex: u32) {
        self.vacancies.cancel_on(ifindex);
    }

    /// Whether silence is about to be believed, so that what has come by now is to be heard first.
    pub(super) fn is_about_to_conclude(&self, now: Instant) -> bool {
        self.vacancies.concludes(now)
    }

    /// Whether what was said is left to be heard.
    pub(super) const fn is_behind(&self) -> bool {
        self.ear.is_behind()
    }

    /// The checks under way that are due.
    pub(super) fn due(&self, now: Instant) -> Vec<GroupHandle> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, group)| *group).collect()
    }

    /// Goes on with what is due.
    pub(super) fn follow(&mut self, now: Instant) -> Progress {
        let mut progress = Progress::default();
        self.asked.expire(now);
        if self.quiet_until <= now {
            let (questions, answers) = self.vacancies.step(now, PORTION);
            progress.answers = answers;
            progress.questions.extend(questions.into_iter().filter_map(ask));
        }
        while progress.questions.len() < PORTION
            && self.quiet_until <= now
            && let Some((at, group)) = self.due.first().copied()
            && at <= now
            && let Some((asker, check)) = self.checks.get_mut(&group)
        {
            self.due.remove(&(at, group));
            let heard_at = check.subject().heard_at;
            match check.step(now) {
                Step::Ask(addresses) => {
                    let asked = addresses.into_iter().map(|address| (*asker, address));
                    progress.questions.extend(asked.filter_map(ask));
                }
                Step::Converged(after) => progress.done.push(Finding { group, heard_at, outcome: Ok(after) }),
                Step::GivenUp(doubt) => progress.done.push(Finding { group, heard_at, outcome: Err(doubt) }),
                Step::Wait => {}
            }
            self.due.insert((check.due_at(), group));
        }
        if !progress.questions.is_empty() {
            self.quiet_until = now + PAUSE;
        }
        progress.done.iter().for_each(|finding| self.cancel(finding.group));
        progress
    }

    /// When to call [`follow`](Self::follow).
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| *at).into_iter().chain(self.vacancies.next_deadline()).min();
        let due = due.map(|at| at.max(self.quiet_until));
        [due, self.asked.next_deadline()].into_iter().flatten().min()
    }

    /// Opens or closes the sockets, as there is something to find out or not.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        self.ear.set_open(!(self.checks.is_empty() && self.asked.is_empty() && self.vacancies.is_empty()))
    }

    /// Returns once there may be something to [`hear`](Self::hear).
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.ear.readable().await
    }

    /// Takes what the neighbours have said, and names the groups to be announced once more. `physical` is the interface
    /// that a frame came in through, of the one that heard it.
    pub(super) fn hear(
        &mut self,
        buffer: &mut [u8],
        physical: impl Fn(u32) -> u32,
    ) -> io::Result<BTreeSet<GroupHandle>> {
        let Self { checks, addresses, asked, vacancies, ear, .. } = self;
        let mut announce = BTreeSet::new();
        ear.take(buffer, |packet, octets| {
            let Some(said) = answer::read(packet.family, octets, packet.mac) else { return };
            let (ifindex, now) = (physical(packet.ifindex), clock::boottime());
            match (said, packet.mac) {
                (Said::Answers { address, mac } | Said::Announces { address, mac }, _)
                | (Said::Asks { address, source: None }, Some(mac)) => {
                    vacancies.hear(ifindex, address, mac, now)
                }
                (Said::Asks { .. }, _) => {}
            }
            match said {
                Said::Asks { address, source } => announce.extend(asked.hear(ifindex, address, source, now)),
                Said::Answers { address, .. } | Said::Announces { address, .. } => {
                    let group = addresses.get(&(ifindex, address));
                    if let Some((_, check)) = group.and_then(|group| checks.get_mut(group)) {
                        check.hear(said, now);
                    }
                }
            }
        })?;
        Ok(announce)
    }
}

/// A question as it leaves.
fn ask((asker, address): (Asker, IpAddr)) -> Option<(u32, AnnouncementFrame)> {
    Some((asker.ifindex, question::frame(asker.mac, asker.source, address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(milliseconds))
    }

    fn subject(last: u8) -> Subject {
        let addresses = BTreeSet::from([IpAddr::from([192, 0, 2, last])]);
        let mac = [2, 0, 0, 0, 0, 1];
        Subject { addresses, mac, heard_at: at(0), first: at(0), wants_announcement: true }
    }

    fn asker() -> Asker {
        Asker { ifindex: 3, mac: [2, 0, 0, 0, 0, 9], source: [192, 0, 2, 9].into() }
    }

    fn probes() -> Probes {
        Probes::new(Background::start("test").unwrap())
    }

    #[test]
    fn a_mass_takeover_is_asked_about_a_portion_each_millisecond() {
        let mut probes = probes();
        (0..100).for_each(|group| probes.begin(group, asker(), subject(u8::try_from(group).unwrap())));
        let mut asked = Vec::new();
        while asked.iter().sum::<usize>() < 100 {
            let due = probes.next_deadline().unwrap();
            asked.push(probes.follow(due).questions.len());
        }
        assert_eq!(asked, [32, 32, 32, 4]);
        assert_eq!(probes.quiet_until, at(4));
    }

    #[test]
    fn nothing_is_left_of_a_check_that_was_ended_or_given_up() {
        let mut probes = probes();
        probes.begin(1, asker(), subject(10));
        probes.begin(1, asker(), subject(11));
        probes.begin(2, asker(), subject(12));
        probes.cancel(2);
        assert_eq!((probes.checks.len(), probes.due.len(), probes.addresses.len()), (1, 1, 1));
        let mut done = Vec::new();
        while let Some(due) = probes.next_deadline() {
            done.extend(probes.follow(due).done);
        }
        let doubt = Doubt::Nobody([192, 0, 2, 11].into());
        assert_eq!(done, [Finding { group: 1, heard_at: at(0), outcome: Err(doubt) }]);
        assert!(probes.checks.is_empty() && probes.addresses.is_empty());
    }

    #[test]
    fn more_takeovers_at_once_than_can_be_checked_are_not() {
        let mut probes = probes();
        (0..1_100).for_each(|group| probes.begin(group, asker(), subject(10)));
        assert_eq!(probes.checks.len(), MAX_CHECKS);
    }
}
