//! `baton token`: API tokens for people and programs.

use api_types::auth::{Role, Token, TokenSpec};
use api_types::{Name, Timestamp};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, moment};
use crate::ttl::Ttl;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton token create terraform --role editor
  baton get tokens
  baton delete token terraform")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an API token; it is shown only here
    #[command(after_help = "\
Examples:
  baton token create terraform --role editor
  baton token create dashboard --role viewer --ttl 366d --quiet > token")]
    Create {
        /// What people call it; unique among tokens
        name: Name,
        /// What its bearer may do
        #[arg(long, value_enum)]
        role: RoleName,
        /// How long it is valid, for example 12h, 90d; at most 366d
        #[arg(long, default_value = "90d", value_name = "TIME")]
        ttl: Ttl,
        /// Print the token and nothing else
        #[arg(short, long)]
        quiet: bool,
    },
}

/// The roles as words of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Reads everything but the audit log and tokens
    Viewer,
    /// Also moves addresses: switchovers and drains
    Operator,
    /// What an operator does, and writes segments, nodes and groups
    Editor,
    /// Reads everything a viewer reads, and the audit log
    Auditor,
    /// Does everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Editor => Self::Editor,
            RoleName::Auditor => Self::Auditor,
            RoleName::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let Action::Create { name, role, ttl, quiet } = args.action;
    let spec = TokenSpec { name, role: role.into(), ttl_ms: ttl.as_millis() };
    let token: Token = super::client()?.post(&[Kind::Tokens.path()], &spec).await?;
    let (name, role) = (&token.name, token.role.as_str());
    show_secret(token.secret, token.expires_at, (!quiet).then(|| format!("{name} ({role})")))
}

/// Prints the secret of a new token, and says on standard error whom it is for, unless nobody wants to know.
pub(super) fn show_secret(
    secret: Option<String>,
    expires_at: Timestamp,
    whom: Option<String>,
) -> Result<ExitStatus, Failure> {
    let secret = secret.ok_or(Failure::NoSecret)?;
    if let Some(whom) = whom {
        let until = moment(expires_at);
        output::complain(&output::clean(&format!("For {whom}, until {until}; it is not shown again:")));
    }
    output::print(&format!("{}\n", output::clean(&secret)))?;
    Ok(ExitStatus::Done)
}
