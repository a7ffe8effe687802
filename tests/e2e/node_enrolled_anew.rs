//! A node that was deleted and enrolled anew takes part again, although its revisions begin anew.

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use e2e::{BOUND, Lab, Site, VIP, binaries, eventually, output_of};
use reqwest::Method;
use serde_json::json;

#[test]
fn the_address_is_held_again_by_a_node_that_was_deleted_and_enrolled_anew() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        for priority in [200, 201, 202] {
            site.settle(&Site::group(&[("n1", priority)]), "n1")?;
        }
        let before: NodeResource = site.api.get("nodes/n1")?;

        let deleted = site.api.send(Method::DELETE, "groups/web", None)?;
        ensure!(deleted.status.is_success(), "{deleted:?}");
        // Refused until its agent has let go.
        eventually("the node is deleted", BOUND, || {
            let deleted = site.api.send(Method::DELETE, "nodes/n1", None)?;
            ensure!(deleted.status.is_success(), "{deleted:?}");
            Ok(())
        })?;
        let token: JoinToken = site.api.create("join-tokens", &json!({"node": "n1"}))?;
        let node = site.node("n1")?;
        let file = node.host.directory.join("second-join-token");
        std::fs::write(&file, token.secret.context("the join token has no secret")?)?;
        let mut enrol = node.host.namespace.command(binaries::program("baton-agent")?);
        enrol.args(["enrol", "--replace", "--join-token-file"]).arg(&file);
        output_of(enrol.arg("--config").arg(node.host.directory.join("agent.toml")))?;

        // The agent was not restarted.
        site.wait_until_connected(node)?;
        site.settle(&Site::group(&[("n1", 200)]), "n1")?;
        lab.only_holder(VIP, "n1")?;
        eventually("the server says that it runs what is desired", BOUND, || {
            let after: NodeResource = site.api.get("nodes/n1")?;
            ensure!(after.id != before.id, "it is another node: {after:?}");
            ensure!(after.status.desired_revision < before.status.desired_revision, "{after:?}");
            ensure!(after.status.applied_revision == Some(after.status.desired_revision), "{after:?}");
            ensure!(after.status.conditions.is_empty(), "{after:?}");
            let group: Group = site.api.get("groups/web")?;
            ensure!(group.status.active == ["n1"], "{group:?}");
            Ok(())
        })
    })
}
