//! The forms in which objects can be had.

use std::fmt::Write as _;

use api_types::Timestamp;
use clap::ValueEnum;
use serde::Serialize;

use super::{Column, Table, Terminal, render};
use crate::errors::Failure;

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; fits 80 columns where names are short
    Table,
    /// The table with more columns
    Wide,
    /// What the server answered, for programs: an array, or one object when a NAME is given
    Json,
    /// The same as YAML; segments, nodes and groups as documents for `baton apply`
    Yaml,
    /// KIND/NAME, one on each line
    Name,
}

/// The forms with a line for each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// The columns that fit.
    Table,
    /// All columns.
    Wide,
    /// The reference.
    Name,
}

/// Something that has a line in a list.
pub(crate) trait Named: Sized + 'static {
    /// Its table.
    const COLUMNS: &'static [Column<Self>];

    /// `group/web`.
    fn reference(&self) -> String;
}

/// What the server answered, with its fields in its order, those that we do not know included.
pub(crate) type Document = serde_yaml_ng::Value;

/// The rows of `items`, at the time `now`.
pub(crate) fn lines<T: Named>(items: &[T], format: LineFormat, now: Timestamp) -> String {
    let wide = match format {
        LineFormat::Name => {
            return items.iter().map(|item| super::clean(&item.reference()) + "\n").collect();
        }
        LineFormat::Table => false,
        LineFormat::Wide => true,
    };
    render(T::COLUMNS, items, &Table { wide, now, terminal: Terminal::of_stdout() })
}

/// `value` as JSON; characters that a terminal would obey are written by their numbers.
///
/// # Errors
/// [`Failure::Format`] when it cannot be written so.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Format { format: "JSON", source: error.into() })?;
    // What JSON itself does not escape stands in strings only.
    let numbered = text.chars().fold(String::with_capacity(text.len() + 1), |mut numbered, char| {
        if super::is_obeyed(char) {
            // Writing to a String cannot fail.
            let _ = write!(numbered, "\\u{:04x}", u32::from(char));
        } else {
            numbered.push(char);
        }
        numbered
    });
    Ok(numbered + "\n")
}

/// `value` as one document of YAML; in its JSON form, which has numbers for them, when a terminal would obey
/// characters of it.
///
/// # Errors
/// [`Failure::Format`] when it cannot be written so.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_yaml_ng::to_string(value)
        .map_err(|error| Failure::Format { format: "YAML", source: error.into() })?;
    if text.chars().any(super::is_obeyed) { json(value) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json as data};

    use super::*;

    #[test]
    fn programs_get_every_character_and_no_terminal_obeys_one() {
        let hostile = "a\u{202e}b\u{2066}c\u{200f}d\u{9b}31m\u{7f}\u{1b}[2J\n\t\"\\\u{1f600}é";
        let value = data!({"name": "web", "description": hostile});
        for text in [json(&value).unwrap(), yaml(&value).unwrap()] {
            assert!(!text.chars().any(crate::output::is_obeyed), "{text:?}");
            assert_eq!(serde_yaml_ng::from_str::<Value>(&text).unwrap(), value, "{text}");
        }
        assert_eq!(serde_json::from_str::<Value>(&json(&value).unwrap()).unwrap(), value);
        assert_eq!(yaml(&data!({"name": "über"})).unwrap(), "name: über\n");
    }
}
