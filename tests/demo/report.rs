//! The report for programs: what was seen, in numbers.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The name of the group.
    pub(crate) group: String,
    /// Its virtual address, with the prefix length.
    pub(crate) vip: String,
    /// The node that held the address and lost power.
    pub(crate) active_before: String,
    /// The node that took over.
    pub(crate) active_after: String,
    /// The longest time between two answered requests of the client, around the loss of power.
    pub(crate) client_gap_ms: f64,
    /// The gap that the failover record has.
    pub(crate) failover_gap_ms: f64,
    /// The requests that the client made in all, each over a connection of its own.
    pub(crate) requests: usize,
    /// Those that were not answered in time.
    pub(crate) requests_failed: usize,
    /// The failovers that the server has recorded.
    pub(crate) failovers_recorded: usize,
    /// The entries of the audit log.
    pub(crate) audit_events: usize,
    /// How long the demo took.
    pub(crate) seconds: f64,
}

impl Report {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Removes the report of an earlier run.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
