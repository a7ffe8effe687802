//! Who could take the addresses over if the holder failed now.

use serde::{Deserialize, Serialize};

/// Who could take the addresses over if the holder failed now, and who could not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standby {
    /// The members that could, the one that would first: by the priority that they would advertise.
    pub ready: Vec<String>,
    /// The members that may be able to, but have no agent to say so.
    pub unknown: Vec<String>,
    /// The members that could not, in the order of the specification.
    pub not_ready: Vec<NotReady>,
}

/// A member that could not take the addresses over now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotReady {
    /// Its name.
    pub member: String,
    /// Why, in words that follow its name in a sentence.
    pub reason: String,
}
