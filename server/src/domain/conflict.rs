//! Requests that are well formed and cannot be met, because of another object. Each names that object.

use std::fmt;
use std::net::IpAddr;

use api_types::Name;
use api_types::channel::Revision;
use vrrp::{Family, Vrid};

/// The kinds of objects that operators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A segment.
    Segment,
    /// A node.
    Node,
    /// A VIP group.
    Group,
    /// A check.
    Check,
    /// A sync group.
    SyncGroup,
}

impl Kind {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Node => "node",
            Self::Group => "group",
            Self::Check => "check",
            Self::SyncGroup => "sync_group",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another object stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// The name belongs to another object of the kind.
    NameTaken {
        /// The kind of both objects.
        kind: Kind,
        /// The name.
        name: Name,
    },
    /// The name of a node belongs to external members of groups, which could not be told from it.
    ExternalNameTaken {
        /// The name.
        name: Name,
        /// The groups, by name; not empty.
        groups: Vec<Name>,
    },
    /// The VRID belongs to another group that the same routers would hear.
    VridTaken {
        /// The VRID.
        vrid: Vrid,
        /// Its family.
        family: Family,
        /// The other group.
        group: Name,
        /// The segment of the other group.
        segment: Name,
    },
    /// A virtual address belongs to another group on the same wire.
    AddressTaken {
        /// Which of the virtual addresses, from 0.
        position: usize,
        /// The address.
        address: IpAddr,
        /// The other group.
        group: Name,
        /// The segment of the other group.
        segment: Name,
    },
    /// A group is in another sync group.
    GroupTaken {
        /// Which of the groups, from 0.
        position: usize,
        /// The group.
        group: Name,
        /// The other sync group.
        sync_group: Name,
    },
    /// A group is in a sync group, and must be what that needs.
    InSyncGroup {
        /// The group.
        group: Name,
        /// The sync group.
        sync_group: Name,
        /// Why it cannot be changed like that, in a sentence; `None` when it cannot be deleted.
        why: Option<String>,
    },
    /// The object cannot be deleted, because others refer to it.
    InUse {
        /// The kind of the object.
        kind: Kind,
        /// Its name.
        name: Name,
        /// The groups that refer to it, by name; not empty.
        groups: Vec<Name>,
    },
    /// The node cannot be deleted, because its agent has not applied that it is a member of nothing.
    AgentBehind {
        /// Its name.
        name: Name,
        /// What it shall run.
        desired: Revision,
        /// What it runs, as far as it has said.
        applied: Option<Revision>,
    },
    /// No switchover can move the addresses of the group.
    NotMovable {
        /// The group.
        group: Name,
        /// Why, in a sentence.
        why: String,
    },
    /// The node of a switchover could not take over now.
    NotReady {
        /// The group.
        group: Name,
        /// The node.
        node: Name,
        /// Why, after its name.
        why: String,
    },
    /// The node of a switchover has the addresses, or is about to.
    AlreadyThere {
        /// The group.
        group: Name,
        /// The node.
        node: Name,
        /// Whether an earlier switchover is just moving them there.
        on_their_way: bool,
    },
    /// The agent of a node does not know what a drain is.
    CannotDrain {
        /// The node.
        node: Name,
    },
    /// Without the node nobody would be ready to hold the addresses of these groups.
    NoReadyMember {
        /// The node.
        node: Name,
        /// Each group, and why nobody else is ready in it; not empty.
        groups: Vec<(Name, String)>,
    },
    /// The new prefixes of a segment leave out an address that a group on it has.
    PrefixInUse {
        /// The addresses that would fall outside, each with its group; not empty.
        left_out: Vec<(IpAddr, Name)>,
    },
}

impl Conflict {
    /// The field of the body that stands in conflict, as a JSON pointer; `None` when there is no body.
    #[must_use]
    pub fn pointer(&self) -> Option<String> {
        match self {
            Self::NameTaken { .. } | Self::ExternalNameTaken { .. } => Some("/name".to_owned()),
            Self::VridTaken { .. } => Some("/vrid".to_owned()),
            Self::AddressTaken { position, .. } => Some(format!("/virtual_addresses/{position}")),
            Self::NotReady { .. } | Self::AlreadyThere { .. } => Some("/to".to_owned()),
            Self::GroupTaken { position, .. } => Some(format!("/groups/{position}")),
            Self::InUse { .. }
            | Self::InSyncGroup { .. }
            | Self::AgentBehind { .. }
            | Self::NotMovable { .. }
            | Self::CannotDrain { .. }
            | Self::NoReadyMember { .. } => None,
            Self::PrefixInUse { .. } => Some("/prefixes".to_owned()),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken { kind, name } => {
                write!(f, "there is a {kind} {name} already: allowed is a name that no other {kind} has")
            }
            Self::ExternalNameTaken { name, groups } => write!(
                f,
                "{name} is the name of an external member of {}: allowed is a name that no member has",
                Listed(groups)
            ),
            Self::VridTaken { vrid, family, group, segment } => write!(
                f,
                "{family} VRID {vrid} belongs to group {group} on segment {segment}: allowed is one that is free \
                 there"
            ),
            Self::AddressTaken { address, group, segment, .. } => write!(
                f,
                "{address} belongs to group {group} on segment {segment}: allowed is an address that is free there"
            ),
            Self::GroupTaken { group, sync_group, .. } => write!(
                f,
                "group {group} is in sync group {sync_group}: allowed is a group that is in no other one"
            ),
            Self::InSyncGroup { group, sync_group, why: None } => {
                write!(f, "group {group} is in sync group {sync_group}: take it out of that first")
            }
            Self::InSyncGroup { group, sync_group, why: Some(why) } => write!(
                f,
                "group {group} is in sync group {sync_group}: {why}. Or take it out of the sync group first"
            ),
            Self::InUse { kind, name, groups } => {
                write!(f, "{kind} {name} is used by {}: change or delete them first", Listed(groups))
            }
            Self::AgentBehind { name, desired, applied } => {
                match applied {
                    Some(applied) => {
                        write!(f, "the agent of node {name} runs revision {applied}, not {desired}")?
                    }
                    None => {
                        write!(f, "the agent of node {name} has not said that it runs revision {desired}")?
                    }
                }
                f.write_str(
                    ": it may hold addresses, and once the node is gone nobody can tell it to let go. Wait until it is \
                     connected and has applied it; or delete the node with ?force=true",
                )
            }
            Self::NotMovable { group, why } => {
                write!(f, "the addresses of group {group} cannot be moved on request: {why}")
            }
            Self::NotReady { group, node, why } => {
                write!(f, "{node} cannot take over group {group} now: it {why}")
            }
            Self::AlreadyThere { group, node, on_their_way: false } => {
                write!(f, "{node} holds the addresses of group {group} already")
            }
            Self::AlreadyThere { group, node, on_their_way: true } => {
                write!(f, "the addresses of group {group} are on their way to {node} already")
            }
            Self::CannotDrain { node } => write!(
                f,
                "the agent of node {node} knows nothing of drains: update it; with ?force=true it will be drained \
                 once it is"
            ),
            Self::NoReadyMember { node, groups } => {
                let groups: Vec<_> =
                    groups.iter().map(|(group, why)| format!("group {group}: {why}")).collect();
                write!(
                    f,
                    "without {node} nobody would be ready to hold: {}. With ?force=true it is drained all the same",
                    groups.join("; ")
                )
            }
            Self::PrefixInUse { left_out } => {
                let addresses: Vec<_> =
                    left_out.iter().map(|(address, group)| format!("{address} of group {group}")).collect();
                write!(f, "the prefixes leave out {}: change or delete it first", Shortened(&addresses))
            }
        }
    }
}

/// More than this many names in one sentence help nobody.
const MOST_NAMED: usize = 5;

struct Listed<'a>(&'a [Name]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> = self.0.iter().map(|name| format!("group {name}")).collect();
        Shortened(&named).fmt(f)
    }
}

struct Shortened<'a>(&'a [String]);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().min(MOST_NAMED);
        f.write_str(&self.0[..shown].join(", "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn what_uses_an_object_is_named_up_to_a_readable_number() {
        let in_use = |count: usize| Conflict::InUse {
            kind: Kind::Segment,
            name: name("frontend"),
            groups: (1..=count).map(|number| name(&format!("g{number}"))).collect(),
        };
        assert_eq!(
            in_use(2).to_string(),
            "segment frontend is used by group g1, group g2: change or delete them first"
        );
        assert_eq!(
            in_use(7).to_string(),
            "segment frontend is used by group g1, group g2, group g3, group g4, group g5 and 2 more: \
             change or delete them first"
        );
    }

    #[test]
    fn a_conflict_names_the_other_group_and_the_field() {
        let conflict = Conflict::AddressTaken {
            position: 2,
            address: "192.0.2.10".parse().expect("an address"),
            group: name("web"),
            segment: name("frontend"),
        };
        assert_eq!(conflict.pointer().as_deref(), Some("/virtual_addresses/2"));
        assert!(conflict.to_string().starts_with("192.0.2.10 belongs to group web on segment frontend"));
    }
}
