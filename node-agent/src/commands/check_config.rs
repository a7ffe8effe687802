//! `baton-agent --check-config`: is the configuration right, and what is in effect?

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::Settings;

/// Exit code for a configuration that is not right.
const REFUSED: u8 = 2;

/// Prints the effective configuration and, as comments, the policy that goes with it; or what is wrong with either.
#[must_use]
pub fn run(path: &Path) -> ExitCode {
    let text = match Settings::load(path).map_err(Into::into).and_then(|settings| describe(&settings)) {
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

/// What is printed is a configuration again.
fn describe(settings: &Settings) -> anyhow::Result<String> {
    let policy = toml::to_string(&settings.policy)?;
    let comments = policy.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n");
    let heading = format!("\n# The policy, {}:\n", settings.config.policy_file.display());
    Ok(settings.config.to_toml()? + &heading + &comments.collect::<String>())
}
