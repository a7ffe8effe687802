//! Whether a member could take the addresses over now, and why not; and who could, of a group.
//!
//! A member is ready that holds the addresses, or that waits as Backup, with a session, a link, and the
//! advertisements of the holder in its ear: what it does not hear it cannot follow without a gap. Of several that
//! hold at once only the one that the others would yield to is no standby that went astray.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use api_types::group::{NotReady as Reason, Standby};
use api_types::transition::State;
use vrrp::AdvertisementInterval;

use super::holder::{self, Link, MemberReport, Observed, ObservedNode};

/// How long an agent may be away, or at a loss, before its group is said to lack it: more than a restart takes.
const RESTART: Duration = Duration::from_secs(1);
/// How far apart the reports of the two members of one move come.
const MOVE: Duration = Duration::from_millis(500);
/// How long a link may be down without anybody being told.
const LINK_FLAP: Duration = Duration::from_millis(500);

/// Why a member is not ready. Follows the name of the member in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// It is a router without an agent.
    External,
    /// An operator took it out of use.
    Drained,
    /// Its agent has no session with a server.
    NoSession,
    /// Its agent has a session, but was not heard in it lately.
    Silent,
    /// The host has no such interface.
    NoInterface(String),
    /// The interface is down.
    LinkDown(String),
    /// The interface has no carrier.
    NoCarrier(String),
    /// Its agent has not reported how it stands in this group.
    NotReported,
    /// It cannot take part, and why.
    Fault(Option<String>),
    /// It takes no part yet.
    Initialize,
    /// It is Backup, and hears no member advertise.
    HearsNobody,
    /// It is Backup, and does not hear those who hold the addresses.
    Deaf(Vec<String>),
    /// It said that it holds the addresses, and was not heard since another one took over.
    Overtaken(String),
    /// It holds the addresses beside the one that everybody should yield to. One that heard it would yield.
    Astray(String),
}

impl NotReady {
    /// How long it must last before the group is said to lack the member. Its session may end and begin again, and its
    /// agent may hear the holder a moment later: that is a restart. What an operator wants is so at once, and whoever is
    /// silent has been for a while.
    #[must_use]
    pub fn settles_in(&self, interval: AdvertisementInterval) -> Duration {
        match self {
            Self::External | Self::Drained | Self::Silent => Duration::ZERO,
            Self::LinkDown(_) | Self::NoCarrier(_) => LINK_FLAP,
            Self::NoSession
            | Self::NoInterface(_)
            | Self::NotReported
            | Self::Fault(_)
            | Self::Initialize => RESTART,
            Self::HearsNobody | Self::Deaf(_) => RESTART + interval.as_duration() * 2,
            Self::Overtaken(_) | Self::Astray(_) => MOVE + interval.as_duration() * 2,
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::External => f.write_str("is a router without an agent"),
            Self::Drained => f.write_str("is drained"),
            Self::NoSession => f.write_str("has no session with a server"),
            Self::Silent => f.write_str("is not heard by the server any more"),
            Self::NoInterface(interface) => write!(f, "has no interface {interface}"),
            Self::LinkDown(interface) => write!(f, "has its interface {interface} down"),
            Self::NoCarrier(interface) => write!(f, "has no carrier on {interface}"),
            Self::NotReported => f.write_str("has not reported how it stands in this group"),
            Self::Fault(Some(why)) => write!(f, "is in fault: {why}"),
            Self::Fault(None) => f.write_str("is in fault"),
            Self::Initialize => f.write_str("takes no part yet"),
            Self::HearsNobody => f.write_str("hears no member advertise"),
            Self::Deaf(holders) => write!(f, "does not hear {}", holders.join(" and ")),
            Self::Overtaken(holder) => write!(f, "has not been heard since {holder} took over"),
            Self::Astray(holder) => write!(f, "does not hear {holder}, and holds the addresses as well"),
        }
    }
}

/// Whether `member`, one of `members`, could hold the addresses now.
///
/// # Errors
/// The first reason why not.
pub fn of_member(member: &Observed, members: &[Observed]) -> Result<(), NotReady> {
    let Observed::Node(node) = member else { return Err(NotReady::External) };
    if node.drained {
        return Err(NotReady::Drained);
    }
    if !node.connected {
        return Err(NotReady::NoSession);
    }
    if node.silent {
        return Err(NotReady::Silent);
    }
    let interface = || node.interface.clone();
    match node.link {
        None if node.interfaces_known => return Err(NotReady::NoInterface(interface())),
        Some(Link { up: false, .. }) => return Err(NotReady::LinkDown(interface())),
        Some(Link { carrier: false, .. }) => return Err(NotReady::NoCarrier(interface())),
        None | Some(Link { up: true, carrier: true }) => {}
    }
    match node.fresh_report().map(|report| report.state) {
        None => Err(NotReady::NotReported),
        Some(State::Fault) => {
            Err(NotReady::Fault(node.fresh_details().and_then(|details| details.fault.clone())))
        }
        Some(State::Initialize) => Err(NotReady::Initialize),
        Some(State::Active) => is_the_holder(node, members),
        Some(State::Backup) => hears_the_holder(node, members),
    }
}

/// The one that holds the addresses: of several, the one that the others would yield to. A router without an agent is
/// obeyed by somebody, or it would not be known to hold.
#[must_use]
pub fn holder(members: &[Observed]) -> Option<&Observed> {
    let holders = holder::known_holders(members);
    let holders = members.iter().filter(|member| holders.contains(&member.name()));
    holders.max_by_key(|member| match member {
        Observed::Node(node) => (false, node.report.map(|report| report.effective_priority), node.address),
        Observed::External { .. } => (true, None, None),
    })
}

fn is_the_holder(node: &ObservedNode, members: &[Observed]) -> Result<(), NotReady> {
    match holder(members) {
        Some(holder) if holder.name() != node.name => {
            let name = holder.name().to_owned();
            let holds = holder::known_holders(members).contains(&node.name.as_str());
            Err(if holds { NotReady::Astray(name) } else { NotReady::Overtaken(name) })
        }
        Some(_) | None => Ok(()),
    }
}

fn hears_the_holder(node: &ObservedNode, members: &[Observed]) -> Result<(), NotReady> {
    let holders = holder::known_holders(members);
    let is_heard = |member: &Observed| sources(node).any(|source| member.is_at(source));
    let is_holder = |member: &&Observed| holders.contains(&member.name());
    if members.iter().filter(is_holder).any(is_heard) {
        return Ok(());
    }
    match holders.as_slice() {
        [] => Err(NotReady::HearsNobody),
        holders => Err(NotReady::Deaf(holders.iter().map(ToString::to_string).collect())),
    }
}

/// Where the advertisements come from that a Backup hears now.
fn sources(node: &ObservedNode) -> impl Iterator<Item = IpAddr> {
    let obeyed = node.fresh_report().and_then(|report| report.active_source);
    let heard = node.fresh_details().into_iter().flat_map(|details| &details.heard);
    obeyed.into_iter().chain(heard.filter(|peer| peer.speaking).map(|peer| peer.source))
}

/// Whether each of the members beside the holder could take over from it.
pub fn others(members: &[Observed]) -> impl Iterator<Item = (&Observed, Result<(), NotReady>)> {
    let holder = holder(members).map(Observed::name);
    let others = members.iter().filter(move |member| Some(member.name()) != holder);
    others.map(|member| (member, of_member(member, members)))
}

/// Who could take over from the holder now, and who could not.
#[must_use]
pub fn standby(members: &[Observed]) -> Standby {
    let mut standby = Standby::default();
    let mut ready: Vec<(Option<MemberReport>, &ObservedNode)> = Vec::new();
    for (member, readiness) in others(members) {
        let reason = |why: &NotReady| Reason { member: member.name().to_owned(), reason: why.to_string() };
        match (member, readiness) {
            (Observed::Node(node), Ok(())) => ready.push((node.report, node)),
            (Observed::External { name, .. }, _) => standby.unknown.push(name.clone()),
            (Observed::Node(_), Err(why)) => standby.not_ready.push(reason(&why)),
        }
    }
    ready.sort_by_key(|(report, node)| {
        std::cmp::Reverse((report.map(|report| report.effective_priority), node.address))
    });
    standby.ready = ready.into_iter().map(|(_, node)| node.name.clone()).collect();
    standby
}

#[cfg(test)]
mod tests {
    use api_types::channel::MemberDetails;

    use super::*;
    use crate::domain::holder::tests::{external, node, obeying};
    use crate::domain::peers::tests::peer;

    fn why_not(two: ObservedNode) -> String {
        let members = [Observed::Node(node(1, true, Some(State::Active))), Observed::Node(two), external()];
        of_member(&members[1], &members).map_or_else(|why| why.to_string(), |()| "ready".to_owned())
    }

    #[test]
    fn a_member_is_ready_that_holds_or_waits_and_hears_the_holder() {
        let backup = || obeying(2, [192, 0, 2, 1]);
        let mut faulty = node(2, true, Some(State::Fault));
        let fault = Some("interface eth0 is down".to_owned());
        faulty.details = Some(Box::new(MemberDetails { fault, ..MemberDetails::default() }));
        let mut listening = node(2, true, Some(State::Backup));
        let heard = vec![peer([192, 0, 2, 1], 240)];
        listening.details = Some(Box::new(MemberDetails { heard, ..MemberDetails::default() }));
        let linked = |link| ObservedNode { link, ..backup() };
        let cases = [
            (backup(), "ready"),
            (listening, "ready"),
            (node(2, true, Some(State::Active)), "does not hear n1, and holds the addresses as well"),
            (ObservedNode { drained: true, ..backup() }, "is drained"),
            (ObservedNode { connected: false, ..backup() }, "has no session with a server"),
            (ObservedNode { silent: true, ..backup() }, "is not heard by the server any more"),
            (linked(None), "has no interface eth0"),
            (linked(Some(Link { up: false, carrier: false })), "has its interface eth0 down"),
            (linked(Some(Link { up: true, carrier: false })), "has no carrier on eth0"),
            (node(2, true, None), "has not reported how it stands in this group"),
            (faulty, "is in fault: interface eth0 is down"),
            (node(2, true, Some(State::Initialize)), "takes no part yet"),
            (node(2, true, Some(State::Backup)), "does not hear n1"),
            (obeying(2, [192, 0, 2, 77]), "does not hear n1"),
        ];
        for (two, wanted) in cases {
            assert_eq!(why_not(two.clone()), wanted, "{two:?}");
        }
    }

    #[test]
    fn where_nobody_holds_a_backup_cannot_follow_and_an_external_member_is_never_ready() {
        let members = [Observed::Node(node(1, true, Some(State::Backup))), external()];
        assert_eq!(of_member(&members[0], &members), Err(NotReady::HearsNobody));
        assert_eq!(of_member(&members[1], &members), Err(NotReady::External));
    }

    #[test]
    fn who_could_take_over_is_named_in_the_order_in_which_they_would() {
        let mut late = obeying(4, [192, 0, 2, 1]);
        late.report = late
            .report
            .map(|report| MemberReport { effective_priority: vrrp::Priority::new(251).unwrap(), ..report });
        let drained = ObservedNode { drained: true, ..obeying(3, [192, 0, 2, 1]) };
        let nodes = [node(1, true, Some(State::Active)), obeying(2, [192, 0, 2, 1]), drained, late];
        let members: Vec<_> = nodes.into_iter().map(Observed::Node).chain([external()]).collect();
        let found = standby(&members);
        assert_eq!(found.ready, ["n4", "n2"], "by what they would advertise");
        assert_eq!(found.unknown, ["keepalived"]);
        assert_eq!(found.not_ready, [Reason { member: "n3".into(), reason: "is drained".into() }]);
    }

    #[test]
    fn of_two_that_hold_the_one_that_the_other_should_yield_to_is_the_holder() {
        let both = [1, 2].map(|number| Observed::Node(node(number, true, Some(State::Active))));
        assert_eq!(holder(&both).map(Observed::name), Some("n1"));
        assert_eq!(of_member(&both[0], &both), Ok(()));
        assert_eq!(of_member(&both[1], &both), Err(NotReady::Astray("n1".into())));
        let beside = [Observed::Node(node(1, true, Some(State::Active))), external()];
        assert_eq!(holder(&beside).map(Observed::name), Some("n1"), "nobody obeys the other");
    }

    #[test]
    fn the_last_word_of_a_holder_that_was_followed_by_another_is_that() {
        let before = node(1, true, Some(State::Active));
        let quiet = ObservedNode { last_heard: before.report.map(|report| report.heard_since), ..before };
        let members = [quiet, node(2, true, Some(State::Active))].map(Observed::Node);
        assert_eq!(of_member(&members[0], &members), Err(NotReady::Overtaken("n2".into())));
        assert_eq!(of_member(&members[1], &members), Ok(()));
    }

    #[test]
    fn a_restart_is_given_time_and_what_an_operator_wants_is_not() {
        let interval = AdvertisementInterval::DEFAULT_V3;
        let settles = |why: NotReady| why.settles_in(interval).as_millis();
        assert_eq!(settles(NotReady::NoSession), 1_000);
        assert_eq!(settles(NotReady::HearsNobody), 1_200);
        assert_eq!(settles(NotReady::Astray("n1".into())), 700);
        assert_eq!(settles(NotReady::LinkDown("eth0".into())), 500);
        assert_eq!(settles(NotReady::Drained), 0);
        assert_eq!(settles(NotReady::Silent), 0, "it has been for a while");
    }
}
