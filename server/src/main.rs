//! The binary `baton-server`: read the command line and the configuration, start the log, run.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use baton_server::clock::SystemClock;
use baton_server::config::{Config, LogFormat};
use baton_server::{metrics, router, serve, tls};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// The control plane of Baton: highly available virtual IP addresses, managed over REST.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "/etc/baton/server.toml", env = "BATON_SERVER_CONFIG")]
        config: PathBuf,
        /// Only says whether the configuration is good: prints what is in force, or what is wrong.
        #[arg(long)]
        check_config: bool,
    },
    /// Prints the API document.
    Openapi,
}

/// The configuration or the command line is wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config, check_config } => run(&config, check_config),
        Command::Openapi => print_document(),
    }
}

fn run(path: &std::path::Path, check_config: bool) -> ExitCode {
    let config = match Config::load(path, |variable| std::env::var(variable).ok()) {
        Ok(config) => config,
        Err(error) => {
            report(&error);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if check_config {
        if let Some(files) = &config.tls
            && let Err(error) = tls::check_files(files)
        {
            report(&error);
            return ExitCode::from(EXIT_USAGE);
        }
        return print(&toml::to_string_pretty(&config).unwrap_or_default());
    }
    start_log(config.log_format);
    metrics::install();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("the cryptographic provider of TLS was chosen before");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&error);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve::run(config, Arc::new(SystemClock))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_document() -> ExitCode {
    match router::document_text() {
        Ok(text) => print(&text),
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says what went wrong and why, the whole chain on one line each.
fn report(error: &dyn Error) {
    eprintln!("baton-server: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
