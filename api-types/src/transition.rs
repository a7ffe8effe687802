//! Transitions: one member's change of state, with its reason, as its agent saw it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::{Claim, Family, Priority, Vrid};

use crate::Timestamp;

/// The state of a member in a group (RFC 9568 §6.3, and `fault`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Takes no part (yet, or any more).
    Initialize,
    /// Waits for the active member to fall silent.
    Backup,
    /// Holds the addresses. `master` is accepted as an alias on input.
    #[serde(alias = "master")]
    Active,
    /// Cannot take part: its interface is down or missing, or the addresses could not be bound.
    Fault,
}

impl State {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        }
    }
}

/// Why a member changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransitionReason {
    /// Initialize → Backup: the member began to take part (§6.4.1).
    Started,
    /// Initialize → Active: the owner of the addresses began to take part (§6.4.1).
    OwnerStarted,
    /// Backup → Active: no advertisement within `Active_Down_Interval` (§6.4.2).
    NoResponse,
    /// Backup → Active: the active member resigned with priority 0 (§6.4.2).
    PriorityZero,
    /// Backup → Active: the active member advertised a lower priority than ours (§6.4.2).
    Preempting,
    /// Active → Backup: an advertisement of a higher priority, or of an equal one from a higher address
    /// (§6.4.3).
    HigherPriorityHeard,
    /// → Initialize: the agent was told to stop.
    Stopped,
    /// → Initialize: the member or its group was removed from the desired state.
    Removed,
    /// → Initialize: settings changed that the member cannot take over while it runs (VRID, version,
    /// interface).
    /// Initialize → the state of its predecessor: the group took the place of another one of the same virtual
    /// router, and nothing moved.
    Reconfigured,
    /// → Fault: the interface is down or lost its carrier.
    InterfaceDown,
    /// → Fault: the interface does not exist.
    InterfaceMissing,
    /// → Fault: the interface has no address of its own to advertise from.
    NoInterfaceAddress,
    /// → Fault: the kernel refused to bind the addresses.
    BindFailed,
    /// Fault → Initialize: what was missing is there again.
    FaultCleared,
    /// Active → Initialize: the parent process took the addresses away, since the worker was dead or hung.
    Guard,
    /// Active → Backup: the agent found that it had been kept from running, and let go at once.
    SelfCheck,
    /// Active → Backup: the agent found that the kernel had let the addresses expire, since nobody refreshed
    /// them. Active → Initialize: all processes of the agent had died, and its next start found so. The time
    /// is that of the start.
    AddressLease,
    /// Active → Backup: the kernel had stopped answering for the addresses, since no advertisement left.
    /// Active → Initialize: all processes of the agent had died, and its next start found so, and the
    /// addresses still bound. The time is that of the start.
    NftablesLease,
    /// Backup → Active: the addresses were moved here on request. Active → Backup: they were moved away.
    Switchover,
    /// Backup → Active: the agent of the active member had let go, and told so by way of the server.
    Assist,
    /// Backup → Active: the group is new, no member has heard anybody, and nobody answered for the addresses.
    FastStart,
    /// The member takes no part, since its node is drained.
    Drained,
    /// → Fault: a check of weight 0 fails. Active → Backup: checks have lowered the priority of a member that
    /// nobody preempts.
    CheckFailed,
    /// Active → Fault: the `pre_active` hook has failed, and nobody has heard of the addresses from this member.
    PreActiveFailed,
    /// Active → Backup, → Fault: another group of its sync group was lost on the node. Backup → Active: another one
    /// is active there, and this one would win.
    SyncGroup,
}

impl TransitionReason {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::OwnerStarted => "owner_started",
            Self::NoResponse => "no_response",
            Self::PriorityZero => "priority_zero",
            Self::Preempting => "preempting",
            Self::HigherPriorityHeard => "higher_priority_heard",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
            Self::Reconfigured => "reconfigured",
            Self::InterfaceDown => "interface_down",
            Self::InterfaceMissing => "interface_missing",
            Self::NoInterfaceAddress => "no_interface_address",
            Self::BindFailed => "bind_failed",
            Self::FaultCleared => "fault_cleared",
            Self::Guard => "guard",
            Self::SelfCheck => "self_check",
            Self::AddressLease => "address_lease",
            Self::NftablesLease => "nftables_lease",
            Self::Switchover => "switchover",
            Self::Assist => "assist",
            Self::FastStart => "fast_start",
            Self::Drained => "drained",
            Self::CheckFailed => "check_failed",
            Self::PreActiveFailed => "pre_active_failed",
            Self::SyncGroup => "sync_group",
        }
    }
}

/// A transition as the agent records and reports it. `(node, boot_id, sequence)` names it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TransitionRecord {
    /// Drawn by the agent at each start.
    pub boot_id: Uuid,
    /// Counts the transitions of one boot, from 1, without gaps.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub sequence: u64,
    /// The group.
    pub group_id: Uuid,
    /// The name of the group when it happened.
    pub group: String,
    /// The address family of the virtual router.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Family))]
    pub family: Family,
    /// The VRID of the virtual router.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255))]
    pub vrid: Vrid,
    /// The interface it runs on.
    pub interface: String,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub reason: TransitionReason,
    /// The priority the member advertised or would have advertised.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255))]
    pub priority: Priority,
    /// When, by the node's wall clock.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// When, in nanoseconds of the node's `CLOCK_BOOTTIME`. Differences of times of one boot of a host are
    /// exact.
    pub at_boottime_ns: u64,
    /// The last valid advertisement that this member heard from another before the transition.
    pub last_advertisement: Option<AdvertisementHeard>,
    /// When the addresses were bound, for a transition to `active`.
    #[serde(default)]
    pub bound_at_boottime_ns: Option<u64>,
    /// When the first gratuitous ARP or unsolicited NA left, for a transition to `active`.
    #[serde(default)]
    pub announced_at_boottime_ns: Option<u64>,
    /// When the addresses were unbound, for a transition away from `active`.
    #[serde(default)]
    pub released_at_boottime_ns: Option<u64>,
    /// The checks that failed then and that the group tracks, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing_checks: Vec<String>,
}

/// An advertisement that was heard from another router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdvertisementHeard {
    /// Where it came from.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub source: IpAddr,
    /// Its priority; 0 is a resignation.
    #[serde(with = "priority_octet")]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, maximum = 255))]
    pub priority: Claim,
    /// When, in nanoseconds of the node's `CLOCK_BOOTTIME`.
    pub at_boottime_ns: u64,
}

/// A transition as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transition {
    /// Names the transition.
    pub id: Uuid,
    /// The name of the node that reported it.
    pub node: String,
    /// When the server recorded it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub recorded_at: Timestamp,
    /// What the agent reported.
    #[serde(flatten)]
    pub record: TransitionRecord,
}

/// A claim as the number that an advertisement carries: 0 to 255.
pub(crate) mod priority_octet {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use vrrp::Claim;

    pub(crate) fn serialize<S: Serializer>(claim: &Claim, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(claim.octet())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Claim, D::Error> {
        let number = i64::deserialize(deserializer)?;
        u8::try_from(number).map(Claim::from_octet).map_err(|_| {
            D::Error::custom(format_args!(
                "{number} is not the priority of an advertisement: allowed are 0 to 255"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_advertisement_claims_is_the_number_it_carries() {
        let heard = |priority: i64| serde_json::json!({"source": "192.0.2.2", "priority": priority, "at_boottime_ns": 5});
        for (number, claim) in
            [(0, Claim::Resigns), (1, Claim::Holds(Priority::MIN)), (255, Claim::Holds(Priority::OWNER))]
        {
            let read: AdvertisementHeard = serde_json::from_value(heard(number)).unwrap();
            assert_eq!(read.priority, claim);
            assert_eq!(serde_json::to_value(read).unwrap(), heard(number));
        }
        for number in [-1, 256] {
            let refused = serde_json::from_value::<AdvertisementHeard>(heard(number)).expect_err("no octet");
            assert!(refused.to_string().ends_with("allowed are 0 to 255"), "{refused}");
        }
    }
}
