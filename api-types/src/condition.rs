//! Conditions: what is not as it should be, for as long as it is so.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Timestamp;

/// Something about an object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// In a sentence, with the names of what is involved.
    pub detail: String,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
}

/// The conditions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// No member of the group is active.
    NoHolder,
    /// More than one member of the group is active.
    TwoHolders,
    /// A member says that it cannot hold the addresses.
    MemberFault,
    /// No other member could take over from the active one.
    RedundancyLost,
    /// The agent of the node has no session with a server.
    AgentDisconnected,
    /// The agent refused the newest desired state and runs an older one.
    ConfigRejected,
    /// A fence that the agent's configuration has on cannot stand ready until somebody mends what it needs.
    FenceNotArmed,
    /// A member names an interface of a node that has not reported its interfaces yet.
    InterfaceUnverified,
    /// Routers of the group do not speak alike: they send different forms of the checksum, or different versions.
    MixedDialects,
    /// A unicast group has a member whose address no agent has reported yet.
    PeerAddressUnknown,
    /// The group authenticates by a text that whoever hears one advertisement knows.
    AuthenticationInsecure,
    /// Members have priorities that are equal or nearly so: as backups both may take over.
    PrioritiesTooClose,
    /// A group tracks checks that the agent of a member does not know: there nothing runs them.
    ChecksNotRun,
    /// A hook of the group fails on a node, in the state that the member is in there.
    HookFailed,
    /// The group has hooks, and a node of it has an agent that knows none.
    HooksNotRun,
    /// A group advertises more often than one of its nodes is punctual enough for.
    IntervalTooShort,
    /// A node has a priority from 250 to 254, which are kept for moving the addresses on request.
    PriorityReserved,
    /// A router that is no member speaks for the virtual router.
    ForeignRouter,
    /// Somebody advertises other addresses than the group's.
    AddressListMismatch,
    /// Somebody advertises at another interval than the group's.
    IntervalMismatch,
    /// Somebody speaks version 2 with another authentication than the group's.
    AuthenticationMismatch,
    /// More than one router claims to own the addresses (priority 255).
    TwoOwners,
    /// Another router sends from the address of a member.
    DuplicateSource,
    /// The addresses stand where an operator moved them, whatever the priorities say.
    SwitchoverInEffect,
    /// An operator took the node, or a member of the group, out of use.
    Drained,
    /// One that a newer server knows and this program does not; the detail says what it is.
    #[serde(skip)]
    Unrecognised,
}

impl<'de> Deserialize<'de> for ConditionKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<str>::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Self::Unrecognised))
    }
}

impl ConditionKind {
    /// Those that a server finds.
    pub const ALL: [Self; 25] = [
        Self::NoHolder,
        Self::TwoHolders,
        Self::MemberFault,
        Self::RedundancyLost,
        Self::AgentDisconnected,
        Self::ConfigRejected,
        Self::FenceNotArmed,
        Self::InterfaceUnverified,
        Self::MixedDialects,
        Self::PeerAddressUnknown,
        Self::AuthenticationInsecure,
        Self::PrioritiesTooClose,
        Self::ChecksNotRun,
        Self::HookFailed,
        Self::HooksNotRun,
        Self::IntervalTooShort,
        Self::PriorityReserved,
        Self::ForeignRouter,
        Self::AddressListMismatch,
        Self::IntervalMismatch,
        Self::AuthenticationMismatch,
        Self::TwoOwners,
        Self::DuplicateSource,
        Self::SwitchoverInEffect,
        Self::Drained,
    ];

    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHolder => "no_holder",
            Self::TwoHolders => "two_holders",
            Self::MemberFault => "member_fault",
            Self::RedundancyLost => "redundancy_lost",
            Self::AgentDisconnected => "agent_disconnected",
            Self::ConfigRejected => "config_rejected",
            Self::FenceNotArmed => "fence_not_armed",
            Self::InterfaceUnverified => "interface_unverified",
            Self::MixedDialects => "mixed_dialects",
            Self::PeerAddressUnknown => "peer_address_unknown",
            Self::AuthenticationInsecure => "authentication_insecure",
            Self::PrioritiesTooClose => "priorities_too_close",
            Self::ChecksNotRun => "checks_not_run",
            Self::HookFailed => "hook_failed",
            Self::HooksNotRun => "hooks_not_run",
            Self::IntervalTooShort => "interval_too_short",
            Self::PriorityReserved => "priority_reserved",
            Self::ForeignRouter => "foreign_router",
            Self::AddressListMismatch => "address_list_mismatch",
            Self::IntervalMismatch => "interval_mismatch",
            Self::AuthenticationMismatch => "authentication_mismatch",
            Self::TwoOwners => "two_owners",
            Self::DuplicateSource => "duplicate_source",
            Self::SwitchoverInEffect => "switchover_in_effect",
            Self::Drained => "drained",
            Self::Unrecognised => "unrecognised",
        }
    }

    /// Whether it says what an operator has chosen rather than that something fails.
    #[must_use]
    pub const fn is_advice(self) -> bool {
        matches!(
            self,
            Self::AuthenticationInsecure
                | Self::PrioritiesTooClose
                | Self::IntervalTooShort
                | Self::PriorityReserved
                | Self::SwitchoverInEffect
                | Self::Drained
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_a_server_finds_is_read_as_it_is_written() {
        for kind in ConditionKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(serde_json::from_value::<ConditionKind>(kind.as_str().into()).unwrap(), kind);
        }
    }

    #[test]
    fn a_condition_that_nobody_knows_yet_is_read_all_the_same() {
        let kind: ConditionKind = serde_json::from_str("\"flapping\"").unwrap();
        assert_eq!(kind, ConditionKind::Unrecognised);
    }
}
