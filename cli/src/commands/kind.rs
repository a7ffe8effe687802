//! The kinds of objects, their words on the command line and their places in the API.

use clap::ValueEnum;

/// A kind of object that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    #[value(alias = "segment")]
    Segments,
    #[value(alias = "node")]
    Nodes,
    #[value(alias = "group")]
    Groups,
    #[value(alias = "check")]
    Checks,
    #[value(alias = "sync-group")]
    SyncGroups,
    #[value(alias = "failover")]
    Failovers,
    #[value(alias = "transition")]
    Transitions,
    /// The audit log
    #[value(alias = "audit-event", alias = "audit-events")]
    Audit,
    /// API tokens, without their secrets
    #[value(alias = "token")]
    Tokens,
    /// Join tokens, without their secrets
    #[value(alias = "join-token")]
    JoinTokens,
}

impl Kind {
    /// The word for one object.
    pub(super) const fn singular(self) -> &'static str {
        match self {
            Self::Segments => "segment",
            Self::Nodes => "node",
            Self::Groups => "group",
            Self::Checks => "check",
            Self::SyncGroups => "sync-group",
            Self::Failovers => "failover",
            Self::Transitions => "transition",
            Self::Audit => "audit-event",
            Self::Tokens => "token",
            Self::JoinTokens => "join-token",
        }
    }

    /// The words for several.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Audit => "audit events",
            Self::JoinTokens => "join tokens",
            Self::SyncGroups => "sync groups",
            Self::Tokens => "API tokens",
            Self::Segments
            | Self::Nodes
            | Self::Groups
            | Self::Checks
            | Self::Failovers
            | Self::Transitions => self.path(),
        }
    }

    /// Its list, below `/api/v1/`.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Nodes => "nodes",
            Self::Groups => "groups",
            Self::Checks => "checks",
            Self::SyncGroups => "sync-groups",
            Self::Failovers => "failovers",
            Self::Transitions => "transitions",
            Self::Audit => "audit-events",
            Self::Tokens => "tokens",
            Self::JoinTokens => "join-tokens",
        }
    }

    /// Whether `baton apply` takes it.
    pub(super) const fn can_be_applied(self) -> bool {
        matches!(self, Self::Segments | Self::Nodes | Self::Groups | Self::Checks | Self::SyncGroups)
    }

    /// Whether it only grows, newest first, so that a list of all is rarely wanted.
    pub(super) const fn is_log(self) -> bool {
        matches!(self, Self::Failovers | Self::Transitions | Self::Audit)
    }
}
