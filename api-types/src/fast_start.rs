//! Fast starts: a new group need not wait for `Active_Down_Interval` to find out that nobody holds its
//! addresses.
//!
//! A server that knows that every member runs the group and hears nobody says so, once, to the member that
//! would win: a token for one generation of the group and one boot of the agent, and for no longer than
//! [`VALID_AT_MOST_MS`]. It is a hint. The agent obeys it only where it has heard nobody itself and nobody
//! answers for the addresses; without it, or when it comes late or twice, plain VRRP timing holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The word for it among the capabilities of an agent.
pub const CAPABILITY: &str = "fast_start";

/// The longest that an agent obeys a token, in milliseconds after it came.
pub const VALID_AT_MOST_MS: u32 = 1_000;

/// Lets the first member of a group begin at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastStart {
    /// The group.
    pub group_id: Uuid,
    /// The generation of the group that every member runs.
    pub generation: i64,
    /// The boot of the agent that it was made for.
    pub boot_id: Uuid,
    /// For how long it is valid once it has come, in milliseconds.
    pub valid_ms: u32,
}

impl FastStart {
    /// For how long it is valid once it has come: never longer than [`VALID_AT_MOST_MS`].
    #[must_use]
    pub fn validity(&self) -> Duration {
        Duration::from_millis(self.valid_ms.min(VALID_AT_MOST_MS).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_valid_for_longer_than_a_second() {
        let token =
            |valid_ms| FastStart { group_id: Uuid::nil(), generation: 1, boot_id: Uuid::nil(), valid_ms };
        let validities = [0, 250, 1_000, 1_001, u32::MAX].map(|valid_ms| token(valid_ms).validity());
        assert_eq!(validities.map(|validity| validity.as_millis()), [0, 250, 1_000, 1_000, 1_000]);
    }
}
