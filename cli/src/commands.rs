//! The commands, and the help that teaches them. One file for each.

mod agent_link;
pub(crate) mod apply;
mod delete;
mod describe;
mod drain;
mod explain;
mod get;
mod join_token;
mod kind;
pub(crate) mod login;
mod probe;
mod status;
mod switchover;
mod token;
mod tracked;
mod version;

use clap::{Parser, Subcommand};

use crate::client::Client;
use crate::config;
use crate::errors::{ExitStatus, Failure};

/// Virtual IP addresses that move between machines, managed through one API.
#[derive(Debug, Parser)]
#[command(name = "baton", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  baton login --server https://baton.example:8443 --ca ca.pem --token-file token
  baton apply -f examples/haproxy-pair.yaml
  baton join-token create lb1
  baton status

Environment:
  BATON_SERVER, BATON_CA, BATON_TOKEN or BATON_TOKEN_FILE: instead of a login
  BATON_CONFIG: where the login is kept (default: ~/.config/baton/config.toml)
  NO_COLOR: no colours

Exit status:
  0  done
  1  `baton status`: something is not as it should be;
     `baton switchover --wait`: the node did not take over
  2  wrong usage, configuration or manifest; nothing was sent
  3  the server refused, or there is no such object
  4  the server cannot be reached, or cannot answer
  5  not authenticated (401), or not allowed (403)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which server to talk to, and prove who you are
    Login(login::Args),
    /// Show who holds what; what fails comes first
    Status(status::Args),
    /// List objects, or show one
    Get(get::Args),
    /// Show one group, node or check in full: who hears whom, and what is dropped
    Describe(describe::Args),
    /// Say why somebody holds the addresses, and what happens if it fails
    Explain(explain::Args),
    /// Create and update objects from YAML, and say what changed
    Apply(apply::Args),
    /// Remove an object
    Delete(delete::Args),
    /// Move the addresses of a group to one of its nodes, without a gap
    Switchover(switchover::Args),
    /// Take a node out of all its groups, without a gap
    Drain(drain::Args),
    /// Let a drained node take part again
    Undrain(drain::UndrainArgs),
    /// Let a machine join as a node
    JoinToken(join_token::Args),
    /// Make an API token for a person or a program
    Token(token::Args),
    /// Show the versions of this program and of the server
    Version(version::Args),
}

/// Does what the command line asks.
///
/// # Errors
/// [`Failure`] says what could not be done.
pub(crate) async fn run(cli: Cli) -> Result<ExitStatus, Failure> {
    match cli.command {
        Command::Login(args) => login::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Describe(args) => describe::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Switchover(args) => switchover::run(args).await,
        Command::Drain(args) => drain::run(args).await,
        Command::Undrain(args) => drain::undo(args).await,
        Command::JoinToken(args) => join_token::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Version(args) => version::run(args).await,
    }
}

/// A client for the server we are logged in to.
fn client() -> Result<Client, Failure> {
    Ok(Client::new(config::load()?)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("baton "), "`baton {} --help` has no example", command.get_name());
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "wider than a terminal: {line}");
            }
        }
    }
}
