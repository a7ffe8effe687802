//! A group as far as its body could be read: a field that could not is `None`.
//!
//! Rules run on what is there, so that one answer lists the values that are wrong in themselves beside those that
//! break a rule. A rule that needs a missing field says nothing.

use std::net::IpAddr;

use api_types::check::Track;
use api_types::group::{Checksum, ExternalMember, GroupSpec, MemberSpec, NodeMemberSpec, with_priorities};
use api_types::hook::{Hook, PreActive};
use api_types::protocol::{
    Authentication, MacMode, MaxHops, PreemptDelay, Transport, VirtualRoute, VirtualRule,
};
use api_types::{Name, VirtualAddress};
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

/// A group of which not every field is known. The fields are those of [`GroupSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is documented where it is named, in GroupSpec")]
pub struct GroupDraft {
    pub name: Option<Name>,
    pub description: Option<String>,
    pub segment: Option<Name>,
    pub family: Option<Family>,
    pub vrid: Option<Vrid>,
    pub version: Option<Version>,
    pub advertisement_interval_ms: Option<AdvertisementInterval>,
    pub preempt_mode: Option<bool>,
    pub preempt_delay_ms: Option<PreemptDelay>,
    pub accept_mode: Option<bool>,
    pub mac_mode: Option<MacMode>,
    pub transport: Option<Transport>,
    pub max_hops: Option<MaxHops>,
    pub require_link_local: Option<bool>,
    pub authentication: Option<Option<Authentication>>,
    pub checksum: Option<Checksum>,
    pub virtual_addresses: Option<Vec<Option<VirtualAddress>>>,
    pub virtual_routes: Option<Vec<Option<VirtualRoute>>>,
    pub virtual_rules: Option<Vec<Option<VirtualRule>>>,
    pub track: Option<Vec<Option<Track>>>,
    /// See [`GroupSpec::pre_active`].
    pub pre_active: Option<Option<PreActive>>,
    /// See [`GroupSpec::hooks`].
    pub hooks: Option<Vec<Option<Hook>>>,
    pub members: Option<Vec<MemberDraft>>,
}

/// A member of which not every field is known. The fields are those of [`NodeMemberSpec`] and
/// [`ExternalMember`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is documented where it is named, in MemberSpec")]
pub enum MemberDraft {
    Node {
        node: Option<Name>,
        interface: Option<String>,
        priority: Option<Option<Priority>>,
    },
    External {
        name: Option<Name>,
        address: Option<IpAddr>,
        priority: Option<Priority>,
    },
    /// Not even its kind.
    Unread,
}

impl GroupDraft {
    /// The virtual addresses that could be read, each with its position.
    pub fn addresses(&self) -> impl Iterator<Item = (usize, &VirtualAddress)> {
        let list = self.virtual_addresses.iter().flatten().enumerate();
        list.filter_map(|(position, address)| Some((position, address.as_ref()?)))
    }

    /// Its hooks as far as they could be read, each with its position.
    pub fn hooks(&self) -> impl Iterator<Item = (usize, &Hook)> {
        let list = self.hooks.iter().flatten().enumerate();
        list.filter_map(|(position, hook)| Some((position, hook.as_ref()?)))
    }

    /// What it tracks as far as it could be read, each with its position.
    pub fn track(&self) -> impl Iterator<Item = (usize, &Track)> {
        let list = self.track.iter().flatten().enumerate();
        list.filter_map(|(position, track)| Some((position, track.as_ref()?)))
    }

    /// The members, each with its position.
    pub fn members(&self) -> impl Iterator<Item = (usize, &MemberDraft)> {
        self.members.iter().flatten().enumerate()
    }

    /// The addresses of the members without an agent, each with the position of its member.
    pub fn external_addresses(&self) -> impl Iterator<Item = (usize, IpAddr)> {
        self.members().filter_map(|(position, member)| match member {
            MemberDraft::External { address, .. } => Some((position, (*address)?)),
            MemberDraft::Node { .. } | MemberDraft::Unread => None,
        })
    }

    /// The group, when every field could be read and there are priorities for all members.
    #[must_use]
    pub fn complete(self) -> Option<GroupSpec> {
        let members: Option<_> = self.members?.into_iter().map(MemberDraft::complete).collect();
        let members = with_priorities(members?, self.advertisement_interval_ms?).ok()?;
        Some(GroupSpec {
            name: self.name?,
            description: self.description?,
            segment: self.segment?,
            family: self.family?,
            vrid: self.vrid?,
            version: self.version?,
            advertisement_interval_ms: Some(self.advertisement_interval_ms?),
            preempt_mode: self.preempt_mode?,
            preempt_delay_ms: self.preempt_delay_ms?,
            accept_mode: self.accept_mode?,
            mac_mode: self.mac_mode?,
            transport: self.transport?,
            max_hops: self.max_hops?,
            require_link_local: self.require_link_local?,
            authentication: self.authentication?,
            checksum: self.checksum?,
            virtual_addresses: self.virtual_addresses?.into_iter().collect::<Option<_>>()?,
            virtual_routes: self.virtual_routes?.into_iter().collect::<Option<_>>()?,
            virtual_rules: self.virtual_rules?.into_iter().collect::<Option<_>>()?,
            track: self.track?.into_iter().collect::<Option<_>>()?,
            pre_active: self.pre_active?,
            hooks: self.hooks?.into_iter().collect::<Option<_>>()?,
            members,
        })
    }
}

impl MemberDraft {
    /// The name people know the member by.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        match self {
            Self::Node { node: name, .. } | Self::External { name, .. } => name.as_ref(),
            Self::Unread => None,
        }
    }

    /// The field that holds [`Self::name`].
    #[must_use]
    pub const fn name_field(&self) -> &'static str {
        match self {
            Self::Node { .. } => "node",
            Self::External { .. } | Self::Unread => "name",
        }
    }

    /// Whether it says that it owns the addresses.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.priority().flatten().is_some_and(Priority::is_owner)
    }

    /// Its priority: `None` when it is not known, `Some(None)` when none is written.
    #[must_use]
    pub fn priority(&self) -> Option<Option<Priority>> {
        match self {
            Self::Node { priority, .. } => *priority,
            Self::External { priority, .. } => priority.map(Some),
            Self::Unread => None,
        }
    }

    fn complete(self) -> Option<MemberSpec> {
        match self {
            Self::Node { node, interface, priority } => Some(MemberSpec::Node(NodeMemberSpec {
                node: node?,
                interface: interface?,
                priority: priority?,
            })),
            Self::External { name, address, priority } => {
                let (name, address, priority) = (name?, address?, priority?);
                Some(MemberSpec::External(ExternalMember { name, address, priority }))
            }
            Self::Unread => None,
        }
    }
}
