//! `baton-agent --check-config`: is the configuration right, and what is in effect?

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;

/// Exit code for a configuration that is not right.
const REFUSED: u8 = 2;

/// Prints the effective configuration, or what is wrong with it.
#[must_use]
pub fn run(path: &Path) -> ExitCode {
    let text = match Config::load(path).map_err(anyhow::Error::from).and_then(|config| Ok(config.to_toml()?))
    {
        Ok(text) => text,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "baton-agent: {error:#}");
            return ExitCode::from(REFUSED);
        }
    };
    match write!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
