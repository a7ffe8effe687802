//! Runs a short command to its end and turns every way of failing into an error that says why.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::interrupt::stand_aside;

/// Runs `command` and answers what it wrote to its standard output.
///
/// # Errors
/// When it cannot be started or ends with another status than 0; the error carries what it complained of.
pub fn output_of(command: &mut Command) -> Result<String> {
    stand_aside();
    let output = command
        .stdin(Stdio::null())
        // Ctrl-C at a terminal is for us alone.
        .process_group(0)
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    stand_aside();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        bail!("{} failed ({}): {}{}", spelled(command), output.status, complaint.trim(), said.trim());
    }
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}

fn spelled(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
