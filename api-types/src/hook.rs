//! Hooks: programs of a host that follow the state of a group's member there. Each is a name that the host declares;
//! nothing here is a command line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::transition::State;
use crate::{Name, Timestamp};

/// The word, among the capabilities of an agent, that it runs hooks. One that does not know them would take a
/// state with them for damaged.
pub const CAPABILITY: &str = "hooks";

/// A program that runs while a member is in a state.
///
/// It runs when the member comes into the state, and again until it has ended with status 0 or the member is in
/// another state. The hooks of one group run one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// In which state.
    pub on: State,
    /// The name of the program, as the policy of the host declares it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "conntrackd-backup"))]
    pub hook: Name,
    /// How long a run may take, in milliseconds: 10 to 600,000. One that takes longer is ended, and has failed.
    #[serde(default = "HookTimeout::of_hook")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 600_000, default = 30_000))]
    pub timeout_ms: HookTimeout,
}

/// A program that must succeed before a member that has become active answers for the addresses.
///
/// The member holds and advertises meanwhile, so that no other takes over, and is silent about the addresses. If the
/// program fails the member is in `fault` and resigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PreActive {
    /// The name of the program, as the policy of the host declares it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "conntrackd-commit"))]
    pub hook: Name,
    /// How long it may take, in milliseconds: 10 to 600,000.
    #[serde(default = "HookTimeout::of_pre_active")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 600_000, default = 2_000))]
    pub timeout_ms: HookTimeout,
}

/// How long a hook may take, in milliseconds: 10 to 600,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct HookTimeout(u32);

/// The number is no time limit of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} ms is not the time limit of a hook: allowed are 10 to 600000")]
pub struct HookTimeoutError(i64);

impl HookTimeout {
    /// The shortest and the longest, in milliseconds.
    pub const RANGE_MS: std::ops::RangeInclusive<u32> = 10..=600_000;

    /// How long a hook may take that does not say.
    #[must_use]
    pub const fn of_hook() -> Self {
        Self(30_000)
    }

    /// How long a `pre_active` hook may take that does not say.
    #[must_use]
    pub const fn of_pre_active() -> Self {
        Self(2_000)
    }

    /// The time limit.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl TryFrom<i64> for HookTimeout {
    type Error = HookTimeoutError;

    fn try_from(number: i64) -> Result<Self, HookTimeoutError> {
        let in_range = u32::try_from(number).ok().filter(|number| Self::RANGE_MS.contains(number));
        in_range.map(Self).ok_or(HookTimeoutError(number))
    }
}

impl From<HookTimeout> for u32 {
    fn from(timeout: HookTimeout) -> Self {
        timeout.0
    }
}

/// When a hook of a group runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookTime {
    /// Before the member answers for the addresses.
    PreActive,
    /// While the member is `initialize`.
    Initialize,
    /// While the member is `backup`.
    Backup,
    /// While the member is `active`.
    Active,
    /// While the member is in `fault`.
    Fault,
}

impl HookTime {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreActive => "pre_active",
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        }
    }
}

impl From<State> for HookTime {
    fn from(state: State) -> Self {
        match state {
            State::Initialize => Self::Initialize,
            State::Backup => Self::Backup,
            State::Active => Self::Active,
            State::Fault => Self::Fault,
        }
    }
}

/// How the last run of a hook of a group went on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HookStatus {
    /// When it runs.
    pub on: HookTime,
    /// The name of the program.
    pub hook: String,
    /// How often it has run since the worker of the agent started.
    pub runs: u64,
    /// The exit status of the last run that has ended; `null` when there is none, or it was ended by a signal.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 255))]
    pub exit_code: Option<i32>,
    /// How the last run ended, in a sentence of at most 200 characters; empty before one has.
    pub detail: String,
    /// Whether the last run that has ended succeeded; `null` before one has.
    pub succeeded: Option<bool>,
    /// When the last run ended, by the node's wall clock.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hook_is_a_name_and_a_time_limit() {
        let hook: Hook = serde_json::from_value(json!({"on": "backup", "hook": "resync"})).unwrap();
        assert_eq!(hook.timeout_ms.as_duration(), Duration::from_secs(30));
        let pre_active: PreActive = serde_json::from_value(json!({"hook": "commit"})).unwrap();
        assert_eq!(pre_active.timeout_ms.as_duration(), Duration::from_secs(2));
        for bad in [json!({"on": "backup", "hook": "/bin/sh"}), json!({"on": "x", "hook": "y"})] {
            assert!(serde_json::from_value::<Hook>(bad.clone()).is_err(), "{bad}");
        }
        for (number, fits) in [(9, false), (10, true), (600_000, true), (600_001, false)] {
            assert_eq!(HookTimeout::try_from(number).is_ok(), fits, "{number}");
        }
    }
}
