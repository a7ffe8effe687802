//! The rules of drains: whether a node may be taken out of all its groups.

use api_types::Name;
use api_types::channel::DRAIN_CAPABILITY;
use api_types::group::Member;
use api_types::problem::FieldProblem;

use super::conflict::Conflict;
use super::faults::{Faults, check_text};
use super::holder::{self, Observed};
use super::readiness;

/// Every bad field of a drain.
#[must_use]
pub fn faults_of(reason: &str) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    check_text("/reason", reason, &mut faults);
    faults.into_fields()
}

/// One group of the node that shall be drained.
#[derive(Debug, Clone, Copy)]
pub struct Stake<'a> {
    /// The name of the group.
    pub group: &'a Name,
    /// Its members as they are configured.
    pub members: &'a [Member],
    /// Its members as they were last reported.
    pub observed: &'a [Observed],
}

/// Whether `node` may be drained.
///
/// # Errors
/// [`Conflict`] says what stands in the way; `force` is no help where the node owns addresses, for nobody can
/// take them from it.
pub fn check(
    node: &Name,
    capabilities: Option<&[String]>,
    stakes: &[Stake<'_>],
    force: bool,
) -> Result<(), Conflict> {
    let owns = |stake: &&Stake<'_>| {
        stake.members.iter().any(|member| member.name() == node && member.priority().is_owner())
    };
    if let Some(owned) = stakes.iter().find(owns) {
        let why = format!("{node} owns them (priority 255)");
        return Err(Conflict::NotMovable { group: owned.group.clone(), why });
    }
    if force {
        return Ok(());
    }
    if capabilities.is_some_and(|known| !known.iter().any(|word| word == DRAIN_CAPABILITY)) {
        return Err(Conflict::CannotDrain { node: node.clone() });
    }
    let groups: Vec<_> = stakes
        .iter()
        .filter_map(|stake| Some((stake.group.clone(), nobody_else(node, stake.observed)?)))
        .collect();
    if groups.is_empty() { Ok(()) } else { Err(Conflict::NoReadyMember { node: node.clone(), groups }) }
}

/// Why no member but `node` is ready; `None` when one is.
fn nobody_else(node: &Name, observed: &[Observed]) -> Option<String> {
    let holders = holder::known_holders(observed);
    let mut reasons = Vec::new();
    for member in observed.iter().filter(|member| member.name() != node.as_str()) {
        match readiness::of_member(member, observed) {
            // A router without an agent that holds goes on holding.
            Ok(()) => return None,
            Err(_) if holders.contains(&member.name()) => return None,
            Err(why) => reasons.push(format!("{} {why}", member.name())),
        }
    }
    Some(if reasons.is_empty() { "it has no other member".to_owned() } else { reasons.join(", ") })
}

#[cfg(test)]
mod tests {
    use api_types::transition::State;
    use serde_json::json;

    use super::*;
    use crate::domain::holder::tests::{external, node, obeying};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn member(node: &str, priority: u8) -> Member {
        let member = json!({"kind": "node", "node": node, "interface": "eth0", "priority": priority});
        serde_json::from_value(member).unwrap()
    }

    fn refusal(priority: u8, observed: &[Observed], force: bool) -> String {
        let (group, members) = (name("web"), [member("n1", priority), member("n2", 200)]);
        let stake = Stake { group: &group, members: &members, observed };
        let known = [DRAIN_CAPABILITY.to_owned()];
        check(&name("n1"), Some(&known), &[stake], force)
            .map_or_else(|why| why.to_string(), |()| "may".into())
    }

    #[test]
    fn a_node_is_drained_only_where_another_member_is_ready_or_by_force() {
        let active = || Observed::Node(node(1, true, Some(State::Active)));
        let ready = [active(), Observed::Node(obeying(2, [192, 0, 2, 1]))];
        assert_eq!(refusal(240, &ready, false), "may");
        let faulty = [active(), Observed::Node(node(2, true, Some(State::Fault))), external()];
        assert_eq!(
            refusal(240, &faulty, false),
            "without n1 nobody would be ready to hold: group web: n2 is in fault, keepalived is a router without an \
             agent. With ?force=true it is drained all the same"
        );
        assert_eq!(refusal(240, &faulty, true), "may");
        assert!(refusal(240, &[active()], false).contains("group web: it has no other member"));
        let waits_for_keepalived = [Observed::Node(obeying(1, [192, 0, 2, 9])), external()];
        assert_eq!(refusal(240, &waits_for_keepalived, false), "may", "who holds goes on");
    }

    #[test]
    fn nobody_can_take_addresses_from_their_owner() {
        let ready =
            [Observed::Node(node(1, true, Some(State::Active))), Observed::Node(obeying(2, [192, 0, 2, 1]))];
        for force in [false, true] {
            assert!(refusal(255, &ready, force).contains("n1 owns them (priority 255)"));
        }
    }

    #[test]
    fn an_agent_that_knows_no_drains_is_drained_by_force_only() {
        let drained = |known: Option<&[String]>, force| check(&name("n1"), known, &[], force);
        assert_eq!(drained(Some(&[]), false), Err(Conflict::CannotDrain { node: name("n1") }));
        assert_eq!(drained(Some(&[]), true), Ok(()));
        assert_eq!(drained(None, false), Ok(()), "it never enrolled");
    }
}
