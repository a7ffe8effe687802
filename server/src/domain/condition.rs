//! What is not as it should be, as far as the reports tell.
//!
//! Reports of two members about one move arrive one after the other, so for a moment both or neither seem to
//! hold. A condition that a move passes through must therefore last before it begins; see [`Finding::settles_in`].

use std::time::Duration;

use api_types::check;
use api_types::condition::ConditionKind;
use api_types::drain::Drain;
use api_types::fences::Fences;
use api_types::group::Member;
use api_types::node::Rejection;
use api_types::protocol::Transport;
use api_types::transition::State;
use vrrp::AdvertisementInterval;

use super::holder::{self, Observed};
use super::switchover::InEffect;

mod fences;
mod hearing;
mod hooks;
mod planned;
mod priorities;
mod redundancy;

/// Something that is not as it should be at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which condition.
    pub kind: ConditionKind,
    /// In a sentence, with the names of what is involved.
    pub detail: String,
    /// How long it must last before it is a condition.
    pub settles_in: Duration,
    /// Whether another detail is another fact, which must last by itself.
    pub anew: bool,
}

impl Finding {
    fn lasting(kind: ConditionKind, detail: String, settles_in: Duration) -> Self {
        Self { settles_in, ..Self::at_once(kind, detail) }
    }

    fn at_once(kind: ConditionKind, detail: String) -> Self {
        Self { kind, detail, settles_in: Duration::ZERO, anew: false }
    }
}

/// How long the reports of one move may be apart.
const REPORTS_APART: Duration = Duration::from_secs(1);

/// What a group is told to be, as far as conditions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFacts<'a> {
    /// Its members, as they are configured.
    pub members: &'a [Member],
    /// How often the active member advertises.
    pub interval: AdvertisementInterval,
    /// How advertisements reach the other members.
    pub transport: Transport,
    /// Whether version 2 carries a text.
    pub is_authenticated: bool,
    /// The switchover that is in effect.
    pub switchover: Option<&'a InEffect>,
    /// Whether checks say who can hold the addresses.
    pub is_tracking: bool,
    /// Whether programs of the hosts follow the members.
    pub has_hooks: bool,
}

/// What is not as it should be with a group.
#[must_use]
pub fn of_group(members: &[Observed], group: &GroupFacts<'_>) -> Vec<Finding> {
    let interval = group.interval;
    let mut findings = Vec::new();
    let holders = holder::known_holders(members);
    match holders.as_slice() {
        [] => findings.extend(no_holder(members, interval)),
        [_] => {}
        holders => findings.push(Finding::lasting(
            ConditionKind::TwoHolders,
            format!("{} hold the addresses at the same time", holders.join(" and ")),
            REPORTS_APART + interval.as_duration() * 2,
        )),
    }
    findings.extend(redundancy::of_group(members, interval));
    findings.extend(interface_unverified(members));
    findings.extend(interval_too_short(members, interval));
    findings.extend(checks_not_run(members, group));
    findings.extend(hooks::of_group(members, group));
    findings.extend(hearing::peer_address_unknown(members, group));
    findings.extend(hearing::of_group(members, group));
    findings.extend(group.is_authenticated.then(authentication_insecure));
    findings.extend(priorities::of_group(group.members, interval));
    findings.extend(planned::of_group(members, group));
    findings
}

/// Nobody holds, and at least one member is there to say so. A holder that takes four intervals to follow is
/// within the protocol (three and the skew), so only what lasts longer counts.
fn no_holder(members: &[Observed], interval: AdvertisementInterval) -> Option<Finding> {
    let states: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) => node.fresh_report().map(|report| (node, report.state)),
            Observed::External { .. } => None,
        })
        .map(|(node, state)| format!("{} is {}", node.name, state.as_str()))
        .collect();
    let waits_for_stranger = members.iter().any(|member| match member {
        Observed::Node(node) => node
            .fresh_report()
            .is_some_and(|report| report.state == State::Backup && report.active_source.is_some()),
        Observed::External { .. } => false,
    });
    if states.is_empty() {
        return None;
    }
    let heard = if waits_for_stranger { ", though a router that is no active member is heard" } else { "" };
    let detail = format!("nobody holds the addresses: {}{heard}", states.join(", "));
    Some(Finding::lasting(ConditionKind::NoHolder, detail, REPORTS_APART + interval.as_duration() * 4))
}

fn interface_unverified(members: &[Observed]) -> Option<Finding> {
    let unverified: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) if !node.interfaces_known => {
                Some(format!("{} of {}", node.interface, node.name))
            }
            Observed::Node(_) | Observed::External { .. } => None,
        })
        .collect();
    let detail = || format!("not seen yet: interface {}; the node has not reported", unverified.join(", "));
    (!unverified.is_empty()).then(|| Finding::at_once(ConditionKind::InterfaceUnverified, detail()))
}

fn interval_too_short(members: &[Observed], interval: AdvertisementInterval) -> Option<Finding> {
    let late: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) if node.connected => {
                let keeps_to = node.keeps_to_ms?;
                let is_short = interval.as_duration() < Duration::from_millis(keeps_to);
                is_short.then(|| format!("{} keeps to {keeps_to} ms", node.name))
            }
            Observed::Node(_) | Observed::External { .. } => None,
        })
        .collect();
    let detail = || {
        format!(
            "the group advertises every {interval}, and by the lag of its timers and its scheduling {}",
            late.join(", ")
        )
    };
    (!late.is_empty()).then(|| Finding::at_once(ConditionKind::IntervalTooShort, detail()))
}

/// An agent that knows no checks is told of none, so its member takes part as if all of them passed.
fn checks_not_run(members: &[Observed], group: &GroupFacts<'_>) -> Option<Finding> {
    let unaware: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) => {
                let is_known = node.boot_id.is_some();
                let runs_checks = node.capabilities.iter().any(|word| word == check::CAPABILITY);
                (is_known && !runs_checks).then_some(node.name.as_str())
            }
            Observed::External { .. } => None,
        })
        .collect();
    let detail = || {
        format!(
            "nothing runs the checks of the group on {}, where the agent knows none: update it",
            unaware.join(" and ")
        )
    };
    (group.is_tracking && !unaware.is_empty())
        .then(|| Finding::at_once(ConditionKind::ChecksNotRun, detail()))
}

fn authentication_insecure() -> Finding {
    let detail = "its authentication keeps nobody out: whoever hears one advertisement knows the text";
    Finding::at_once(ConditionKind::AuthenticationInsecure, detail.to_owned())
}

/// How a node stands with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedLink {
    /// Whether an agent has ever enrolled under the name.
    pub enrolled: bool,
    /// Whether its agent has a session.
    pub connected: bool,
    /// Why it refused the newest desired state, if it did.
    pub rejection: Option<Rejection>,
    /// Its drain, if it is drained.
    pub drain: Option<Drain>,
    /// How its fences stand, once its agent has said.
    pub fences: Option<Fences>,
}

/// What is not as it should be with a node.
#[must_use]
pub fn of_node(link: &ObservedLink) -> Vec<Finding> {
    let mut findings = Vec::new();
    if link.enrolled && !link.connected {
        let detail = "the agent has no session with a server; its groups go on without one";
        findings.push(Finding::at_once(ConditionKind::AgentDisconnected, detail.to_owned()));
    }
    if let Some(Rejection { revision, reasons }) = &link.rejection {
        let reasons: Vec<_> = reasons
            .iter()
            .map(|reason| match &reason.group {
                Some(group) => format!("group {group}: {}", reason.detail),
                None => reason.detail.clone(),
            })
            .collect();
        let detail = format!("the agent refused revision {revision}: {}", reasons.join("; "));
        findings.push(Finding::at_once(ConditionKind::ConfigRejected, detail));
    }
    findings.extend(link.fences.as_ref().filter(|_| link.connected).and_then(fences::of_node));
    findings.extend(link.drain.as_ref().map(planned::of_node));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::holder::tests::{external, node, obeying};
    use api_types::channel::Revision;
    use api_types::node::RejectionReason;

    const FACTS: GroupFacts<'_> = GroupFacts {
        members: &[],
        interval: AdvertisementInterval::DEFAULT_V3,
        transport: Transport::Multicast,
        is_authenticated: false,
        switchover: None,
        is_tracking: false,
        has_hooks: false,
    };
    const HERE: bool = true;
    const GONE: bool = false;

    fn kinds(members: Vec<Observed>) -> Vec<ConditionKind> {
        of_group(&members, &FACTS).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn a_group_has_one_holder_or_a_condition() {
        let nodes = |nodes: Vec<_>| nodes.into_iter().map(Observed::Node).collect::<Vec<_>>();
        let cases = [
            (
                "all is well",
                nodes(vec![node(1, HERE, Some(State::Active)), obeying(2, [192, 0, 2, 1])]),
                vec![],
            ),
            ("nobody is there to say", nodes(vec![node(1, GONE, Some(State::Backup))]), vec![]),
            ("nobody has said yet", nodes(vec![node(1, HERE, None)]), vec![]),
            (
                "nobody holds",
                nodes(vec![node(1, HERE, Some(State::Fault)), node(2, HERE, Some(State::Initialize))]),
                vec![ConditionKind::NoHolder, ConditionKind::MemberFault],
            ),
            (
                "two hold",
                nodes(vec![node(1, HERE, Some(State::Active)), node(2, HERE, Some(State::Active))]),
                vec![ConditionKind::TwoHolders, ConditionKind::RedundancyLost],
            ),
            (
                "one holds and another obeys an external member",
                vec![
                    Observed::Node(node(1, HERE, Some(State::Active))),
                    Observed::Node(obeying(2, [192, 0, 2, 9])),
                    external(),
                ],
                vec![ConditionKind::TwoHolders],
            ),
            (
                "an external member holds",
                vec![Observed::Node(obeying(1, [192, 0, 2, 9])), external()],
                vec![],
            ),
        ];
        for (case, members, wanted) in cases {
            assert_eq!(kinds(members), wanted, "{case}");
        }
    }

    #[test]
    fn what_a_move_passes_through_must_last() {
        let members = vec![
            Observed::Node(node(1, HERE, Some(State::Active))),
            Observed::Node(node(2, HERE, Some(State::Active))),
        ];
        let found = of_group(&members, &FACTS);
        assert_eq!(found[0].settles_in, Duration::from_millis(1_200));
        assert_eq!(found[0].detail, "n1 and n2 hold the addresses at the same time");
    }

    #[test]
    fn an_interface_is_unverified_until_its_node_reports() {
        let mut silent = node(1, GONE, None);
        silent.interfaces_known = false;
        let found = of_group(&[Observed::Node(silent)], &FACTS);
        assert_eq!(found[0].kind, ConditionKind::InterfaceUnverified);
        assert_eq!(found[0].detail, "not seen yet: interface eth0 of n1; the node has not reported");
    }

    #[test]
    fn a_node_that_cannot_keep_to_the_interval_is_named_while_it_is_there_to_say_so() {
        let found = |keeps_to_ms, connected| {
            let mut late = obeying(2, [192, 0, 2, 1]);
            (late.keeps_to_ms, late.connected) = (keeps_to_ms, connected);
            let members = [node(1, HERE, Some(State::Active)), late].map(Observed::Node);
            let found = of_group(&members, &FACTS).into_iter();
            found.filter(|one| one.kind == ConditionKind::IntervalTooShort).map(|one| one.detail).next()
        };
        assert_eq!(found(Some(100), HERE), None);
        assert_eq!(found(None, HERE), None);
        assert_eq!(found(Some(101), GONE), None);
        let detail = found(Some(101), HERE).unwrap();
        assert!(
            detail.ends_with(
                "every 100 ms, and by the lag of its timers and its scheduling n2 keeps to 101 ms"
            ),
            "{detail}"
        );
    }

    #[test]
    fn a_group_that_authenticates_says_what_that_is_worth() {
        let facts = GroupFacts { is_authenticated: true, ..FACTS };
        let found = of_group(&[], &facts);
        assert_eq!(found[0].kind, ConditionKind::AuthenticationInsecure);
        assert_eq!(found[0].settles_in, Duration::ZERO);
    }

    #[test]
    fn a_node_answers_for_its_session_and_its_refusals() {
        let rejection = Rejection {
            revision: Revision { epoch: 1, counter: 7 },
            reasons: vec![RejectionReason { group: Some("web".into()), detail: "no interface eth9".into() }],
        };
        let cases = [
            (false, false, None, vec![]),
            (true, true, None, vec![]),
            (true, false, None, vec![ConditionKind::AgentDisconnected]),
            (true, true, Some(rejection.clone()), vec![ConditionKind::ConfigRejected]),
        ];
        for (enrolled, connected, rejection, wanted) in cases {
            let found = of_node(&ObservedLink { enrolled, connected, rejection, drain: None, fences: None });
            assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), wanted);
        }
        let link = ObservedLink {
            enrolled: true,
            connected: true,
            rejection: Some(rejection),
            drain: None,
            fences: None,
        };
        let found = of_node(&link);
        assert_eq!(found[0].detail, "the agent refused revision 1.7: group web: no interface eth9");
    }
}
