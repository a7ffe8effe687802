//! An error with its causes in one line, for a log or a status: each error's own text stops before the
//! reason.

use std::error::Error;

/// The error and, behind colons, what caused it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
