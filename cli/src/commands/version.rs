//! `baton version`.

use crate::errors::{ExitStatus, Failure};
use crate::output;

pub(super) fn run() -> Result<ExitStatus, Failure> {
    output::print(concat!("baton ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(ExitStatus::Done)
}
