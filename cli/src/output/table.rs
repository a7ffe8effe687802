//! Tables: a column is a title and a question to the object.

use comfy_table::{ColumnConstraint, ContentArrangement, Width, presets};

use super::terminal::Wrap;
use super::{Terminal, Tone, clean};

/// A column of a table of `T`.
pub(crate) struct Column<T> {
    title: &'static str,
    wide: bool,
    cell: fn(&T, &Table) -> Cell,
}

/// What every cell may need to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Whether the wide columns are shown.
    pub(crate) wide: bool,
    /// The time now, for ages.
    pub(crate) now: api_types::Timestamp,
    /// Who reads it.
    pub(crate) terminal: Terminal,
}

/// A text and what it says about the state of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl<T> Column<T> {
    /// A column that is always shown.
    pub(crate) const fn new(title: &'static str, cell: fn(&T, &Table) -> Cell) -> Self {
        Self { title, wide: false, cell }
    }

    /// A column that only the wide table shows.
    pub(crate) const fn wide(title: &'static str, cell: fn(&T, &Table) -> Cell) -> Self {
        Self { title, wide: true, cell }
    }
}

impl Cell {
    /// Text that says nothing about the state of things; empty text becomes `-`.
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    pub(crate) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = clean(text.as_ref()).replace('\n', " ");
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone }
    }

    /// The first `most` characters of a text that may be of any length; `…` stands for the rest.
    pub(crate) fn bounded(text: impl AsRef<str>, most: usize) -> Self {
        let text = text.as_ref();
        match text.char_indices().nth(most) {
            None => Self::plain(text),
            Some(_) => {
                Self::plain(text.chars().take(most.saturating_sub(1)).chain(['…']).collect::<String>())
            }
        }
    }

    /// The text of something that may not be there.
    pub(crate) fn maybe(text: Option<impl ToString>) -> Self {
        Self::plain(text.map_or_else(String::new, |text| text.to_string()))
    }
}

/// Blanks between two columns.
const GAP: u16 = 2;

/// The table of `items`, with a line break at its end; nothing at all when there is no item.
pub(crate) fn render<T>(columns: &[Column<T>], items: &[T], table: &Table) -> String {
    if items.is_empty() {
        return String::new();
    }
    let shown: Vec<&Column<T>> = columns.iter().filter(|column| table.wide || !column.wide).collect();
    let row = |item: &T| shown.iter().map(|column| (column.cell)(item, table)).collect::<Vec<_>>();
    let rows: Vec<Vec<Cell>> = items.iter().map(row).collect();
    let narrowest: Vec<u16> =
        shown.iter().enumerate().map(|(index, column)| narrowest(column.title, &rows, index)).collect();

    let mut drawn = comfy_table::Table::new();
    drawn.load_style(presets::NOTHING);
    // Lines that run over are easier to read than words that are cut.
    let fits = |width: u16| u32::from(width) >= narrowest.iter().copied().map(u32::from).sum();
    let wraps = !table.wide && table.terminal.wrap == Wrap::AtTerminal && drawn.width().is_some_and(fits);
    drawn.set_content_arrangement(if wraps {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    if table.terminal.colour {
        drawn.enforce_styling();
    }
    drawn.set_header(shown.iter().map(|column| column.title));
    drawn.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| drawn_cell(cell, table.terminal))));
    for (column, narrowest) in drawn.column_iter_mut().zip(narrowest) {
        column.set_padding((0, GAP));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(narrowest)));
    }
    drawn.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// How wide a column must be so that no word in it is cut.
fn narrowest(title: &str, rows: &[Vec<Cell>], index: usize) -> u16 {
    let cells = rows.iter().filter_map(|row| row.get(index)).flat_map(|cell| cell.text.split(' '));
    let longest = cells.chain([title]).map(|word| word.chars().count()).max().unwrap_or_default();
    u16::try_from(longest).unwrap_or(u16::MAX).saturating_add(GAP)
}

fn drawn_cell(cell: Cell, terminal: Terminal) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(cell.text);
    if !terminal.colour {
        return drawn;
    }
    match cell.tone {
        Tone::Plain => drawn,
        Tone::Good => drawn.fg(comfy_table::Color::Green),
        Tone::Warning => drawn.fg(comfy_table::Color::Yellow),
        Tone::Bad => drawn.fg(comfy_table::Color::Red).add_attribute(comfy_table::Attribute::Bold),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const COLUMNS: &[Column<(&str, u8)>] = &[
        Column::new("NAME", |item, _| Cell::plain(item.0)),
        Column::wide("NUMBER", |item, _| Cell::plain(item.1.to_string())),
        Column::new(
            "STATE",
            |item, _| {
                if item.1 > 1 { Cell::toned("bad", Tone::Bad) } else { Cell::plain("") }
            },
        ),
    ];

    fn table(wide: bool, colour: bool) -> Table {
        let terminal = Terminal { colour, ..Terminal::PLAIN };
        Table { wide, now: DateTime::UNIX_EPOCH.into(), terminal }
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_text_and_no_line_ends_in_blanks() {
        let items = [("web", 1), ("a-longer-name", 2)];
        assert_eq!(
            render(COLUMNS, &items, &table(false, false)),
            "NAME           STATE\nweb            -\na-longer-name  bad\n"
        );
        assert_eq!(
            render(COLUMNS, &items, &table(true, false)),
            "NAME           NUMBER  STATE\nweb            1       -\na-longer-name  2       bad\n"
        );
    }

    #[test]
    fn colours_are_written_only_for_a_reader_that_takes_them() {
        let items = [("web", 2)];
        assert!(!render(COLUMNS, &items, &table(false, false)).contains('\u{1b}'));
        assert!(render(COLUMNS, &items, &table(false, true)).contains('\u{1b}'));
    }

    #[test]
    fn a_bounded_cell_says_that_something_is_left_out() {
        assert_eq!(Cell::bounded("äbcd", 4).text, "äbcd");
        assert_eq!(Cell::bounded("äbcde", 4).text, "äbc…");
    }

    #[test]
    fn a_cell_is_one_line_without_control_characters() {
        assert_eq!(Cell::plain("a\nb\u{1b}c").text, "a b\u{fffd}c");
    }
}
