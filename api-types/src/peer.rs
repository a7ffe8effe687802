//! The routers that a member of a group hears.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vrrp::{AdvertisementInterval, Claim, Version};

use crate::Timestamp;
use crate::group::Checksum;

/// A router that a member has heard, as it last spoke. Only the active router speaks, so a member that is
/// Backup is known from the last time that it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peer {
    /// The address of its advertisements.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub source: IpAddr,
    /// Which member of the group it is; `null` for a foreign router.
    #[serde(default)]
    pub member: Option<String>,
    /// The protocol version that it speaks.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 2, maximum = 3))]
    pub version: Version,
    /// What it claimed: its priority, 0 when it resigned.
    #[serde(with = "crate::transition::priority_octet")]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 0, maximum = 255))]
    pub priority: Claim,
    /// How often it says to advertise, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 255_000))]
    pub advertisement_interval_ms: AdvertisementInterval,
    /// Which form of the version 3 checksum it sends over IPv4, `rfc9568` or `rfc5798`; `null` where the
    /// forms do not differ, as in version 2 and over IPv6.
    pub checksum: Option<Checksum>,
    /// How many addresses it lists.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 255))]
    pub address_count: u32,
    /// What was odd about it to the member that hears it: `interval` and `address_list` (not the group's),
    /// `equal_priority` (the member's own), `duplicate_source` (the member's own address), `owners_addresses`
    /// (which the member owns).
    pub discrepancies: Vec<String>,
    /// Whether it advertises now: it claimed the addresses within about three of its intervals.
    pub speaking: bool,
    /// When it was last heard, by the clock of the node that hears it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub last_heard_at: Timestamp,
}

impl Peer {
    /// Whether this is odd about it.
    #[must_use]
    pub fn is_odd(&self, discrepancy: &str) -> bool {
        self.discrepancies.iter().any(|one| one == discrepancy)
    }

    /// The same but for the moment, which passes with every advertisement.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { last_heard_at: other.last_heard_at, ..self.clone() } == *other
    }
}
