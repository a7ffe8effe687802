//! Reads the body of a group.

use std::net::IpAddr;

use api_types::group::{
    Checksum, ExternalMember, GroupSpec, Member, NodeMember, default_advertisement_interval,
    default_preempt_mode,
};
use serde::Deserialize;
use vrrp::{Family, Version};

use crate::domain::group::{MAX_MEMBERS, MAX_VIRTUAL_ADDRESSES};
use crate::http::canonical::Canonical;
use crate::http::fields::{Fields, FromFields};

impl FromFields for GroupSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        let segment = fields.required("segment");
        let family = fields.optional("family", Family::default);
        let vrid = fields.required("vrid");
        let version = fields.optional("version", Version::default);
        let interval = fields.optional("advertisement_interval_ms", default_advertisement_interval);
        let preempt_mode = fields.optional("preempt_mode", default_preempt_mode);
        let checksum = fields.optional("checksum", Checksum::default);
        let virtual_addresses = fields.list("virtual_addresses", 1..=MAX_VIRTUAL_ADDRESSES);
        let members = fields.objects("members", 1..=MAX_MEMBERS);
        Some(Self {
            name: name?,
            description: description?,
            segment: segment?,
            family: family?,
            vrid: vrid?,
            version: version?,
            advertisement_interval_ms: interval?,
            preempt_mode: preempt_mode?,
            checksum: checksum?,
            virtual_addresses: virtual_addresses?,
            members: members?,
        })
    }
}

/// The kinds of members.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MemberKind {
    Node,
    External,
}

impl FromFields for Member {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let Some(kind) = fields.required("kind") else {
            fields.skip(&["node", "interface", "name", "address", "priority"]);
            return None;
        };
        match kind {
            MemberKind::Node => {
                let node = fields.required("node");
                let interface = fields.required("interface");
                let priority = fields.required("priority");
                Some(Self::Node(NodeMember { node: node?, interface: interface?, priority: priority? }))
            }
            MemberKind::External => {
                let name = fields.required("name");
                let address = fields.required::<Canonical<IpAddr>>("address");
                let priority = fields.required("priority");
                let Canonical(address) = address?;
                Some(Self::External(ExternalMember { name: name?, address, priority: priority? }))
            }
        }
    }
}
