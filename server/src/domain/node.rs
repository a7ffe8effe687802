//! The rules of a node.

use api_types::node::NodeStatus;
use api_types::problem::FieldProblem;

use super::faults::{Faults, check_description};

/// Every bad field of a node; what could not be read is `None`.
#[must_use]
pub fn faults_of(description: Option<&str>) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    if let Some(description) = description {
        check_description(description, &mut faults);
    }
    faults.into_fields()
}

/// Whether the agent of a node may run something else than it shall. One that never enrolled, or was never told to
/// run anything, does not.
#[must_use]
pub fn is_behind(status: &NodeStatus) -> bool {
    let desired = status.desired_revision;
    status.enrolled && desired.counter > 0 && status.applied_revision.is_none_or(|applied| applied < desired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::channel::Revision;

    #[test]
    fn an_agent_is_behind_until_it_has_applied_what_it_was_ever_told() {
        let revision = |counter| Revision { epoch: 1, counter };
        for (enrolled, desired, applied, behind) in [
            (false, 3, None, false),
            (true, 0, None, false),
            (true, 3, None, true),
            (true, 3, Some(2), true),
            (true, 3, Some(3), false),
        ] {
            let status = NodeStatus {
                enrolled,
                connected: true,
                last_seen_at: None,
                agent_version: None,
                boot_id: None,
                capabilities: Vec::new(),
                drain: None,
                interfaces: None,
                interface_counters: None,
                fences: None,
                timing: None,
                desired_revision: revision(desired),
                applied_revision: applied.map(revision),
                rejection: None,
                conditions: Vec::new(),
            };
            assert_eq!(is_behind(&status), behind, "{desired} {applied:?}");
        }
    }
}
