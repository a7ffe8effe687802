//! `baton-agent enrol`: get an identity from the server for a join token.

use std::io::Write;

use anyhow::{Context, bail};

use super::EnrolArguments;
use crate::config::Config;
use crate::control::enrolment;
use crate::control::identity::Identity;
use crate::control::join_token::JoinToken;

/// Enrols, and waits for a server that is away. An agent that is running notices its new identity by itself.
///
/// # Errors
/// When there is no usable token, when there is an identity that shall not be replaced, or when the server
/// refuses.
pub async fn run(config: &Config, arguments: &EnrolArguments) -> anyhow::Result<()> {
    if let Some(identity) = Identity::load(&config.state_dir)?
        && !arguments.replace
    {
        bail!("this agent is enrolled as node {}; say --replace to enrol it again", identity.node);
    }
    let file = arguments
        .join_token_file
        .as_ref()
        .or(config.server.join_token_file.as_ref())
        .context("say --join-token-file FILE, or set server.join_token_file in the configuration")?;
    let token = JoinToken::read(file)?;
    let identity = enrolment::enrol(&config.server.url, &token, &config.state_dir).await?;
    writeln!(std::io::stdout(), "enrolled as node {} ({})", identity.node, identity.node_id)?;
    Ok(())
}
