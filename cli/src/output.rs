//! What people and programs read: the only files that write to the terminal.
//!
//! Text from outside (names that agents reported, details of problems) passes [`clean`], so that it cannot
//! move the cursor or change the colours of the terminal it is shown on.

mod age;
mod format;
mod table;
mod terminal;

use std::io::{self, Write as _};

pub(crate) use self::age::{age, moment};
pub(crate) use self::format::{Document, Format, LineFormat, Named, json, lines, yaml};
pub(crate) use self::table::{Cell, Column, Table, render};
pub(crate) use self::terminal::{Terminal, Tone};
use crate::errors::Failure;

/// Writes to standard output, at once.
///
/// # Errors
/// [`Failure::Output`], also when nobody reads any more.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| Failure::Output { source })
}

/// Writes a line to standard error; when even that cannot be written there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `text` without characters that a terminal would obey; line breaks stay.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() && char != '\n' { char::REPLACEMENT_CHARACTER } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_from_outside_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}31m\r\nc"), "a\u{fffd}[2Jb\u{fffd}31m\u{fffd}\nc");
    }
}
