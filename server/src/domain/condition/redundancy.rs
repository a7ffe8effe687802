//! Which members could not take the addresses, and whether any other one could.
//!
//! A group has lost its redundancy when somebody holds the addresses, there are other members, and none of them could
//! take over: its agent is away or silent, its link is down, it is drained, in fault, or does not hear the holder. Each
//! of these must last as long as [`NotReady::settles_in`] says, so that ordinary moves, restarts and upgrades of an
//! agent within a second raise nothing. A router without an agent may be able to, so beside one nothing is lost.

use std::time::Duration;

use api_types::condition::ConditionKind;
use api_types::transition::State;
use vrrp::AdvertisementInterval;

use super::Finding;
use crate::domain::holder::{Observed, ObservedNode};
use crate::domain::readiness::{self, NotReady};

/// How long a member may be without a part in the group because its agent or its settings are changed.
const SETTLES_IN: Duration = Duration::from_secs(1);

/// What is not as it should be with those that wait.
pub(super) fn of_group(members: &[Observed], interval: AdvertisementInterval) -> Vec<Finding> {
    let faulty =
        member_fault(members).map(|detail| Finding::lasting(ConditionKind::MemberFault, detail, SETTLES_IN));
    faulty.into_iter().chain(redundancy_lost(members, interval)).collect()
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

/// Nobody could take over from the holder.
fn redundancy_lost(members: &[Observed], interval: AdvertisementInterval) -> Option<Finding> {
    let holder = readiness::holder(members)?;
    let mut reasons: Vec<(&str, NotReady)> = Vec::new();
    for (member, readiness) in readiness::others(members) {
        match readiness {
            Ok(()) | Err(NotReady::External) => return None,
            Err(why) => reasons.push((member.name(), why)),
        }
    }
    let settles_in = reasons.iter().map(|(_, why)| why.settles_in(interval)).max()?;
    let reasons: Vec<_> = reasons.iter().map(|(name, why)| format!("{name} {why}")).collect();
    let detail = format!("nobody could take over from {}: {}", holder.name(), reasons.join("; "));
    Some(Finding { anew: true, ..Finding::lasting(ConditionKind::RedundancyLost, detail, settles_in) })
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
    use crate::domain::holder::tests::{external, node, obeying};

    fn found(members: &[Observed]) -> Vec<(ConditionKind, String)> {
        let found = of_group(members, AdvertisementInterval::DEFAULT_V3);
        found.into_iter().map(|finding| (finding.kind, finding.detail)).collect()
    }

    fn in_state(number: u8, state: State) -> Observed {
        Observed::Node(node(number, true, Some(state)))
    }

    #[test]
    fn a_member_in_fault_is_named_with_its_reason() {
        let mut two = node(2, true, Some(State::Fault));
        let fault = Some("interface eth0 is down".to_owned());
        two.details = Some(Box::new(MemberDetails { fault, ..MemberDetails::default() }));
        let waits = Observed::Node(obeying(3, [192, 0, 2, 1]));
        let members = [in_state(1, State::Active), Observed::Node(two), waits];
        let wanted = (ConditionKind::MemberFault, "n2 is in fault: interface eth0 is down".to_owned());
        assert_eq!(found(&members), [wanted]);
    }

    #[test]
    fn redundancy_is_lost_when_no_other_member_could_take_over_and_the_reasons_are_named() {
        let alone = |others: Vec<Observed>| {
            let members: Vec<_> = [in_state(1, State::Active)].into_iter().chain(others).collect();
            let found = of_group(&members, AdvertisementInterval::DEFAULT_V3);
            let lost = found.into_iter().find(|one| one.kind == ConditionKind::RedundancyLost);
            lost.map(|one| (one.detail, one.settles_in.as_millis()))
        };
        let lost =
            |why: &str, settles: u128| Some((format!("nobody could take over from n1: {why}"), settles));
        let waits = |number| obeying(number, [192, 0, 2, 1]);
        assert_eq!(alone(vec![in_state(2, State::Fault)]), lost("n2 is in fault", 1_000));
        assert_eq!(
            alone(vec![in_state(2, State::Fault), in_state(3, State::Initialize)]),
            lost("n2 is in fault; n3 takes no part yet", 1_000)
        );
        assert_eq!(
            alone(vec![Observed::Node(ObservedNode { connected: false, ..waits(2) })]),
            lost("n2 has no session with a server", 1_000)
        );
        assert_eq!(
            alone(vec![Observed::Node(ObservedNode { drained: true, ..waits(2) })]),
            lost("n2 is drained", 0)
        );
        assert_eq!(
            alone(vec![in_state(2, State::Active)]),
            lost("n2 does not hear n1, and holds the addresses as well", 700)
        );
        assert_eq!(alone(vec![in_state(2, State::Fault), Observed::Node(waits(3))]), None);
        assert_eq!(alone(vec![in_state(2, State::Fault), external()]), None, "it may be able to");
        assert_eq!(alone(vec![]), None, "there was none to lose");
    }

    #[test]
    fn where_nobody_holds_there_is_nobody_to_take_over_from() {
        let members = [Observed::Node(node(1, true, Some(State::Backup))), in_state(2, State::Initialize)];
        assert_eq!(found(&members), []);
    }
}
