//! Who holds the addresses of a group, as far as the reports of its members tell.
//!
//! A member with a session is believed about itself, and about the router whose advertisements it obeys. A member
//! without one may have died as the holder, so its last word counts only when nobody else is known to hold.
//!
//! A session outlives a machine that lost power by some seconds. So of several members that claim to hold, the one
//! that was the last to begin with it is believed, and another only if it was heard since.

use std::net::IpAddr;

use api_types::channel::MemberDetails;
use api_types::{Timestamp, transition::State};
use uuid::Uuid;
use vrrp::Priority;

/// A member of a group, as it was last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// A node.
    Node(ObservedNode),
    /// A router without an agent.
    External {
        /// Its name.
        name: String,
        /// Where its advertisements come from.
        address: IpAddr,
    },
}

/// A member that is a node, as it was last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNode {
    /// The node.
    pub id: Uuid,
    /// The name of the node.
    pub name: String,
    /// Drawn by its agent at its last start; `None` before the first one.
    pub boot_id: Option<Uuid>,
    /// What its agent can do beyond the first version of the channel.
    pub capabilities: Vec<String>,
    /// Whether it shall take no part.
    pub drained: bool,
    /// The interface that the group uses on it.
    pub interface: String,
    /// Whether its agent has a session with a server.
    pub connected: bool,
    /// When a server last heard its agent, by the server's clock.
    pub last_heard: Option<Timestamp>,
    /// Whether its session goes on without a sign of life: the host may have lost its power, or its network.
    pub silent: bool,
    /// Whether its agent has ever reported its interfaces.
    pub interfaces_known: bool,
    /// How that interface stands, as last reported; `None` when the host has none of the name.
    pub link: Option<Link>,
    /// The shortest advertisement interval that the node keeps to, in milliseconds, where it has said.
    pub keeps_to_ms: Option<u64>,
    /// Where its advertisements come from, where that is known.
    pub address: Option<IpAddr>,
    /// Every address of that interface, as last reported.
    pub addresses: Vec<IpAddr>,
    /// How its agent last said that it stands.
    pub report: Option<MemberReport>,
    /// What more it said in its present session, or in its last one.
    pub details: Option<Box<MemberDetails>>,
}

/// How an interface stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Administratively up.
    pub up: bool,
    /// The carrier is there.
    pub carrier: bool,
}

/// How a member that is a node said that it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberReport {
    /// Its state.
    pub state: State,
    /// Since when, by the node's wall clock.
    pub since: Timestamp,
    /// When a server first heard of this state, by the server's clock.
    pub heard_since: Timestamp,
    /// The priority that it advertises or would advertise.
    pub effective_priority: Priority,
    /// The router whose advertisements it obeys.
    pub active_source: Option<IpAddr>,
}

impl Observed {
    /// The name of the member.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node(node) => &node.name,
            Self::External { name, .. } => name,
        }
    }

    /// Whether its advertisements come from `source`, as far as its addresses are known.
    #[must_use]
    pub fn is_at(&self, source: IpAddr) -> bool {
        match self {
            Self::Node(node) => node.addresses.contains(&source),
            Self::External { address, .. } => *address == source,
        }
    }

    /// The claim of a member with a session to hold the addresses.
    fn claim(&self) -> Option<MemberReport> {
        match self {
            Self::Node(node) => node.fresh_report().filter(|report| report.state == State::Active),
            Self::External { .. } => None,
        }
    }
}

impl ObservedNode {
    /// What it says now; `None` when it has no session, so that it may have changed since.
    #[must_use]
    pub fn fresh_report(&self) -> Option<MemberReport> {
        self.report.filter(|_| self.connected)
    }

    /// What more it says now.
    #[must_use]
    pub fn fresh_details(&self) -> Option<&MemberDetails> {
        self.details.as_deref().filter(|_| self.connected)
    }
}

/// The names of the holders that members with a session know of, in the order of the members.
#[must_use]
pub fn known_holders(members: &[Observed]) -> Vec<&str> {
    let obeyed: Vec<IpAddr> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) => node.fresh_report(),
            Observed::External { .. } => None,
        })
        .filter(|report| report.state == State::Backup)
        .filter_map(|report| report.active_source)
        .collect();
    let newest_claim = members.iter().filter_map(Observed::claim).map(|claim| claim.heard_since).max();
    let holds = |member: &&Observed| match member {
        Observed::Node(node) => match node.fresh_report() {
            Some(report) => {
                let is_newest = Some(report.heard_since) >= newest_claim;
                report.state == State::Active && (is_newest || node.last_heard >= newest_claim)
            }
            None => !node.connected && node.address.is_some_and(|address| obeyed.contains(&address)),
        },
        Observed::External { address, .. } => obeyed.contains(address),
    };
    members.iter().filter(holds).map(Observed::name).collect()
}

/// The names of the members that are active: those that are known to be, else the last that said so.
#[must_use]
pub fn active(members: &[Observed]) -> Vec<String> {
    let known = known_holders(members);
    if !known.is_empty() {
        return known.into_iter().map(str::to_owned).collect();
    }
    let last_word = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) if !node.connected => Some((node, node.report?)),
            Observed::Node(_) | Observed::External { .. } => None,
        })
        .filter(|(_, report)| report.state == State::Active)
        .max_by_key(|(_, report)| report.since);
    last_word.map(|(node, _)| node.name.clone()).into_iter().collect()
}

#[cfg(test)]
pub(in crate::domain) mod tests {
    use super::*;

    fn second(number: u8) -> Timestamp {
        chrono::DateTime::from_timestamp(i64::from(number), 0).unwrap().into()
    }

    fn last_heard_at(second_of: u8, node: ObservedNode) -> ObservedNode {
        ObservedNode { last_heard: Some(second(second_of)), ..node }
    }

    pub(in crate::domain) fn node(number: u8, connected: bool, state: Option<State>) -> ObservedNode {
        ObservedNode {
            id: Uuid::from_u128(number.into()),
            name: format!("n{number}"),
            boot_id: Some(Uuid::from_u128(u128::from(number) + 1_000)),
            capabilities: Vec::new(),
            drained: false,
            interface: "eth0".into(),
            connected,
            last_heard: Some(second(100)),
            silent: false,
            interfaces_known: true,
            link: Some(Link { up: true, carrier: true }),
            keeps_to_ms: None,
            address: Some(IpAddr::from([192, 0, 2, number])),
            addresses: vec![IpAddr::from([192, 0, 2, number])],
            details: None,
            report: state.map(|state| MemberReport {
                state,
                since: second(number),
                heard_since: second(number),
                effective_priority: Priority::new(250 - 10 * number).unwrap(),
                active_source: None,
            }),
        }
    }

    pub(in crate::domain) fn obeying(number: u8, source: [u8; 4]) -> ObservedNode {
        let mut node = node(number, true, Some(State::Backup));
        node.report = node.report.map(|report| MemberReport { active_source: Some(source.into()), ..report });
        node
    }

    pub(in crate::domain) fn external() -> Observed {
        Observed::External { name: "keepalived".into(), address: IpAddr::from([192, 0, 2, 9]) }
    }

    fn names(members: &[ObservedNode]) -> Vec<String> {
        let mut members: Vec<_> = members.iter().cloned().map(Observed::Node).collect();
        members.push(external());
        active(&members)
    }

    #[test]
    fn who_is_active_follows_from_the_freshest_witness() {
        const GONE: bool = false;
        const HERE: bool = true;
        let cases: [(&str, Vec<ObservedNode>, &[&str]); 10] = [
            ("nobody has reported", vec![node(1, HERE, None), node(2, GONE, None)], &[]),
            ("one is active", vec![node(1, HERE, Some(State::Active)), obeying(2, [192, 0, 2, 1])], &["n1"]),
            (
                "the old holder died with its last word active",
                vec![node(1, GONE, Some(State::Active)), node(2, HERE, Some(State::Active))],
                &["n2"],
            ),
            (
                "the old holder lost power: its session is not over, but it was not heard since n2 took over",
                vec![
                    last_heard_at(1, node(1, HERE, Some(State::Active))),
                    node(2, HERE, Some(State::Active)),
                ],
                &["n2"],
            ),
            (
                "two say that they are",
                vec![node(1, HERE, Some(State::Active)), node(2, HERE, Some(State::Active))],
                &["n1", "n2"],
            ),
            ("an agent yields to an external member", vec![obeying(1, [192, 0, 2, 9])], &["keepalived"]),
            (
                "a holder without a session is still heard",
                vec![node(1, GONE, Some(State::Active)), obeying(2, [192, 0, 2, 1])],
                &["n1"],
            ),
            (
                "a report of the past does not stand against the holder's own word",
                vec![node(1, HERE, Some(State::Backup)), obeying(2, [192, 0, 2, 1])],
                &[],
            ),
            (
                "no session at all: the last to say so",
                vec![node(1, GONE, Some(State::Active)), node(2, GONE, Some(State::Active))],
                &["n2"],
            ),
            ("a stranger is no member", vec![obeying(1, [192, 0, 2, 77])], &[]),
        ];
        for (case, members, wanted) in cases {
            assert_eq!(names(&members), wanted, "{case}");
        }
    }
}
