//! How the members of a group speak VRRP, beyond what every group says: all of it has a default.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a group asks of its members beyond the election, as the agent channel carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProtocolOptions {
    /// For how long a router of lower priority must have been heard before it is preempted.
    pub preempt_delay_ms: PreemptDelay,
    /// Whether the active member accepts packets to the virtual addresses. An owner always does.
    pub accept_mode: bool,
    /// Which MAC address answers for the virtual addresses.
    pub mac_mode: MacMode,
    /// How advertisements reach the other members.
    pub transport: Transport,
    /// How many routers may lie between members; only with [`Transport::Unicast`].
    pub max_hops: MaxHops,
    /// Whether the first IPv6 address must be link-local (RFC 9568 §5.2.9, erratum 8300).
    pub require_link_local: bool,
    /// What version 2 carries beside its addresses.
    pub authentication: Option<Authentication>,
    /// Routes that come and go with the addresses.
    pub virtual_routes: Vec<VirtualRoute>,
    /// Policy rules that come and go with the addresses.
    pub virtual_rules: Vec<VirtualRule>,
}

impl Default for ProtocolOptions {
    fn default() -> Self {
        Self {
            preempt_delay_ms: PreemptDelay::default(),
            accept_mode: true,
            mac_mode: MacMode::default(),
            transport: Transport::default(),
            max_hops: MaxHops::default(),
            require_link_local: true,
            authentication: None,
            virtual_routes: Vec::new(),
            virtual_rules: Vec::new(),
        }
    }
}

/// A preempt delay in milliseconds: 0 to 3,600,000 (the hold time of RFC 8347).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct PreemptDelay(u32);

/// The number is no preempt delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} ms is not a preempt delay: allowed are 0 to 3600000")]
pub struct PreemptDelayError(i64);

impl PreemptDelay {
    /// The longest, in milliseconds.
    pub const MAX_MS: u32 = 3_600_000;

    /// Whole milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// The delay.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0 as u64)
    }
}

impl TryFrom<i64> for PreemptDelay {
    type Error = PreemptDelayError;

    fn try_from(number: i64) -> Result<Self, PreemptDelayError> {
        let in_range = u32::try_from(number).ok().filter(|number| *number <= Self::MAX_MS);
        in_range.map(Self).ok_or(PreemptDelayError(number))
    }
}

impl From<PreemptDelay> for u32 {
    fn from(delay: PreemptDelay) -> Self {
        delay.0
    }
}

/// Which MAC address answers for the virtual addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MacMode {
    /// The interface's own; neighbours learn of a move from announcements.
    #[default]
    Interface,
    /// The virtual router's, 00-00-5E-00-01-VRID in IPv4 and 00-00-5E-00-02-VRID in IPv6 (RFC 9568 §7.3), on
    /// a macvlan of the interface.
    Virtual,
}

impl MacMode {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Virtual => "virtual",
        }
    }
}

/// How advertisements reach the other members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// To 224.0.0.18 or ff02::12 (RFC 9568 §5.1.1.2, §5.1.2.2).
    #[default]
    Multicast,
    /// To each other member's address. An extension: RFC 9568 knows only multicast.
    Unicast,
}

impl Transport {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Unicast => "unicast",
        }
    }
}

/// How many routers may lie between members: 0 to 254. A packet must still have a TTL of at least 255 less
/// these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u8")]
pub struct MaxHops(u8);

/// The number is no number of hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a number of hops: allowed are 0 to 254")]
pub struct MaxHopsError(i64);

impl MaxHops {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The least TTL or hop limit that a packet of a member may have.
    #[must_use]
    pub const fn least_hop_limit(self) -> u8 {
        u8::MAX - self.0
    }
}

impl TryFrom<i64> for MaxHops {
    type Error = MaxHopsError;

    fn try_from(number: i64) -> Result<Self, MaxHopsError> {
        let in_range = u8::try_from(number).ok().filter(|number| *number < u8::MAX);
        in_range.map(Self).ok_or(MaxHopsError(number))
    }
}

impl From<MaxHops> for u8 {
    fn from(hops: MaxHops) -> Self {
        hops.0
    }
}

/// How routers of version 2 recognise each other. Insecure: whoever hears one advertisement knows the text.
/// It is there for routers that insist on it (RFC 2338 §5.3.6; RFC 3768 has abolished it).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Authentication {
    /// A text in every advertisement: authentication type 1.
    SimpleText {
        /// 1 to 8 printable ASCII characters.
        #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[!-~]{1,8}$"))]
        text: SimpleText,
    },
}

/// 1 to 8 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SimpleText(String);

/// The text is none that version 2 can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it is no text of version 2: allowed are 1 to 8 printable ASCII characters")]
pub struct SimpleTextError;

impl SimpleText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SimpleText {
    type Error = SimpleTextError;

    fn try_from(text: String) -> Result<Self, SimpleTextError> {
        let fits = (1..=8).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(SimpleTextError) }
    }
}

impl From<SimpleText> for String {
    fn from(text: SimpleText) -> Self {
        text.0
    }
}

/// A route through the member's interface, there while the member holds the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualRoute {
    /// Where to: a prefix of the group's family, its host bits zero.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "198.51.100.0/24"))]
    pub destination: IpNet,
    /// The next hop; none for what is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "192.0.2.1"))]
    pub gateway: Option<IpAddr>,
    /// The metric; the kernel's default without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// The routing table, from 1; the main table without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub table: Option<u32>,
}

/// A policy rule, there while the member holds the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualRule {
    /// The source prefix it is about; any without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "192.0.2.10/32"))]
    pub from: Option<IpNet>,
    /// The destination prefix it is about; any without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub to: Option<IpNet>,
    /// The table to look in, from 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub table: u32,
    /// Rules are looked at by this number, lowest first: 1 to 32,765, before the main table's.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 32765))]
    pub preference: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_say() {
        assert_eq!(PreemptDelay::try_from(3_600_000).map(PreemptDelay::as_millis), Ok(3_600_000));
        assert!(PreemptDelay::try_from(3_600_001).is_err() && PreemptDelay::try_from(-1).is_err());
        assert_eq!(MaxHops::try_from(254).map(MaxHops::least_hop_limit), Ok(1));
        assert!(MaxHops::try_from(255).is_err() && MaxHops::try_from(-1).is_err());
        for (text, fits) in
            [("s3cret!~", true), ("", false), ("123456789", false), ("a b", false), ("ä", false)]
        {
            assert_eq!(SimpleText::try_from(text.to_owned()).is_ok(), fits, "{text:?}");
        }
    }

    #[test]
    fn what_an_older_server_does_not_send_has_its_default() {
        let options: ProtocolOptions = serde_json::from_str("{}").expect("every field has a default");
        assert_eq!(options, ProtocolOptions::default());
    }
}
