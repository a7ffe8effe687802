//! `baton login`: keeps where the server is, whom to trust and who we are, once it has been seen to work.

use std::path::PathBuf;

use api_types::audit::Actor;
use api_types::auth::Role;
use clap::Args as ClapArgs;
use serde::Deserialize;
use thiserror::Error;

use crate::api_token::{ApiToken, TokenError};
use crate::client::{Client, RequestError};
use crate::config::{self, Context, Trust};
use crate::errors::{ExitStatus, Failure};
use crate::output;
use crate::server_url::{self, UrlError};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton login --server https://baton.example:8443 --ca ca.pem --token-file token
  pass show baton | baton login --server https://baton.example --token-file -

The login is checked against the server before it is kept. It is kept in
~/.config/baton/config.toml, readable by you only ($XDG_CONFIG_HOME and
$BATON_CONFIG move it). The first token is in the state directory of the
server: admin-token, and beside it ca.pem.")]
pub(crate) struct Args {
    /// The URL of the server
    #[arg(long, env = "BATON_SERVER", value_name = "URL")]
    server: String,
    /// The certificate of the server's CA: the only one to trust (default: the CAs of this machine)
    #[arg(long, env = "BATON_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with the API token, at most 4 KiB; - reads standard input
    #[arg(long, env = "BATON_TOKEN_FILE", value_name = "FILE")]
    token_file: PathBuf,
}

/// Why nobody was logged in.
#[derive(Debug, Error)]
pub(crate) enum LoginError {
    #[error(transparent)]
    Server(#[from] UrlError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("not logged in, and nothing was stored: {0}")]
    Refused(RequestError),
}

impl LoginError {
    /// The request that failed, if one was made.
    pub(crate) const fn request(&self) -> Option<&RequestError> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Server(_) | Self::Token(_) => None,
        }
    }
}

/// Who the server says we are.
#[derive(Deserialize)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    role: Role,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let server = server_url::normal(&args.server);
    server_url::parse(&server).map_err(LoginError::Server)?;
    let trust = args.ca.as_deref().map_or(Ok(Trust::System), config::read_ca)?;
    let token = ApiToken::read(&args.token_file).map_err(LoginError::Token)?;
    let context = Context { server, trust, token };

    let client = Client::new(context.clone()).map_err(LoginError::Refused)?;
    let caller: Caller = client.get(&["auth", "self"]).await.map_err(LoginError::Refused)?;
    let path = config::store(&context)?;

    let name = caller.actor.name.unwrap_or_else(|| caller.actor.kind.as_str().to_owned());
    let role = caller.role.as_str();
    let server = &context.server;
    output::print(&output::clean(&format!(
        "Logged in to {server} as {name} ({role}). Kept in {}.\n",
        path.display()
    )))?;
    Ok(ExitStatus::Done)
}
