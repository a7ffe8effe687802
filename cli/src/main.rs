//! `baton`: the command line of Baton.
//!
//! A thin client of the REST API: it holds no state but the login, decides nothing that the server decides,
//! and speaks the words of the API. Each command has one file in `commands/`; what it prints goes through
//! `output/`, what it asks goes through `client.rs`, and every failure becomes an exit status in `errors.rs`.

mod api_token;
mod bounded_file;
mod client;
mod commands;
mod config;
mod diff;
mod errors;
mod manifest;
mod output;
mod server_url;
mod ttl;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;
use crate::errors::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(status) => status.into(),
        Err(failure) => errors::report(&failure).into(),
    }
}

fn run(cli: Cli) -> Result<errors::ExitStatus, Failure> {
    // An error says that a provider is installed already, and then there is nothing to do.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Runtime { source })?;
    runtime.block_on(commands::run(cli))
}
