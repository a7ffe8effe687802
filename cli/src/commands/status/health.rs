//! What is as it should be, what is not, and what nobody can say; worst first.

mod group;
mod node;

use api_types::Timestamp;
use api_types::condition::Condition;
use api_types::group::Group;
use api_types::node::Node;
use chrono::TimeDelta;
use serde::Serialize;

pub(super) use self::group::GroupHealth;
pub(super) use self::node::NodeHealth;

/// How long after its last sign of life an agent is still believed. A healthy one gives one every 5 s.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(15);

/// All groups and nodes. `baton status -o json` and `-o yaml` write it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Health {
    /// Whether every group and every node is.
    pub(super) healthy: bool,
    /// The worst first, then by name.
    pub(super) groups: Vec<GroupHealth>,
    /// The worst first, then by name.
    pub(super) nodes: Vec<NodeHealth>,
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Something is known not to be as it should.
    Failing,
    /// Nobody who would know has been heard lately.
    Unknown,
    /// As it should be.
    Ok,
}

/// One thing that is not as it should be, or not known, or that an operator chose and should think about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Problem {
    pub(super) kind: String,
    pub(super) detail: String,
    pub(super) since: Option<Timestamp>,
    /// What it makes of the thing that has it.
    #[serde(skip)]
    verdict: Verdict,
}

impl Health {
    /// How `groups` and `nodes` stand at `now`, by the server's clock.
    pub(super) fn of(groups: &[Group], nodes: &[Node], now: Timestamp) -> Self {
        let mut node_healths: Vec<_> = nodes.iter().map(|node| NodeHealth::of(node, groups, now)).collect();
        let mut group_healths: Vec<_> =
            groups.iter().map(|group| GroupHealth::of(group, nodes, now)).collect();
        group_healths.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
        node_healths.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
        let healthy =
            group_healths.iter().all(|group| group.healthy) && node_healths.iter().all(|node| node.healthy);
        Self { healthy, groups: group_healths, nodes: node_healths }
    }
}

impl Verdict {
    fn of(problems: &[Problem]) -> Self {
        problems.iter().map(|problem| problem.verdict).min().unwrap_or(Self::Ok)
    }
}

impl Problem {
    /// Whether the thing that has it is as it should be all the same.
    pub(super) fn is_advice(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    fn of(condition: &Condition) -> Self {
        let since = Some(condition.since);
        let verdict = if condition.kind.is_advice() { Verdict::Ok } else { Verdict::Failing };
        Self { since, verdict, ..Self::failing(condition.kind.as_str(), condition.detail.clone()) }
    }

    fn failing(kind: &str, detail: String) -> Self {
        Self { kind: kind.to_owned(), detail, since: None, verdict: Verdict::Failing }
    }

    fn advice(kind: &str, detail: String) -> Self {
        Self { verdict: Verdict::Ok, ..Self::failing(kind, detail) }
    }

    fn unknown(kind: &str, detail: String) -> Self {
        Self { verdict: Verdict::Unknown, ..Self::failing(kind, detail) }
    }
}

/// Whether the server has heard the agent of a node so lately that what it says is believed.
fn is_fresh(node: &Node, now: Timestamp) -> bool {
    let heard = |seen: Timestamp| now.as_datetime() - seen.as_datetime() <= FRESH_FOR;
    node.status.connected && node.status.last_seen_at.is_some_and(heard)
}
