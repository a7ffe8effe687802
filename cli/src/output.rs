//! What people and programs read: the only files that write to the terminal.
//!
//! Text from outside (names that agents reported, details of problems) passes [`clean`], so that it cannot
//! move the cursor, change the colours or turn the direction of the writing on the terminal it is shown on.
//! JSON and YAML say such characters by number, so that programs get them as they are.

mod age;
mod format;
mod question;
mod table;
mod terminal;

use std::io::{self, Write as _};

pub(crate) use self::age::{age, moment, span};
pub(crate) use self::format::{Document, Format, LineFormat, Named, json, lines, yaml};
pub(crate) use self::question::Question;
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
    text.chars().map(|char| if is_obeyed(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// Whether a terminal acts on a character instead of showing it: controls, and those that Unicode has to turn
/// the direction of the writing (property `Bidi_Control`).
fn is_obeyed(char: char) -> bool {
    let turns_the_writing = matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns_the_writing || (char.is_control() && char != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_from_outside_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}31m\r\nc"), "a\u{fffd}[2Jb\u{fffd}31m\u{fffd}\nc");
    }

    #[test]
    fn what_turns_the_writing_does_not_reach_the_terminal_and_other_scripts_do() {
        for char in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            assert_eq!(clean(&format!("a{char}b")), "a\u{fffd}b", "{:x}", u32::from(char));
        }
        for kept in ["über", "שלום", "数据中心", "👩\u{200d}🚒"] {
            assert_eq!(clean(kept), kept);
        }
    }
}
