//! What the roles may do. A route without an [`Access`] does not compile.

use api_types::auth::Role;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Callers whose role has the permission.
    Requires(Permission),
    /// Every caller who is known, whatever the role.
    Known,
    /// The agent of a node; the handler takes the agent's identity and refuses everybody else.
    Agent,
    /// Everybody. The reason is part of the route table.
    Open(&'static str),
}

/// The things that may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read segments, nodes, groups, failovers and transitions.
    ReadObjects,
    /// Write segments, nodes and groups.
    WriteObjects,
    /// Move addresses between the members that there are: switchovers and drains.
    MoveAddresses,
    /// Read the audit log.
    ReadAudit,
    /// Read the metrics.
    ReadMetrics,
    /// Read, create and delete API tokens.
    ManageTokens,
    /// Read, create and delete join tokens.
    ManageJoinTokens,
}

impl Permission {
    /// The word that the API document and the audit log use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadObjects => "objects.read",
            Self::WriteObjects => "objects.write",
            Self::MoveAddresses => "addresses.move",
            Self::ReadAudit => "audit.read",
            Self::ReadMetrics => "metrics.read",
            Self::ManageTokens => "tokens.manage",
            Self::ManageJoinTokens => "join-tokens.manage",
        }
    }
}

/// Whether `role` has `permission`.
#[must_use]
pub const fn allows(role: Role, permission: Permission) -> bool {
    match permission {
        Permission::ReadObjects | Permission::ReadMetrics => true,
        Permission::WriteObjects => matches!(role, Role::Editor | Role::Admin),
        Permission::MoveAddresses => matches!(role, Role::Operator | Role::Editor | Role::Admin),
        Permission::ReadAudit => matches!(role, Role::Auditor | Role::Admin),
        Permission::ManageTokens | Permission::ManageJoinTokens => matches!(role, Role::Admin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_admin_hands_out_tokens_and_only_auditors_and_admins_read_the_log() {
        for role in [Role::Viewer, Role::Operator, Role::Editor, Role::Auditor] {
            assert!(allows(role, Permission::ReadObjects), "{role:?}");
            assert!(!allows(role, Permission::ManageTokens), "{role:?}");
            assert!(!allows(role, Permission::ManageJoinTokens), "{role:?}");
            assert_eq!(allows(role, Permission::ReadAudit), role == Role::Auditor, "{role:?}");
            assert_eq!(allows(role, Permission::WriteObjects), role == Role::Editor, "{role:?}");
            let moves = matches!(role, Role::Operator | Role::Editor);
            assert_eq!(allows(role, Permission::MoveAddresses), moves, "{role:?}");
        }
        assert!(allows(Role::Admin, Permission::ManageTokens));
    }
}
