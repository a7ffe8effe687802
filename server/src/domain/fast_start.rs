//! The rule of fast starts: when nobody can hold the addresses of a new group, and who begins then.
//!
//! Nothing here decides who holds an address. The member that is named finds out for itself whether anybody
//! is heard or answers, and whoever is heard later is obeyed by the ordinary rules.

use std::net::IpAddr;

use api_types::fast_start;
use api_types::transition::State;
use vrrp::Priority;

use super::holder::{Observed, ObservedNode};

/// One declared member of a group.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// As it was last reported.
    pub observed: &'a Observed,
    /// Its priority.
    pub priority: Priority,
    /// Whether its agent has said, in its session, that it runs the group as it is now, and how it stands.
    pub confirmed: bool,
}

/// The member that may begin at once: the one that would win against each other one, where all of them have
/// agents that are connected, run the group as it is now, wait, and hear nobody. `None` where one does not,
/// or where it is not known which one would win; an owner begins at once in any case.
#[must_use]
pub fn first<'a>(members: &[Declared<'a>]) -> Option<&'a ObservedNode> {
    let mut waiting = Vec::new();
    for Declared { observed, priority, confirmed } in members {
        let Observed::Node(node) = observed else { return None };
        if !confirmed || !is_idle(node) {
            return None;
        }
        waiting.push((*priority, node.address, node));
    }
    let rank = |(priority, address, _): &(Priority, Option<IpAddr>, &ObservedNode)| (*priority, *address);
    let best = waiting.iter().copied().max_by_key(rank)?;
    let is_equal = |other: &&(Priority, Option<IpAddr>, &ObservedNode)| other.0 == best.0;
    let is_known = waiting.iter().filter(is_equal).count() == 1
        || waiting.iter().filter(is_equal).all(|(_, address, _)| address.is_some());
    (is_known && !best.0.is_owner()).then_some(best.2)
}

fn is_idle(node: &ObservedNode) -> bool {
    let knows = node.capabilities.iter().any(|word| word == fast_start::CAPABILITY);
    // That nobody is heard must have been said: a transition alone tells less.
    let hears_nobody = node.fresh_details().is_some_and(|details| details.heard.is_empty());
    let waits = node
        .fresh_report()
        .is_some_and(|report| report.state == State::Backup && report.active_source.is_none());
    knows && node.connected && !node.drained && waits && hears_nobody
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;
    use api_types::channel::MemberDetails;
    use uuid::Uuid;

    use super::*;
    use crate::domain::holder::MemberReport;

    type Spoil = fn(&mut ObservedNode);

    fn node(number: u8) -> ObservedNode {
        let since: Timestamp = serde_json::from_value("2026-01-01T20:00:00.000000Z".into()).unwrap();
        let report = MemberReport {
            state: State::Backup,
            since,
            heard_since: since,
            effective_priority: Priority::MIN,
            active_source: None,
        };
        ObservedNode {
            silent: false,
            id: Uuid::from_u128(number.into()),
            name: format!("lb{number}"),
            boot_id: Some(Uuid::from_u128(9)),
            capabilities: vec!["fast_start".to_owned()],
            drained: false,
            interface: "eth0".to_owned(),
            connected: true,
            last_heard: Some(since),
            interfaces_known: true,
            link: None,
            keeps_to_ms: None,
            address: Some([192, 0, 2, number].into()),
            addresses: Vec::new(),
            report: Some(report),
            details: Some(Box::default()),
        }
    }

    /// The number of the member that may begin, of these with these priorities.
    fn first_of(members: &[(Observed, u8)]) -> Option<u128> {
        let declared = |(observed, priority)| Declared {
            observed,
            priority: Priority::new(priority).unwrap(),
            confirmed: true,
        };
        let declared: Vec<_> =
            members.iter().map(|(observed, priority)| declared((observed, *priority))).collect();
        first(&declared).map(|node| node.id.as_u128())
    }

    #[test]
    fn of_members_that_all_wait_the_best_one_begins() {
        let members = |priorities: [u8; 3]| {
            let nodes = [1, 2, 3].map(|number| Observed::Node(node(number)));
            first_of(&nodes.into_iter().zip(priorities).collect::<Vec<_>>())
        };
        assert_eq!(members([240, 200, 100]), Some(1));
        assert_eq!(members([100, 240, 200]), Some(2));
        assert_eq!(members([240, 240, 200]), Some(2), "the higher address wins among equals");
        assert_eq!(members([255, 200, 100]), None, "an owner begins without being told");
        assert_eq!(first_of(&[(Observed::Node(node(7)), 100)]), Some(7), "a lone member, too");
        assert_eq!(first_of(&[]), None);
    }

    #[test]
    fn a_member_of_which_anything_is_in_doubt_keeps_all_of_them_waiting() {
        let spoil: [(&str, Spoil); 10] = [
            ("an older agent", |node| node.capabilities.clear()),
            ("no session", |node| node.connected = false),
            ("drained", |node| node.drained = true),
            ("not reported", |node| node.report = None),
            ("has not said whom it hears", |node| node.details = None),
            ("starting", |node| set_state(node, State::Initialize)),
            ("holds", |node| set_state(node, State::Active)),
            ("in fault", |node| set_state(node, State::Fault)),
            ("obeys somebody", |node| {
                let report = node.report.as_mut().unwrap();
                report.active_source = Some([192, 0, 2, 9].into());
            }),
            ("has heard somebody", |node| {
                let heard = serde_json::json!({"heard": [{"source": "192.0.2.9", "member": null, "version": 3,
                    "priority": 100, "advertisement_interval_ms": 1000, "checksum": null, "address_count": 1,
                    "discrepancies": [], "speaking": true, "last_heard_at": "2026-01-01T20:00:00.000000Z"}]});
                let details: MemberDetails = serde_json::from_value(heard).unwrap();
                node.details = Some(Box::new(details));
            }),
        ];
        for (what, spoil) in spoil {
            for spoilt in [1, 2] {
                let nodes = [1, 2].map(|number| {
                    let mut node = node(number);
                    if number == spoilt {
                        spoil(&mut node);
                    }
                    (Observed::Node(node), 200 + number)
                });
                assert_eq!(first_of(&nodes), None, "{what}: lb{spoilt}");
            }
        }
        let external = Observed::External { name: "fw".to_owned(), address: [192, 0, 2, 9].into() };
        assert_eq!(first_of(&[(Observed::Node(node(1)), 200), (external, 100)]), None);
        let unknown = ObservedNode { address: None, ..node(2) };
        let equal = [(Observed::Node(node(1)), 200), (Observed::Node(unknown), 200)];
        assert_eq!(first_of(&equal), None, "nobody knows who would win");
        let observed = Observed::Node(node(1));
        let priority = Priority::new(200).unwrap();
        assert!(first(&[Declared { observed: &observed, priority, confirmed: false }]).is_none());
    }

    fn set_state(node: &mut ObservedNode, state: State) {
        node.report.as_mut().unwrap().state = state;
    }
}
