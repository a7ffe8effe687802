//! How the checks of this node stand, for whoever wants to know.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::Timestamp;
use api_types::channel::DesiredGroup;
use api_types::check::CheckStatus;

/// How each check stands, by name.
pub(crate) type Standings = BTreeMap<String, Standing>;

/// How one check stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it looks at, in a word.
    pub(crate) kind: &'static str,
    /// `None` before its first run has ended.
    pub(crate) passes: Option<bool>,
    /// What the last run found.
    pub(crate) detail: String,
    /// Since when it stands so.
    pub(crate) since: Option<Timestamp>,
    /// How many runs passed, and how many did not.
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// How long the last one took.
    pub(crate) took: Duration,
}

/// How the checks stand that a group tracks, in its order.
pub(crate) fn of_group(group: &DesiredGroup, standings: &Standings) -> Vec<CheckStatus> {
    let status = |track: &api_types::check::Track| {
        let standing = standings.get(track.check.as_str());
        CheckStatus {
            check: track.check.to_string(),
            weight: track.weight,
            passing: standing.and_then(|standing| standing.passes).map(|passes| passes != track.reverse),
            detail: standing.map(|standing| standing.detail.clone()).unwrap_or_default(),
            since: standing.and_then(|standing| standing.since),
        }
    };
    group.track.iter().map(status).collect()
}
