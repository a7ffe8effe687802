//! Which members could not take the addresses, and whether any other one could.

use std::time::Duration;

use api_types::condition::ConditionKind;
use api_types::transition::State;

use super::Finding;
use crate::domain::holder::{Observed, ObservedNode};

/// How long a member may be without a part in the group because its agent or its settings are changed.
const SETTLES_IN: Duration = Duration::from_secs(5);

/// What is not as it should be with those that wait.
pub(super) fn of_group(members: &[Observed], holders: &[&str]) -> Vec<Finding> {
    let finding = |kind, detail| Finding { kind, detail, settles_in: SETTLES_IN };
    let faulty = member_fault(members).map(|detail| finding(ConditionKind::MemberFault, detail));
    let lost = redundancy_lost(members, holders).map(|detail| finding(ConditionKind::RedundancyLost, detail));
    faulty.into_iter().chain(lost).collect()
}

fn member_fault(members: &[Observed]) -> Option<String> {
    let faulty: Vec<_> = nodes(members)
        .filter(|node| state(node) == Some(State::Fault))
        .map(|node| match node.fresh_details().and_then(|details| details.fault.as_deref()) {
            Some(reason) => format!("{} is in fault: {reason}", node.name),
            None => format!("{} is in fault", node.name),
        })
        .collect();
    (!faulty.is_empty()).then(|| faulty.join("; "))
}

/// Nobody could take over from the one holder. A member that is not heard, or has no agent, may well be able to.
fn redundancy_lost(members: &[Observed], holders: &[&str]) -> Option<String> {
    let [holder] = holders else { return None };
    let others: Vec<_> = members.iter().filter(|member| member.name() != *holder).collect();
    let cannot = |member: &&Observed| match member {
        Observed::Node(node) => matches!(state(node), Some(State::Fault | State::Initialize)),
        Observed::External { .. } => false,
    };
    let is_lost = !others.is_empty() && others.iter().all(cannot);
    is_lost.then(|| format!("nobody could take over from {holder}"))
}

fn nodes(members: &[Observed]) -> impl Iterator<Item = &ObservedNode> {
    members.iter().filter_map(|member| match member {
        Observed::Node(node) => Some(node),
        Observed::External { .. } => None,
    })
}

fn state(node: &ObservedNode) -> Option<State> {
    node.fresh_report().map(|report| report.state)
}

#[cfg(test)]
mod tests {
    use api_types::channel::MemberDetails;

    use super::*;
    use crate::domain::holder::tests::{external, node};

    fn found(members: &[Observed]) -> Vec<(ConditionKind, String)> {
        of_group(members, &["n1"]).into_iter().map(|finding| (finding.kind, finding.detail)).collect()
    }

    fn in_state(number: u8, state: State) -> Observed {
        Observed::Node(node(number, true, Some(state)))
    }

    #[test]
    fn a_member_in_fault_is_named_with_its_reason() {
        let mut two = node(2, true, Some(State::Fault));
        let fault = Some("interface eth0 is down".to_owned());
        two.details = Some(Box::new(MemberDetails { fault, ..MemberDetails::default() }));
        let members = [in_state(1, State::Active), Observed::Node(two), in_state(3, State::Backup)];
        let wanted = (ConditionKind::MemberFault, "n2 is in fault: interface eth0 is down".to_owned());
        assert_eq!(found(&members), [wanted]);
    }

    #[test]
    fn redundancy_is_lost_when_no_other_member_could_take_over() {
        let lost = (ConditionKind::RedundancyLost, "nobody could take over from n1".to_owned());
        let alone = |others: Vec<Observed>| {
            let members: Vec<_> = [in_state(1, State::Active)].into_iter().chain(others).collect();
            found(&members).contains(&lost)
        };
        assert!(alone(vec![in_state(2, State::Fault)]));
        assert!(alone(vec![in_state(2, State::Fault), in_state(3, State::Initialize)]));
        assert!(!alone(vec![in_state(2, State::Fault), in_state(3, State::Backup)]));
        assert!(!alone(vec![in_state(2, State::Fault), external()]), "it may be able to");
        assert!(!alone(vec![Observed::Node(node(2, false, Some(State::Fault)))]), "nobody knows");
        assert!(!alone(vec![]), "there was none to lose");
    }
}
