//! Hooks that fail, and agents that know none.

use std::time::Duration;

use api_types::condition::ConditionKind;
use api_types::hook::{self, HookStatus, HookTime};

use super::{Finding, GroupFacts};
use crate::domain::holder::{Observed, ObservedNode};

/// How long one may fail that will run again.
const SETTLES_IN: Duration = Duration::from_secs(2);

pub(super) fn of_group(members: &[Observed], group: &GroupFacts<'_>) -> Vec<Finding> {
    let nodes: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Observed::Node(node) => Some(node),
            Observed::External { .. } => None,
        })
        .collect();
    let failed = failed(&nodes).map(|detail| Finding::lasting(ConditionKind::HookFailed, detail, SETTLES_IN));
    let not_run = not_run(&nodes).filter(|_| group.has_hooks);
    let not_run = not_run.map(|detail| Finding::at_once(ConditionKind::HooksNotRun, detail));
    failed.into_iter().chain(not_run).collect()
}

/// What ran last for the state that a member is in, and failed.
fn failed(nodes: &[&ObservedNode]) -> Option<String> {
    let failing = |node: &&ObservedNode| {
        let state = HookTime::from(node.fresh_report()?.state);
        let counts = |hook: &&HookStatus| {
            hook.succeeded == Some(false) && (hook.on == state || hook.on == HookTime::PreActive)
        };
        let hooks = node.fresh_details()?.hooks.iter().filter(counts);
        let said: Vec<_> = hooks
            .map(|hook| {
                format!("{} (on {}) fails on {}: {}", hook.hook, hook.on.as_str(), node.name, hook.detail)
            })
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    };
    let said: Vec<_> = nodes.iter().filter_map(failing).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// An agent that knows no hooks is told of none.
fn not_run(nodes: &[&ObservedNode]) -> Option<String> {
    let is_unaware = |node: &&&ObservedNode| {
        node.boot_id.is_some() && !node.capabilities.iter().any(|word| word == hook::CAPABILITY)
    };
    let unaware: Vec<_> = nodes.iter().filter(is_unaware).map(|node| node.name.as_str()).collect();
    (!unaware.is_empty()).then(|| {
        format!(
            "nothing runs the hooks of the group on {}, where the agent knows none: update it",
            unaware.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use api_types::channel::MemberDetails;
    use api_types::transition::State;

    use super::*;
    use crate::domain::holder::tests::node;

    fn ran(on: HookTime, succeeded: bool) -> HookStatus {
        HookStatus {
            on,
            hook: "resync".into(),
            runs: 3,
            exit_code: Some(i32::from(!succeeded)),
            detail: "exit status 1".into(),
            succeeded: Some(succeeded),
            ended_at: None,
        }
    }

    #[test]
    fn a_hook_that_fails_in_the_state_that_the_member_is_in_is_named() {
        let said = |state, hooks| {
            let mut one = node(1, true, Some(state));
            one.details = Some(Box::new(MemberDetails { hooks, ..MemberDetails::default() }));
            failed(&[&one])
        };
        let fails = Some("resync (on backup) fails on n1: exit status 1".to_owned());
        assert_eq!(said(State::Backup, vec![ran(HookTime::Backup, false)]), fails);
        assert_eq!(said(State::Active, vec![ran(HookTime::Backup, false)]), None, "that is over");
        assert_eq!(said(State::Backup, vec![ran(HookTime::Backup, true)]), None);
        let fails = Some("resync (on pre_active) fails on n1: exit status 1".to_owned());
        assert_eq!(said(State::Fault, vec![ran(HookTime::PreActive, false)]), fails);
    }
}
