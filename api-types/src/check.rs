//! Checks: what an agent observes on its host, and what that does to the priority of its members.
//!
//! A check is declared once and tracked by any number of groups. Every node that is a member of such a group runs it
//! by itself, once for all of its groups, and needs no server to act on what it finds.

mod limits;
mod pace;
mod probe;
mod track;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Name, Timestamp};

pub use pace::{CheckInterval, CheckIntervalError, CheckTimeout, CheckTimeoutError, Runs, RunsError};
pub use probe::{HttpUrl, HttpUrlError, Port, PortError, Probe, StatusCodes, StatusCodesError};
pub use track::{CheckStatus, Track, Weight, WeightError};

/// The word, among the capabilities of an agent, that it runs checks. One that does not know them would take a
/// state with them for damaged.
pub const CAPABILITY: &str = "checks";

/// A check as an operator writes it, and as the agent channel carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// Unique among checks.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "nginx"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
    /// What is looked at.
    pub probe: Probe,
    /// From the start of one run to the start of the next, in milliseconds: 10 to 3,600,000. A run that takes longer
    /// puts the next one off.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 3_600_000, default = 1_000))]
    pub interval_ms: CheckInterval,
    /// How long a run may take, in milliseconds: 10 to 60,000. One that takes longer is ended, and has failed.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 60_000, default = 1_000))]
    pub timeout_ms: CheckTimeout,
    /// After how many good runs in a row a failing check passes: 1 to 100. The first run of all decides alone.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 100, default = 2))]
    pub rise: Runs,
    /// After how many bad runs in a row a passing check fails: 1 to 100. The first run of all decides alone.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 100, default = 2))]
    pub fall: Runs,
}

/// A check as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// Never changes.
    pub id: Uuid,
    /// Unique among checks.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    pub description: String,
    /// What is looked at.
    pub probe: Probe,
    /// From the start of one run to the start of the next, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 3_600_000))]
    pub interval_ms: CheckInterval,
    /// How long a run may take, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 60_000))]
    pub timeout_ms: CheckTimeout,
    /// After how many good runs in a row a failing check passes.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 100))]
    pub rise: Runs,
    /// After how many bad runs in a row a passing check fails.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 100))]
    pub fall: Runs,
    /// Counts the changes of the specification, from 1; it is the ETag.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub generation: i64,
    /// When it was created.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When its specification last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// Where it is used.
    pub status: UseOfCheck,
}

impl Check {
    /// The part of the check that operators write.
    #[must_use]
    pub fn spec(&self) -> CheckSpec {
        CheckSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            probe: self.probe.clone(),
            interval_ms: self.interval_ms,
            timeout_ms: self.timeout_ms,
            rise: self.rise,
            fall: self.fall,
        }
    }
}

/// Where a check is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UseOfCheck {
    /// The names of the groups that track it.
    pub groups: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_says_only_what_is_not_usual() {
        let spec: CheckSpec = serde_json::from_value(
            json!({"name": "nginx", "probe": {"kind": "http", "url": "http://127.0.0.1/health"}}),
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(&spec).unwrap(),
            json!({"name": "nginx", "description": "", "interval_ms": 1000, "timeout_ms": 1000, "rise": 2,
                   "fall": 2, "probe": {"kind": "http", "url": "http://127.0.0.1/health",
                   "expected_status": ["200-299"], "verify_certificate": true}})
        );
        let again: CheckSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn nobody_can_write_a_command_line() {
        let refused = |probe| {
            serde_json::from_value::<CheckSpec>(json!({"name": "x", "probe": probe})).unwrap_err().to_string()
        };
        let error = refused(json!({"kind": "script", "script": "/bin/sh -c reboot"}));
        assert!(error.contains("is not a name"), "{error}");
        let error = refused(json!({"kind": "script", "script": "x", "args": ["-c"]}));
        assert!(error.contains("unknown field `args`"), "{error}");
        let error = refused(json!({"kind": "exec", "command": "reboot"}));
        assert!(error.contains("unknown variant `exec`"), "{error}");
    }
}
