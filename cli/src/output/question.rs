//! A question to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::clean;
use crate::errors::Failure;

/// A question that is answered with yes or no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// What one should know before one answers.
    pub(crate) about: &'a str,
    /// What a yes does: `Remove it`.
    pub(crate) verb: &'a str,
}

impl Question<'_> {
    /// Whether there is somebody who reads the question and can answer it.
    pub(crate) fn can_be_asked() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks once; anything but yes is no.
    ///
    /// # Errors
    /// [`Failure::Output`] when the question cannot be shown or the answer cannot be read.
    pub(crate) fn ask(self) -> Result<bool, Failure> {
        let mut answer = String::new();
        let mut asked = || {
            let mut terminal = io::stderr().lock();
            write!(terminal, "{}\n{}? [y/N] ", clean(self.about), self.verb)?;
            terminal.flush()?;
            io::stdin().lock().read_line(&mut answer)
        };
        asked().map_err(|source| Failure::Output { source })?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}
