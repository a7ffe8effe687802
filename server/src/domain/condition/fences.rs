//! Fences that are on and cannot do what they are for.

use std::time::Duration;

use api_types::condition::ConditionKind;
use api_types::fences::Fences;

use super::Finding;

/// What the agent tries again by itself, as rules that were refused once, is over soon after.
const TRIED_AGAIN: Duration = Duration::from_secs(3);

/// One that is off, or that covers none of the groups, is as it should be. An agent that does not tell these from
/// what is broken says nothing of it.
pub(super) fn of_node(fences: &Fences) -> Option<Finding> {
    let broken: Vec<_> = fences
        .each()
        .into_iter()
        .filter(|(_, fence)| fence.broken)
        .map(|(name, fence)| match &fence.detail {
            Some(why) => format!("{name} ({why})"),
            None => name.to_owned(),
        })
        .collect();
    let detail = || format!("on and not armed: {}", broken.join("; "));
    (!broken.is_empty()).then(|| Finding::lasting(ConditionKind::FenceNotArmed, detail(), TRIED_AGAIN))
}

#[cfg(test)]
mod tests {
    use api_types::fences::FenceStatus;

    use super::super::{ObservedLink, of_node};
    use super::*;

    fn found(fences: Option<Fences>, connected: bool) -> Option<Finding> {
        let link = ObservedLink { enrolled: true, connected, rejection: None, drain: None, fences };
        of_node(&link).into_iter().find(|one| one.kind == ConditionKind::FenceNotArmed)
    }

    #[test]
    fn a_broken_fence_is_named_while_the_agent_is_there_to_say_so() {
        let fences = Fences {
            guard: FenceStatus::broken("the parent process is gone"),
            nftables_lease: FenceStatus::broken("there is no nft"),
            address_lease: FenceStatus::armed(),
            self_check: FenceStatus::off(),
        };
        let one = found(Some(fences.clone()), true).unwrap();
        assert_eq!(
            one.detail,
            "on and not armed: guard (the parent process is gone); nftables_lease (there is no nft)"
        );
        assert!(!one.settles_in.is_zero(), "the agent tries again");
        assert_eq!(found(Some(fences), false), None);
    }

    #[test]
    fn a_fence_that_is_off_or_covers_nothing_or_is_not_spoken_of_is_no_condition() {
        let fences = Fences {
            guard: FenceStatus::armed(),
            nftables_lease: FenceStatus::not_armed("there is no group to cover"),
            address_lease: FenceStatus::not_armed("not for web, whose addresses are this node's own"),
            self_check: FenceStatus::off(),
        };
        for fences in [None, Some(Fences::default()), Some(fences)] {
            assert_eq!(found(fences, true), None);
        }
    }
}
