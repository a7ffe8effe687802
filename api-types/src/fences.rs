//! Fences: what takes the addresses of a node away when its agent is in no state to do so itself. Each is for what
//! the one before it cannot do.

use serde::{Deserialize, Serialize};

/// How the fences of a node stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Fences {
    /// The parent process takes the addresses away when the worker is dead or hangs, and cannot be replaced in
    /// time.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub guard: FenceStatus,
    /// The kernel answers for the addresses only while the agent's advertisements leave.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub nftables_lease: FenceStatus,
    /// The kernel removes the addresses by itself when the agent stops refreshing them.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub address_lease: FenceStatus,
    /// An agent that finds that it was kept from running lets go of its addresses before it does anything else.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub self_check: FenceStatus,
}

/// How one fence stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct FenceStatus {
    /// Whether it stands ready.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub state: FenceState,
    /// Whether it is not armed because something is missing or fails, which an operator must mend; `false` where
    /// it covers none of the node's groups.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub broken: bool,
    /// Why it is not armed; or, while it is, what it does not cover. `null` where there is nothing to say.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub detail: Option<String>,
    /// How often it took a group's addresses away, since the worker started; the guard: since the agent did.
    /// The first worker of an agent counts what the kernel did to the one before, if all of that was killed.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub acted: u64,
    /// How often it did so to a group whose agent was alive and held the addresses rightly.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub lapsed: u64,
}

/// Whether a fence stands ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FenceState {
    /// It stands ready, for all groups that `detail` does not except.
    Armed,
    /// The configuration of the agent turns it off.
    Off,
    /// It is wanted, and there is a reason why it does not stand ready.
    #[default]
    NotArmed,
}

impl FenceState {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Off => "off",
            Self::NotArmed => "not_armed",
        }
    }
}

impl FenceStatus {
    /// Stands ready for every group.
    #[must_use]
    pub fn armed() -> Self {
        Self { state: FenceState::Armed, ..Self::default() }
    }

    /// Turned off by configuration.
    #[must_use]
    pub fn off() -> Self {
        Self { state: FenceState::Off, ..Self::default() }
    }

    /// Wanted, and not ready for this reason, which is nobody's fault.
    #[must_use]
    pub fn not_armed(why: impl Into<String>) -> Self {
        Self { state: FenceState::NotArmed, detail: Some(why.into()), ..Self::default() }
    }

    /// Wanted, and not ready until somebody mends this.
    #[must_use]
    pub fn broken(why: impl Into<String>) -> Self {
        Self { broken: true, ..Self::not_armed(why) }
    }

    /// In a few words: `armed`, `armed (not for …)`, `off`, `not armed (why)`.
    #[must_use]
    pub fn summary(&self) -> String {
        let state = match self.state {
            FenceState::NotArmed => "not armed",
            FenceState::Armed | FenceState::Off => self.state.as_str(),
        };
        self.detail.as_ref().map_or_else(|| state.to_owned(), |detail| format!("{state} ({detail})"))
    }
}

impl Fences {
    /// Each fence with the name that configuration, JSON and logs use, the first to act first.
    #[must_use]
    pub fn each(&self) -> [(&'static str, &FenceStatus); 4] {
        [
            ("guard", &self.guard),
            ("nftables_lease", &self.nftables_lease),
            ("address_lease", &self.address_lease),
            ("self_check", &self.self_check),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_nobody_spoke_of_is_not_armed() {
        let fences: Fences =
            serde_json::from_str(r#"{"guard": {"state": "armed", "mood": "calm"}}"#).unwrap();
        assert_eq!(fences.guard, FenceStatus::armed());
        assert_eq!(fences.self_check.state, FenceState::NotArmed);
        assert!(!fences.self_check.broken);
    }

    #[test]
    fn names_and_words_are_those_of_the_json() {
        let fences = Fences::default();
        let json = serde_json::to_value(&fences).unwrap();
        for (name, status) in fences.each() {
            assert_eq!(json[name], serde_json::to_value(status).unwrap(), "{name}");
        }
        assert_eq!(json.as_object().unwrap().len(), fences.each().len());
        for state in [FenceState::Armed, FenceState::Off, FenceState::NotArmed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn what_is_not_covered_is_said_in_the_same_breath() {
        assert_eq!(FenceStatus::off().summary(), "off");
        assert_eq!(FenceStatus::not_armed("there is no nft").summary(), "not armed (there is no nft)");
        let partly = FenceStatus { detail: Some("not for web".to_owned()), ..FenceStatus::armed() };
        assert_eq!(partly.summary(), "armed (not for web)");
    }
}
