//! Failovers: the record that joins the transitions of one move.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// One move of a group's addresses from one holder to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failover {
    /// Names the failover.
    pub id: Uuid,
    /// The name of the group when it happened.
    pub group: String,
    /// The group.
    pub group_id: Uuid,
    /// The member that held the addresses before; `null` when nobody did.
    pub from: Option<String>,
    /// The member that holds them after.
    pub to: String,
    /// Why they moved.
    pub cause: FailoverCause,
    /// The checks that failed at the old holder when it let go, where that is what moved the addresses: they put it in
    /// `fault`, or lowered its priority below that of the new holder.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub failing_checks: Vec<String>,
    /// When the new holder last heard the old one advertise, by the new holder's wall clock.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_advertisement_at: Option<Timestamp>,
    /// When the addresses were bound; `null` when the new holder is an external member.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub bound_at: Option<Timestamp>,
    /// When the first gratuitous ARP or unsolicited NA left; `null` when the new holder is an external
    /// member.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub announced_at: Option<Timestamp>,
    /// How long nobody answered, in milliseconds, as well as it can be known; see `gap_method`.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0))]
    pub gap_ms: Option<f64>,
    /// How `gap_ms` was measured.
    pub gap_method: GapMethod,
    /// How long it took until another member had verified that the LAN follows, in milliseconds: on that member's
    /// `CLOCK_BOOTTIME`, from the first advertisement of the new holder that it accepted, until of all that answer
    /// its ARP probes or neighbour solicitations for the first three virtual addresses each is the new holder's
    /// MAC address, and an announcement of each has come through (an external holder need not be heard to
    /// announce). The longest, where several members have; `null` while none has, or none could.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0))]
    pub convergence_ms: Option<f64>,
    /// The member that measured `convergence_ms`.
    #[serde(default)]
    pub convergence_checked_by: Option<String>,
    /// When the server concluded the record: up to a second after the first report of the move, so that what
    /// both members report is in it. Reports that come later still correct it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub recorded_at: Timestamp,
    /// The transitions it was joined from.
    pub transitions: Vec<Uuid>,
}

/// Why a group's addresses moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailoverCause {
    /// The holder fell silent for `Active_Down_Interval`.
    NoResponse,
    /// The holder resigned with priority 0.
    PriorityZero,
    /// A member of higher priority took over.
    Preempting,
    /// The owner of the addresses returned.
    OwnerStarted,
    /// An operator asked for it.
    Switchover,
}

impl FailoverCause {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::NoResponse, Self::PriorityZero, Self::Preempting, Self::OwnerStarted, Self::Switchover];

    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoResponse => "no_response",
            Self::PriorityZero => "priority_zero",
            Self::Preempting => "preempting",
            Self::OwnerStarted => "owner_started",
            Self::Switchover => "switchover",
        }
    }
}

/// How the gap of a failover was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapMethod {
    /// From the last advertisement that the new holder heard to its first announcement, both on its own
    /// monotonic clock: the longest that clients can have been without an answer.
    LastAdvertisementToAnnouncement,
    /// From the old holder's release to the new holder's announcement, each by its node's wall clock; 0 when
    /// the new holder announced first.
    ReleaseToAnnouncement,
    /// Not known: the new holder is external, or nothing was heard before.
    Unknown,
}

impl GapMethod {
    /// All there are.
    pub const ALL: [Self; 3] =
        [Self::LastAdvertisementToAnnouncement, Self::ReleaseToAnnouncement, Self::Unknown];

    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastAdvertisementToAnnouncement => "last_advertisement_to_announcement",
            Self::ReleaseToAnnouncement => "release_to_announcement",
            Self::Unknown => "unknown",
        }
    }
}
