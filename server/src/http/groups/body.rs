//! Reads the body of a group.

use api_types::group::{Checksum, default_advertisement_interval, default_preempt_mode};
use serde::Deserialize;
use vrrp::{Family, Version};

use crate::domain::group::{GroupDraft, MAX_MEMBERS, MAX_VIRTUAL_ADDRESSES, MemberDraft};
use crate::http::canonical::Canonical;
use crate::http::fields::{Fields, FromFields};

impl FromFields for GroupDraft {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.required("name"),
            description: fields.optional("description", String::new),
            segment: fields.required("segment"),
            family: fields.optional("family", Family::default),
            vrid: fields.required("vrid"),
            version: fields.optional("version", Version::default),
            advertisement_interval_ms: fields
                .optional("advertisement_interval_ms", default_advertisement_interval),
            preempt_mode: fields.optional("preempt_mode", default_preempt_mode),
            checksum: fields.optional("checksum", Checksum::default),
            virtual_addresses: fields.list_draft("virtual_addresses", 1..=MAX_VIRTUAL_ADDRESSES),
            members: fields.objects_draft("members", 1..=MAX_MEMBERS).map(|members| {
                members.into_iter().map(|member| member.unwrap_or(MemberDraft::Unread)).collect()
            }),
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

impl FromFields for MemberDraft {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let Some(kind) = fields.required("kind") else {
            fields.skip(&["node", "interface", "name", "address", "priority"]);
            return None;
        };
        Some(match kind {
            MemberKind::Node => Self::Node {
                node: fields.required("node"),
                interface: fields.required("interface"),
                priority: fields.required("priority"),
            },
            MemberKind::External => Self::External {
                name: fields.required("name"),
                address: fields.required("address").map(|Canonical(address)| address),
                priority: fields.required("priority"),
            },
        })
    }
}
