//! What the server says of nodes and members, waited for.

use anyhow::{Result, ensure};
use api_types::group::Group;
use api_types::node::Node;

use crate::api::Api;
use crate::eventually::eventually;
use crate::site::BOUND;

impl Api {
    /// Waits until the agent of the node does what the server wants.
    ///
    /// # Errors
    /// When it does not; says how it stands.
    pub fn until_applied(&self, node: &str) -> Result<()> {
        eventually(&format!("{node} has applied it"), BOUND, || {
            let status = self.get::<Node>(&format!("nodes/{node}"))?.status;
            ensure!(status.applied_revision == Some(status.desired_revision), "{status:?}");
            Ok(())
        })
    }

    /// Waits until the server says that the node holds the addresses of the group or could take them over.
    ///
    /// # Errors
    /// When it does not; says why not.
    pub fn until_ready(&self, group: &str, node: &str) -> Result<()> {
        eventually(&format!("{node} is ready in {group}"), BOUND, || {
            let seen: Group = self.get(&format!("groups/{group}"))?;
            let member = seen.status.members.into_iter().find(|member| member.name == node);
            ensure!(member.as_ref().is_some_and(|member| member.ready == Some(true)), "{member:?}");
            Ok(())
        })
    }
}
