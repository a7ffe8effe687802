//! How a node stands.

use api_types::Timestamp;
use api_types::channel::Revision;
use api_types::group::Group;
use api_types::node::Node;
use serde::Serialize;

use super::{Problem, Verdict, is_fresh};
use crate::commands::agent_link::AgentLink;
use crate::output::age;

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeHealth {
    pub(crate) name: String,
    pub(crate) healthy: bool,
    pub(crate) state: Verdict,
    pub(crate) agent: AgentLink,
    pub(crate) last_seen_at: Option<Timestamp>,
    pub(crate) agent_version: Option<String>,
    /// What its agent shall run.
    pub(crate) desired_revision: Revision,
    /// What it runs, as far as the server has heard.
    pub(crate) applied_revision: Option<Revision>,
    /// The groups whose addresses it was last reported to hold.
    pub(crate) active_in: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

impl NodeHealth {
    pub(super) fn of(node: &Node, groups: &[Group], now: Timestamp) -> Self {
        let name = node.name.as_str();
        let agent = AgentLink::of(node);
        let mut problems: Vec<Problem> = node.status.conditions.iter().map(Problem::of).collect();
        if problems.is_empty() {
            problems.extend(missing_agent(node, agent, now));
        }
        let state = Verdict::of(&problems);
        let holds = |group: &&Group| group.status.active.iter().any(|active| active == name);
        Self {
            name: name.to_owned(),
            healthy: state == Verdict::Ok,
            state,
            agent,
            last_seen_at: node.status.last_seen_at,
            agent_version: node.status.agent_version.clone(),
            desired_revision: node.status.desired_revision,
            applied_revision: node.status.applied_revision,
            active_in: groups.iter().filter(holds).map(|group| group.name.to_string()).collect(),
            problems,
        }
    }
}

fn missing_agent(node: &Node, agent: AgentLink, now: Timestamp) -> Option<Problem> {
    let name = &node.name;
    match agent {
        AgentLink::Connected if is_fresh(node, now) => None,
        AgentLink::Connected => {
            let last = match node.status.last_seen_at {
                Some(seen) => format!("for {}", age(seen, now)),
                None => "ever".to_owned(),
            };
            let detail = format!("its agent was not seen {last}, though its session is not over");
            Some(Problem::failing("not_seen", detail))
        }
        AgentLink::Disconnected => {
            let detail = "its agent has no session with a server".to_owned();
            Some(Problem::failing("agent_disconnected", detail))
        }
        AgentLink::NotJoined => {
            let detail = format!("no agent has joined under this name: `baton join-token create {name}`");
            Some(Problem::failing("not_joined", detail))
        }
    }
}
