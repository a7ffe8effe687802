//! `baton version`.

use clap::Args as ClapArgs;

use crate::config::{self, ConfigError};
use crate::errors::{ExitStatus, Failure};
use crate::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton version     # of this program, and of the server where it can be reached
  baton --version   # of this program

The exit status is 0 also when the server cannot be reached.")]
pub(crate) struct Args {}

pub(super) async fn run(_: Args) -> Result<ExitStatus, Failure> {
    output::print(concat!("baton ", env!("CARGO_PKG_VERSION"), "\n"))?;
    let server = match config::load() {
        Err(ConfigError::NoServer { .. }) => "not known: not logged in".to_owned(),
        Err(error) => format!("not known: {error}"),
        Ok(context) => match ask(context).await {
            Ok(version) => version,
            Err(failure) => format!("not known: {failure}"),
        },
    };
    output::print(&output::clean(&format!("server {server}\n")))?;
    Ok(ExitStatus::Done)
}

async fn ask(context: config::Context) -> Result<String, Failure> {
    let server = context.server.clone();
    let version = super::Client::new(context)?.server_version().await?;
    Ok(format!("{version} at {server}"))
}
