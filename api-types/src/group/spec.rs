//! A group as operators write it, with what is usual where they say nothing.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vrrp::{AdvertisementInterval, Family, Version, Vrid};

use super::Checksum;
use super::member::{self, Member, MemberSpec};
use crate::check::Track;
use crate::hook::{Hook, PreActive};
use crate::protocol::{
    Authentication, MacMode, MaxHops, PreemptDelay, ProtocolOptions, Transport, VirtualRoute, VirtualRule,
};
use crate::{Name, VirtualAddress};

/// A group as an operator writes it. Read from outside, it has every field, also those that were left out.
// `M` is a member with its priority; while it is read, one that may have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "GroupSpec")]
pub struct GroupSpec<M = Member> {
    /// Unique among groups.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "web"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
    /// The name of the segment the group lives on.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "frontend"))]
    pub segment: Name,
    /// The address family. The same VRID in two families is two virtual routers.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Family, default = "ipv4"))]
    pub family: Family,
    /// The virtual router identifier, unique in the segment and family.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255, example = 51))]
    pub vrid: Vrid,
    /// The protocol version.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 2, maximum = 3, default = 3))]
    pub version: Version,
    /// How often the active member advertises, in milliseconds: multiples of 10 from 10 to 40,950, by default 100; in
    /// version 2 multiples of 1,000 from 1,000 to 255,000, by default 1,000. `None` is that default.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 10, maximum = 255_000, multiple_of = 10))]
    pub advertisement_interval_ms: Option<AdvertisementInterval>,
    /// Whether a member takes the addresses from an active one of lower priority. The owner always does.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub preempt_mode: bool,
    /// For how long a member must have heard an active one of lower priority before it takes the addresses from it, in
    /// milliseconds. The owner never waits.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 0, maximum = 3_600_000, default = 0))]
    pub preempt_delay_ms: PreemptDelay,
    /// Whether the active member accepts packets to the virtual addresses; ARP and neighbour discovery it always
    /// answers. The owner always accepts.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub accept_mode: bool,
    /// Which MAC address answers for the virtual addresses.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = "interface"))]
    pub mac_mode: MacMode,
    /// How advertisements reach the other members. Unicast goes to the address of each other member, which is known: it
    /// is the one its agent reports, or the one an external member is written with.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = "multicast"))]
    pub transport: Transport,
    /// How many routers may lie between members: 0 to 254, and only with unicast more than 0.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 0, maximum = 254, default = 0))]
    pub max_hops: MaxHops,
    /// Whether the first virtual address of an IPv6 group must be link-local, as RFC 9568 wants it. Without, some
    /// routers of other makers can be members.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub require_link_local: bool,
    /// What version 2 carries beside its addresses; `null` for nothing. It keeps nobody out: whoever hears one
    /// advertisement knows the text. Use it only for routers that insist on it.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// Which form of the version 3 checksum the members send over IPv4.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = "auto"))]
    pub checksum: Checksum,
    /// The addresses that move, 1 to 1,000. No member has one as its own, but the owner (priority 255).
    /// An advertisement has room for the first 255, in IPv6 for the first 90; the others move with them.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 1000, example = json!(["192.0.2.10/24"])))]
    pub virtual_addresses: Vec<VirtualAddress>,
    /// Routes that the active member has through its interface, from after it got the addresses until before it lets go
    /// of them.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 64))]
    pub virtual_routes: Vec<VirtualRoute>,
    /// Policy rules that the active member has, for as long.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 64))]
    pub virtual_rules: Vec<VirtualRule>,
    /// The checks that say whether a member can hold the addresses, at most 32, each once. Each node that is a member
    /// runs them by itself. A check of weight 0 puts its member in `fault` while it fails; the others move its
    /// priority, so a weight that is to move the addresses must be larger than the distance to the next member. The
    /// owner (priority 255) holds its own addresses whatever a check says, so a group with one tracks none.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub track: Vec<Track>,
    /// A program of the host that must succeed before a member which has become active answers for the addresses;
    /// `null` for none. Until then it holds and advertises in silence.
    #[serde(default)]
    pub pre_active: Option<PreActive>,
    /// Programs of the hosts that follow the state of their member, at most 32. Those of one state run in this order.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub hooks: Vec<Hook>,
    /// Who takes part. 1 to 32.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<MemberSpec>, min_items = 1, max_items = 32))]
    pub members: Vec<M>,
}

/// The interval of a group of this version that asks for none.
#[must_use]
pub const fn default_advertisement_interval(version: Version) -> AdvertisementInterval {
    match version {
        Version::V3 => AdvertisementInterval::DEFAULT_V3,
        Version::V2 => AdvertisementInterval::DEFAULT_V2,
    }
}

pub(super) const fn yes() -> bool {
    true
}

impl<M> GroupSpec<M> {
    /// How often the active member advertises.
    #[must_use]
    pub fn advertisement_interval(&self) -> AdvertisementInterval {
        self.advertisement_interval_ms.unwrap_or_else(|| default_advertisement_interval(self.version))
    }

    /// How the members speak, beyond the election.
    #[must_use]
    pub fn options(&self) -> ProtocolOptions {
        ProtocolOptions {
            preempt_delay_ms: self.preempt_delay_ms,
            accept_mode: self.accept_mode,
            mac_mode: self.mac_mode,
            transport: self.transport,
            max_hops: self.max_hops,
            require_link_local: self.require_link_local,
            authentication: self.authentication.clone(),
            virtual_routes: self.virtual_routes.clone(),
            virtual_rules: self.virtual_rules.clone(),
        }
    }
}

impl Serialize for GroupSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for GroupSpec {
    /// What is left out depends on other fields, the interval on the version and priorities on each other, so it is
    /// filled in once all are read.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = GroupSpec::<MemberSpec>::deserialize(deserializer)?;
        let interval = spec.advertisement_interval();
        let members = member::with_priorities(spec.members, interval).map_err(D::Error::custom)?;
        Ok(Self {
            members,
            advertisement_interval_ms: Some(interval),
            name: spec.name,
            description: spec.description,
            segment: spec.segment,
            family: spec.family,
            vrid: spec.vrid,
            version: spec.version,
            preempt_mode: spec.preempt_mode,
            preempt_delay_ms: spec.preempt_delay_ms,
            accept_mode: spec.accept_mode,
            mac_mode: spec.mac_mode,
            transport: spec.transport,
            max_hops: spec.max_hops,
            require_link_local: spec.require_link_local,
            authentication: spec.authentication,
            checksum: spec.checksum,
            virtual_addresses: spec.virtual_addresses,
            virtual_routes: spec.virtual_routes,
            virtual_rules: spec.virtual_rules,
            track: spec.track,
            pre_active: spec.pre_active,
            hooks: spec.hooks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn least() -> Value {
        json!({"name": "web", "segment": "lan", "vrid": 51, "virtual_addresses": ["192.0.2.10/24"],
               "members": [{"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240}]})
    }

    #[test]
    fn the_interval_that_is_left_out_is_the_one_of_the_version() {
        let interval = |version: Option<u8>, written: Option<u32>| {
            let mut group = least();
            if let Some(version) = version {
                group["version"] = json!(version);
            }
            if let Some(written) = written {
                group["advertisement_interval_ms"] = json!(written);
            }
            let spec: GroupSpec = serde_json::from_value(group).unwrap();
            serde_json::to_value(spec).unwrap()["advertisement_interval_ms"].clone()
        };
        assert_eq!(interval(None, None), 100);
        assert_eq!(interval(Some(3), None), 100);
        assert_eq!(interval(Some(2), None), 1_000);
        assert_eq!(interval(Some(2), Some(3_000)), 3_000);
        assert_eq!(interval(Some(2), Some(100)), 100, "what is written stays, for the rules to refuse");
    }

    #[test]
    fn priorities_that_are_left_out_are_given_and_the_given_ones_are_given_again() {
        let mut group = least();
        group["members"] = json!([
            {"kind": "node", "node": "lb1", "interface": "eth0"},
            {"kind": "external", "name": "old", "address": "192.0.2.9", "priority": 230},
            {"kind": "node", "node": "lb2", "interface": "eth0"},
        ]);
        let spec: GroupSpec = serde_json::from_value(group.clone()).unwrap();
        let given: Vec<_> = spec.members.iter().map(|member| member.priority().get()).collect();
        assert_eq!(given, [240, 230, 222]);
        let again: GroupSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);

        group["advertisement_interval_ms"] = json!(10);
        group["members"].as_array_mut().unwrap().extend(
            (0..3).map(|number| json!({"kind": "node", "node": format!("n{number}"), "interface": "eth0"})),
        );
        let error = serde_json::from_value::<GroupSpec>(group).expect_err("there is no room").to_string();
        assert!(error.starts_with("5 members have no priority written, and at 10 ms"), "{error}");
    }

    #[test]
    fn an_external_member_says_what_it_is_expected_to_advertise() {
        let mut group = least();
        group["members"] = json!([{"kind": "external", "name": "old", "address": "192.0.2.9"}]);
        let error =
            serde_json::from_value::<GroupSpec>(group).expect_err("nobody can give it one").to_string();
        assert!(error.contains("missing field `priority`"), "{error}");
    }

    #[test]
    fn what_is_left_out_is_how_a_group_usually_speaks() {
        let spec: GroupSpec = serde_json::from_value(least()).unwrap();
        assert_eq!(spec.options(), ProtocolOptions::default());
        assert!(spec.preempt_mode);
        let again: GroupSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut group = least();
        group["vridd"] = json!(1);
        let error = serde_json::from_value::<GroupSpec>(group).expect_err("nobody knows it");
        assert!(error.to_string().contains("unknown field `vridd`"), "{error}");
    }
}
