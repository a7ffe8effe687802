//! How the agent of a node stands to the server, in the words of the tables.

use api_types::node::Node;
use serde::Serialize;

use crate::output::Tone;

/// How the agent of a node stands to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgentLink {
    Connected,
    Disconnected,
    NotJoined,
}

impl AgentLink {
    /// How the agent of `node` stands.
    pub(super) const fn of(node: &Node) -> Self {
        match (node.status.enrolled, node.status.connected) {
            (_, true) => Self::Connected,
            (true, false) => Self::Disconnected,
            (false, false) => Self::NotJoined,
        }
    }

    /// The words of the tables.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::NotJoined => "not joined",
        }
    }

    /// What that says about the state of things.
    pub(super) const fn tone(self) -> Tone {
        match self {
            Self::Connected => Tone::Good,
            Self::Disconnected => Tone::Bad,
            Self::NotJoined => Tone::Warning,
        }
    }
}
