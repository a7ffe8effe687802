//! Why the addresses of a group are where they are, and what happens next, in sentences.

use serde::{Deserialize, Serialize};

/// Why a member of a group holds its addresses, and what happens if it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// The name of the group.
    pub group: String,
    /// The member that holds the addresses; `null` where nobody is known to.
    pub holder: Option<String>,
    /// The member that would take them over if the holder failed now; `null` where nobody is known to.
    pub next: Option<String>,
    /// For people, in the order in which they are best read.
    pub sentences: Vec<String>,
}
