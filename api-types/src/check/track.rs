//! A check as a group tracks it, and how it stands on a node.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Name, Timestamp};

/// A check that a group tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The name of the check.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "nginx"))]
    pub check: Name,
    /// What the check does to the member's priority, -253 to 253. 0: while it fails the member is in `fault`. Less than
    /// 0: added while it fails. More than 0: added while it passes. The sum stays within 1 to 254.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = i16, minimum = -253, maximum = 253, default = 0))]
    pub weight: Weight,
    /// Whether the check counts as passing when it fails, and as failing when it passes.
    #[serde(default)]
    pub reverse: bool,
}

/// What a check does to a priority: -253 to 253, 0 for `fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i16")]
pub struct Weight(i16);

/// The number is no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not the weight of a check: allowed are -253 to 253")]
pub struct WeightError(i64);

impl Weight {
    /// The largest one, either way: from the lowest priority to the highest that is no owner's.
    pub const MAX: i16 = 253;

    /// The number.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0
    }

    /// Whether a failure puts the member in `fault`.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        self.0 == 0
    }

    /// What is added to the priority.
    #[must_use]
    pub const fn adds(self, passing: bool) -> i16 {
        match (self.0, passing) {
            (weight, true) if weight > 0 => weight,
            (weight, false) if weight < 0 => weight,
            _ => 0,
        }
    }
}

impl TryFrom<i64> for Weight {
    type Error = WeightError;

    fn try_from(number: i64) -> Result<Self, WeightError> {
        let in_range = i16::try_from(number).ok().filter(|number| (-Self::MAX..=Self::MAX).contains(number));
        in_range.map(Self).ok_or(WeightError(number))
    }
}

impl From<Weight> for i16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

/// How a check that a group tracks stands on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckStatus {
    /// The name of the check.
    pub check: String,
    /// What it does to the priority of this group's member; 0 is `fault`.
    #[cfg_attr(feature = "openapi", schema(value_type = i16, minimum = -253, maximum = 253))]
    pub weight: Weight,
    /// Whether it counts as passing, `reverse` included; `null` before its first run has ended.
    pub passing: Option<bool>,
    /// What the last run found, in a sentence of at most 200 characters.
    pub detail: String,
    /// Since when it stands so, by the node's wall clock; `null` before its first run has ended.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_added_where_it_counts() {
        let weight = |number: i64| Weight::try_from(number).unwrap();
        let cases = [(30, true, 30), (30, false, 0), (-30, true, 0), (-30, false, -30), (0, false, 0)];
        for (number, passing, adds) in cases {
            assert_eq!(weight(number).adds(passing), adds, "{number} {passing}");
        }
        assert!(weight(0).is_fault() && !weight(1).is_fault());
        for number in [-254, 254, i64::MIN] {
            assert_eq!(Weight::try_from(number), Err(WeightError(number)));
        }
    }
}
