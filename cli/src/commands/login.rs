//! `baton login`: keeps where the server is, whom to trust and who we are, once it has been seen to work.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use api_types::audit::Actor;
use api_types::auth::Role;
use clap::Args as ClapArgs;
use serde::Deserialize;
use thiserror::Error;

use crate::client::{Client, RequestError};
use crate::config::{self, ApiToken, Context, Trust};
use crate::errors::{ExitStatus, Failure};
use crate::output;

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
    /// A file with the API token; - reads standard input
    #[arg(long, env = "BATON_TOKEN_FILE", value_name = "FILE")]
    token_file: PathBuf,
}

/// Why nobody was logged in.
#[derive(Debug, Error)]
pub(crate) enum LoginError {
    #[error("the API token cannot be read from {}", .path.display())]
    ReadToken {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what}: an API token begins with baton_pat_")]
    NoToken { what: String },
    #[error("not logged in, and nothing was stored: {0}")]
    Refused(RequestError),
}

impl LoginError {
    /// The request that failed, if one was made.
    pub(crate) const fn request(&self) -> Option<&RequestError> {
        match self {
            Self::Refused(error) => Some(error),
            Self::ReadToken { .. } | Self::NoToken { .. } => None,
        }
    }
}

/// Who the server says we are.
#[derive(Deserialize)]
struct Caller {
    actor: Actor,
    role: Role,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let trust = args.ca.as_deref().map_or(Ok(Trust::System), config::read_ca)?;
    let token = read_token(&args.token_file)?;
    let context = Context { server: config::normal(&args.server), trust, token };

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

fn read_token(path: &Path) -> Result<ApiToken, LoginError> {
    let refuse = |source| LoginError::ReadToken { path: path.to_owned(), source };
    let (text, place) = if path == Path::new("-") {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            output::complain("Paste the API token, then press Enter and Ctrl-D.");
        }
        let mut text = String::new();
        stdin.lock().read_to_string(&mut text).map_err(refuse)?;
        (text, "on standard input".to_owned())
    } else {
        (fs::read_to_string(path).map_err(refuse)?, format!("in {}", path.display()))
    };
    let token = text.trim();
    if token.starts_with("baton_pat_") && !token.contains(char::is_whitespace) {
        return Ok(ApiToken::new(token, place));
    }
    let what = if token.starts_with("baton_join_") {
        format!("the token {place} is a join token, which is for an agent")
    } else {
        format!("there is no API token {place}")
    };
    Err(LoginError::NoToken { what })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> Result<ApiToken, LoginError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        read_token(&path)
    }

    #[test]
    fn a_token_is_read_without_the_line_break_behind_it() {
        assert_eq!(read("baton_pat_x_y\n").unwrap().secret.expose_secret(), "baton_pat_x_y");
    }

    #[test]
    fn a_join_token_is_told_from_an_api_token() {
        assert!(read("baton_join_x_y_z\n").unwrap_err().to_string().contains("join token"));
        assert!(read("").unwrap_err().to_string().contains("no API token"));
        assert!(read("baton_pat_a\nbaton_pat_b\n").is_err(), "two tokens");
    }
}
