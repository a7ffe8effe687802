//! `baton join-token`: lets a machine join as a node.

use api_types::Name;
use api_types::auth::{JoinToken, JoinTokenSpec};
use api_types::node::Node;
use clap::{Args as ClapArgs, Subcommand};

use super::agent_link::AgentLink;
use super::kind::Kind;
use super::token::show_secret;
use crate::client::{Client, RequestError};
use crate::errors::{ExitStatus, Failure};
use crate::output;
use crate::ttl::Ttl;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton join-token create lb1
  baton join-token create lb1 --quiet |
    ssh lb1 'umask 077; cat > /etc/baton/join-token'")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a join token: it enrols one agent, once, under one name
    #[command(after_help = "\
Examples:
  baton join-token create lb1
  baton join-token create lb1 --ttl 1h
  baton join-token create lb1 --quiet > join-token

On the machine, put it in /etc/baton/join-token, readable by root only, and
start baton-agent. The token is shown only here. It carries a fingerprint of
the server's CA, so that the agent knows whom it talks to.")]
    Create {
        /// The name of the node; it is created when it is not there yet
        node: Name,
        /// How long the token can be used, for example 90s, 10m, 1h; at most a day
        #[arg(long, default_value = "10m", value_name = "TIME")]
        ttl: Ttl,
        /// Print the token and nothing else but warnings
        #[arg(short, long)]
        quiet: bool,
    },
}

/// Whether the node has an agent that a new one would put out.
async fn has_agent(client: &Client, node: &Name) -> Result<bool, RequestError> {
    match client.get::<Node>(&[Kind::Nodes.path(), node.as_str()]).await {
        Ok(node) => Ok(AgentLink::of(&node) == AgentLink::Connected),
        Err(error) if error.not_found().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let Action::Create { node, ttl, quiet } = args.action;
    let client = super::client()?;
    let has_agent = has_agent(&client, &node).await?;
    let spec = JoinTokenSpec { node, ttl_ms: ttl.as_millis() };
    let token: JoinToken = client.post(&[Kind::JoinTokens.path()], &spec).await?;
    if has_agent {
        output::complain(&format!(
            "The agent of node {} is connected: when another agent enrols with this token, the present one is \
             put out.",
            token.node
        ));
    }
    show_secret(token.secret, token.expires_at, (!quiet).then(|| format!("node {}, once", token.node)))
}
