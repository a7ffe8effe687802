//! Whether a member could take the addresses over now, and why not.
//!
//! A member is ready that holds the addresses, or that waits as Backup, with a session, a link, and the
//! advertisements of the holder in its ear: what it does not hear it cannot follow without a gap.

use std::fmt;
use std::net::IpAddr;

use api_types::transition::State;

use super::holder::{self, Link, Observed, ObservedNode};

/// Why a member is not ready. Follows the name of the member in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// It is a router without an agent.
    External,
    /// An operator took it out of use.
    Drained,
    /// Its agent has no session with a server.
    NoSession,
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
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::External => f.write_str("is a router without an agent"),
            Self::Drained => f.write_str("is drained"),
            Self::NoSession => f.write_str("has no session with a server"),
            Self::NoInterface(interface) => write!(f, "has no interface {interface}"),
            Self::LinkDown(interface) => write!(f, "has its interface {interface} down"),
            Self::NoCarrier(interface) => write!(f, "has no carrier on {interface}"),
            Self::NotReported => f.write_str("has not reported how it stands in this group"),
            Self::Fault(Some(why)) => write!(f, "is in fault: {why}"),
            Self::Fault(None) => f.write_str("is in fault"),
            Self::Initialize => f.write_str("takes no part yet"),
            Self::HearsNobody => f.write_str("hears no member advertise"),
            Self::Deaf(holders) => write!(f, "does not hear {}", holders.join(" and ")),
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
        Some(State::Active) => Ok(()),
        Some(State::Backup) => hears_the_holder(node, members),
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
            (node(2, true, Some(State::Active)), "ready"),
            (ObservedNode { drained: true, ..backup() }, "is drained"),
            (ObservedNode { connected: false, ..backup() }, "has no session with a server"),
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
}
