//! What is as it should be and what is not, worst first.

use api_types::condition::Condition;
use api_types::group::{Group, Member};
use api_types::node::Node;
use api_types::transition::State;
use api_types::{Timestamp, VirtualAddress};
use serde::Serialize;

/// All groups and nodes. `baton status -o json` writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Health {
    /// Whether every group and every node is.
    pub(super) healthy: bool,
    /// Those that fail first, then by name.
    pub(super) groups: Vec<GroupHealth>,
    /// Those that fail first, then by name.
    pub(super) nodes: Vec<NodeHealth>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GroupHealth {
    pub(super) name: String,
    pub(super) healthy: bool,
    /// The members that hold the addresses; one when all is well.
    pub(super) active: Vec<String>,
    /// Since when the one active member is.
    pub(super) active_since: Option<Timestamp>,
    /// The members that could take over: in state backup with a connected agent, and external ones.
    pub(super) backup: Vec<String>,
    pub(super) virtual_addresses: Vec<VirtualAddress>,
    pub(super) problems: Vec<Problem>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct NodeHealth {
    pub(super) name: String,
    pub(super) healthy: bool,
    pub(super) agent: AgentLink,
    pub(super) last_seen_at: Option<Timestamp>,
    /// The groups whose addresses it was last reported to hold.
    pub(super) active_in: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// How the agent of a node stands to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgentLink {
    Connected,
    Disconnected,
    NotJoined,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Problem {
    pub(super) kind: String,
    pub(super) detail: String,
    pub(super) since: Option<Timestamp>,
}

impl AgentLink {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::NotJoined => "not joined",
        }
    }
}

impl Health {
    pub(super) fn of(groups: Vec<Group>, nodes: Vec<Node>) -> Self {
        let mut nodes: Vec<NodeHealth> = nodes.iter().map(|node| NodeHealth::of(node, &groups)).collect();
        let mut groups: Vec<GroupHealth> = groups.iter().map(GroupHealth::of).collect();
        groups.sort_by(|a, b| (a.healthy, &a.name).cmp(&(b.healthy, &b.name)));
        nodes.sort_by(|a, b| (a.healthy, &a.name).cmp(&(b.healthy, &b.name)));
        let healthy = groups.iter().all(|group| group.healthy) && nodes.iter().all(|node| node.healthy);
        Self { healthy, groups, nodes }
    }
}

impl GroupHealth {
    fn of(group: &Group) -> Self {
        let status = &group.status;
        let is_external = |name: &str| {
            group
                .members
                .iter()
                .any(|member| matches!(member, Member::External(_)) && member.name().as_str() == name)
        };
        let is_active = |name: &str| status.active.iter().any(|active| active == name);
        let backup = status.members.iter().filter(|member| {
            let ready = member.state == Some(State::Backup) && member.connected == Some(true);
            !is_active(&member.name) && (ready || is_external(&member.name))
        });
        let active_since = match &*status.active {
            [one] => status.members.iter().find(|member| member.name == *one).and_then(|member| member.since),
            _ => None,
        };

        let mut problems: Vec<Problem> = status.conditions.iter().map(Problem::of).collect();
        if problems.is_empty() && status.active.len() != 1 {
            problems.push(wrong_holders(&status.active));
        }
        Self {
            name: group.name.to_string(),
            healthy: problems.is_empty(),
            active: status.active.clone(),
            active_since,
            backup: backup.map(|member| member.name.clone()).collect(),
            virtual_addresses: group.virtual_addresses.clone(),
            problems,
        }
    }
}

/// The server is about to notice: it lets a group settle before it sets a condition.
fn wrong_holders(active: &[String]) -> Problem {
    let (kind, detail) = match active {
        [] => ("no_holder", "no member is active".to_owned()),
        several => ("two_holders", format!("several members are active: {}", several.join(" "))),
    };
    Problem { kind: kind.to_owned(), detail, since: None }
}

impl NodeHealth {
    fn of(node: &Node, groups: &[Group]) -> Self {
        let name = node.name.as_str();
        let agent = match (node.status.enrolled, node.status.connected) {
            (_, true) => AgentLink::Connected,
            (true, false) => AgentLink::Disconnected,
            (false, false) => AgentLink::NotJoined,
        };
        let mut problems: Vec<Problem> = node.status.conditions.iter().map(Problem::of).collect();
        if problems.is_empty() {
            problems.extend(missing_agent(name, agent));
        }
        let holds = |group: &&Group| group.status.active.iter().any(|active| active == name);
        Self {
            name: name.to_owned(),
            healthy: problems.is_empty(),
            agent,
            last_seen_at: node.status.last_seen_at,
            active_in: groups.iter().filter(holds).map(|group| group.name.to_string()).collect(),
            problems,
        }
    }
}

fn missing_agent(name: &str, agent: AgentLink) -> Option<Problem> {
    let (kind, detail) = match agent {
        AgentLink::Connected => return None,
        AgentLink::Disconnected => {
            ("agent_disconnected", "its agent has no session with a server".to_owned())
        }
        AgentLink::NotJoined => {
            ("not_joined", format!("no agent has joined under this name: `baton join-token create {name}`"))
        }
    };
    Some(Problem { kind: kind.to_owned(), detail, since: None })
}

impl Problem {
    fn of(condition: &Condition) -> Self {
        Self {
            kind: condition.kind.as_str().to_owned(),
            detail: condition.detail.clone(),
            since: Some(condition.since),
        }
    }
}
