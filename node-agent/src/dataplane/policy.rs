//! What this host allows a server to ask of it, as far as groups are concerned.
//!
//! Every group of a desired state passes through [`permits`] before anything of that state is run, in the
//! dataplane and not in the half that talks to the server: a server that has been taken over cannot go around it.

use api_types::channel::DesiredGroup;
use api_types::node::RejectionReason;

use crate::policy::Policy;

/// Whether the host's policy permits the group.
///
/// # Errors
/// The reasons, for the server and its operators: one for each field.
pub(super) fn permits(policy: &Policy, group: &DesiredGroup) -> Result<(), Vec<RejectionReason>> {
    let reason = |detail| RejectionReason { group: Some(group.name.to_string()), detail };
    let reasons: Vec<_> = policy.forbids(group).into_iter().map(reason).collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}
