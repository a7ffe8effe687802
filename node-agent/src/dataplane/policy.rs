//! What this host allows a server to ask of it.
//!
//! Every group of a desired state passes through [`permits`] before anything of that state is run, in the
//! dataplane and not in the half that talks to the server: a server that has been taken over cannot go around it.
//! No policy file is read yet, so every group is permitted.

use api_types::channel::DesiredGroup;
use api_types::node::RejectionReason;

/// Whether the host's policy permits the group.
///
/// # Errors
/// The reason, for the server and its operators.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a rule that can refuse")]
pub(super) const fn permits(_group: &DesiredGroup) -> Result<(), RejectionReason> {
    Ok(())
}
