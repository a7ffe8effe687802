//! Reads the body of a group.

use api_types::check::{Track, Weight};
use api_types::group::{Checksum, default_advertisement_interval};
use api_types::hook::{Hook, HookTimeout, PreActive};
use api_types::protocol::{
    Authentication, MacMode, MaxHops, PreemptDelay, Transport, VirtualRoute, VirtualRule,
};
use serde::Deserialize;
use vrrp::{Family, Version};

use crate::domain::group::{
    GroupDraft, MAX_HOOKS, MAX_MEMBERS, MAX_TRACKED, MAX_VIRTUAL_ADDRESSES, MAX_VIRTUAL_ROUTES, MemberDraft,
};
use crate::http::canonical::Canonical;
use crate::http::fields::{Fields, FromFields};

impl FromFields for GroupDraft {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        let segment = fields.required("segment");
        let family = fields.optional("family", Family::default);
        let vrid = fields.required("vrid");
        let version = fields.optional("version", Version::default);
        let usual_interval = || default_advertisement_interval(version.unwrap_or_default());
        Some(Self {
            name,
            description,
            segment,
            family,
            vrid,
            version,
            advertisement_interval_ms: fields.optional("advertisement_interval_ms", usual_interval),
            preempt_mode: fields.optional("preempt_mode", || true),
            preempt_delay_ms: fields.optional("preempt_delay_ms", PreemptDelay::default),
            accept_mode: fields.optional("accept_mode", || true),
            mac_mode: fields.optional("mac_mode", MacMode::default),
            transport: fields.optional("transport", Transport::default),
            max_hops: fields.optional("max_hops", MaxHops::default),
            require_link_local: fields.optional("require_link_local", || true),
            authentication: fields.object_or_null("authentication"),
            checksum: fields.optional("checksum", Checksum::default),
            virtual_addresses: fields.list_draft("virtual_addresses", 1..=MAX_VIRTUAL_ADDRESSES),
            virtual_routes: fields.optional_objects_draft("virtual_routes", MAX_VIRTUAL_ROUTES),
            virtual_rules: fields.optional_objects_draft("virtual_rules", MAX_VIRTUAL_ROUTES),
            track: fields.optional_objects_draft("track", MAX_TRACKED),
            pre_active: fields.object_or_null("pre_active"),
            hooks: fields.optional_objects_draft("hooks", MAX_HOOKS),
            members: fields.objects_draft("members", 1..=MAX_MEMBERS).map(|members| {
                members.into_iter().map(|member| member.unwrap_or(MemberDraft::Unread)).collect()
            }),
        })
    }
}

impl FromFields for PreActive {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let hook = fields.required("hook");
        let timeout_ms = fields.optional("timeout_ms", HookTimeout::of_pre_active);
        Some(Self { hook: hook?, timeout_ms: timeout_ms? })
    }
}

impl FromFields for Hook {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let (on, hook) = (fields.required("on"), fields.required("hook"));
        let timeout_ms = fields.optional("timeout_ms", HookTimeout::of_hook);
        Some(Self { on: on?, hook: hook?, timeout_ms: timeout_ms? })
    }
}

impl FromFields for Track {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let check = fields.required("check");
        let weight = fields.optional("weight", Weight::default);
        let reverse = fields.optional("reverse", bool::default);
        Some(Self { check: check?, weight: weight?, reverse: reverse? })
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
                priority: fields.present("priority"),
            },
            MemberKind::External => Self::External {
                name: fields.required("name"),
                address: fields.required("address").map(|Canonical(address)| address),
                priority: fields.required("priority"),
            },
        })
    }
}

/// The kinds of authentication.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthenticationKind {
    SimpleText,
}

impl FromFields for Authentication {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.required("type");
        let text = fields.required("text");
        match kind? {
            AuthenticationKind::SimpleText => Some(Self::SimpleText { text: text? }),
        }
    }
}

impl FromFields for VirtualRoute {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let destination = fields.required("destination");
        let gateway = fields.present("gateway");
        let metric = fields.present("metric");
        let table = fields.present("table");
        Some(Self {
            destination: destination.map(|Canonical(prefix)| prefix)?,
            gateway: gateway?.map(|Canonical(address)| address),
            metric: metric?,
            table: table?,
        })
    }
}

impl FromFields for VirtualRule {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let from = fields.present("from");
        let to = fields.present("to");
        let table = fields.required("table");
        let preference = fields.required("preference");
        Some(Self {
            from: from?.map(|Canonical(prefix)| prefix),
            to: to?.map(|Canonical(prefix)| prefix),
            table: table?,
            preference: preference?,
        })
    }
}
