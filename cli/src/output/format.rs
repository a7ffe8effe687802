//! The forms in which objects can be had.

use api_types::Timestamp;
use chrono::Utc;
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
    /// The same as YAML
    Yaml,
    /// KIND/NAME, one on each line
    Name,
}

/// Something that can be shown in every form.
pub(crate) trait Named: Serialize + Sized + 'static {
    /// Its table.
    const COLUMNS: &'static [Column<Self>];

    /// `group/web`.
    fn reference(&self) -> String;
}

/// A list in the form of `format`.
///
/// # Errors
/// [`Failure::Format`] when an object cannot be written in that form.
pub(crate) fn objects<T: Named>(items: &[T], format: Format) -> Result<String, Failure> {
    match format {
        Format::Json => json(&items),
        Format::Yaml => yaml(&items),
        Format::Table | Format::Wide | Format::Name => Ok(lines(items, format)),
    }
}

/// One object in the form of `format`.
///
/// # Errors
/// [`Failure::Format`] when it cannot be written in that form.
pub(crate) fn object<T: Named>(item: T, format: Format) -> Result<String, Failure> {
    match format {
        Format::Json => json(&item),
        Format::Yaml => yaml(&item),
        Format::Table | Format::Wide | Format::Name => Ok(lines(&[item], format)),
    }
}

fn lines<T: Named>(items: &[T], format: Format) -> String {
    if format == Format::Name {
        return items.iter().map(|item| super::clean(&item.reference()) + "\n").collect();
    }
    let table = Table {
        wide: format == Format::Wide,
        now: Timestamp::from(Utc::now()),
        terminal: Terminal::of_stdout(),
    };
    render(T::COLUMNS, items, &table)
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Format { format: "JSON", source: error.into() })?;
    Ok(text + "\n")
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_yaml_ng::to_string(value).map_err(|error| Failure::Format { format: "YAML", source: error.into() })
}
