//! The agent's program in a place of one node's own, where another file can take its place as a package does it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::{Host, binaries};

/// See the module.
pub(crate) struct OwnProgram {
    place: PathBuf,
    fetched: PathBuf,
}

impl OwnProgram {
    /// The program that is judged, in the place of this host.
    pub(crate) fn of(host: &Host) -> Result<Self> {
        let place = host.directory.join("baton-agent");
        let program = Self { fetched: place.with_extension("new"), place };
        let judged = binaries::program("baton-agent")?;
        // No octet need be copied where the file may have two names.
        if fs::hard_link(&judged, &program.place).is_err() {
            fs::copy(&judged, &program.place).context("cannot copy the program")?;
        }
        Ok(program)
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Puts a copy of the program beside it.
    pub(crate) fn fetch(&self) -> Result<()> {
        fs::copy(binaries::program("baton-agent")?, &self.fetched)
            .map(drop)
            .context("cannot copy the program")
    }

    /// Has the copy take its place. What runs keeps the file that it was started from.
    pub(crate) fn install(&self) -> Result<()> {
        fs::rename(&self.fetched, &self.place).context("cannot replace the program")
    }
}
