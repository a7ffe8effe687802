//! Whether the reader is a terminal that takes colours.

use std::io::{self, IsTerminal as _};

/// What a piece of text says about the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Not as it should be.
    Bad,
}

/// How text is shown to one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Whether colours are shown.
    pub(crate) colour: bool,
    /// Whether wide tables are wrapped; a program gets one line for each row.
    pub(crate) wrap: Wrap,
}

/// Where lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// Nowhere.
    Never,
    /// At the width of the terminal behind standard output.
    AtTerminal,
}

impl Terminal {
    /// For a program: no colours, no wrapping.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false, wrap: Wrap::Never };

    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // https://no-color.org: any value that is not empty.
        let colour =
            is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb");
        Self { colour, wrap: if is_terminal { Wrap::AtTerminal } else { Wrap::Never } }
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.styled("1;31", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.styled("33", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.styled("32", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.styled("1", text)
    }

    fn styled(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
