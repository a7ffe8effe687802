//! `baton-agent takes-up`: whether this program, with the configuration as it is now, can go on with an agent
//! that runs.

use std::io::{self, Write as _};

use anyhow::{Context, bail};

use super::TakesUpArguments;
use crate::config::Config;
use crate::parent::upgrade::CONSENT;
use crate::shared_memory::LAYOUT;

/// Says so if it can.
///
/// # Errors
/// Why it cannot.
pub fn run(config: &Config, arguments: &TakesUpArguments) -> anyhow::Result<()> {
    if arguments.layout != LAYOUT {
        bail!(
            "the memory of the running agent has layout {:#x}, this program knows {LAYOUT:#x}",
            arguments.layout
        );
    }
    if arguments.state_dir != config.state_dir {
        bail!(
            "state_dir is {} in the configuration, and the running agent uses {}",
            config.state_dir.display(),
            arguments.state_dir.display()
        );
    }
    writeln!(io::stdout(), "{CONSENT}").context("cannot say that it can")
}
