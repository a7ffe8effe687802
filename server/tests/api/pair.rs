//! Two agents on one LAN: the site of most tests of agents.

use api_types::channel::GroupReport;
use api_types::transition::State;
use uuid::Uuid;

use crate::agent::{Agent, Channel};
use crate::listening::{Server, make_group};

/// Where lb1 and lb2 have their `eth0`.
pub(crate) const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// The agents of lb1 and lb2, enrolled.
pub(crate) async fn two_agents(server: &Server) -> (Agent, Agent) {
    (Agent::enrol(server, "lb1").await, Agent::enrol(server, "lb2").await)
}

/// The group `web` between lb1 and lb2, both with a session.
pub(crate) struct Pair {
    pub(crate) server: Server,
    pub(crate) group: Uuid,
    pub(crate) one: Agent,
    pub(crate) two: Agent,
    pub(crate) first: Channel,
    pub(crate) second: Channel,
}

impl Pair {
    /// Both agents can do what these words say.
    pub(crate) async fn able(server: Server, words: &[&str]) -> Self {
        let (one, two) = two_agents(&server).await;
        let group = make_group(&server, "web", 51, &["lb1", "lb2"]).await;
        let first = one.connect_able(&server, ADDRESSES[0], words).await;
        let second = two.connect_able(&server, ADDRESSES[1], words).await;
        Self { server, group, one, two, first, second }
    }

    /// A member's report about itself, in its state since now.
    pub(crate) fn stands(&self, state: State, source: Option<&str>) -> Vec<GroupReport> {
        vec![GroupReport {
            group_id: self.group,
            state,
            since: self.server.now(),
            effective_priority: vrrp::Priority::new(240).unwrap(),
            active_source: source.map(|source| source.parse().unwrap()),
            addresses_present: Vec::new(),
            details: None,
        }]
    }

    pub(crate) async fn first_says(&mut self, state: State, source: Option<&str>) {
        let groups = self.stands(state, source);
        self.first.status(&self.server, ADDRESSES[0], groups).await;
    }

    pub(crate) async fn second_says(&mut self, state: State, source: Option<&str>) {
        let groups = self.stands(state, source);
        self.second.status(&self.server, ADDRESSES[1], groups).await;
    }
}
