//! What is not as the priorities say because an operator wants it so.

use api_types::condition::ConditionKind;
use api_types::drain::Drain;

use super::{Finding, GroupFacts};
use crate::domain::holder::Observed;

pub(super) fn of_group(members: &[Observed], group: &GroupFacts<'_>) -> Vec<Finding> {
    let switchover = group.switchover.map(|switchover| {
        let detail = format!(
            "the addresses stand at {to} on request, and stay there until `baton switchover undo` or until {to} fails",
            to = switchover.to
        );
        Finding::at_once(ConditionKind::SwitchoverInEffect, detail)
    });
    let drained: Vec<_> = members
        .iter()
        .filter(|member| matches!(member, Observed::Node(node) if node.drained))
        .map(Observed::name)
        .collect();
    let drained = (!drained.is_empty()).then(|| {
        let detail = match drained.as_slice() {
            [one] => format!("{one} takes no part, since it is drained"),
            several => format!("{} take no part, since they are drained", several.join(" and ")),
        };
        Finding::at_once(ConditionKind::Drained, detail)
    });
    switchover.into_iter().chain(drained).collect()
}

pub(super) fn of_node(drain: &Drain) -> Finding {
    let why = if drain.reason.is_empty() { String::new() } else { format!(": {}", drain.reason) };
    let detail = format!("it takes no part in its groups until `baton undrain`{why}");
    Finding::at_once(ConditionKind::Drained, detail)
}
