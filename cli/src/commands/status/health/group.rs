//! How a group stands: who holds its addresses, as far as somebody who knows was heard lately.

use api_types::group::{Group, Member, MemberStatus};
use api_types::node::Node;
use api_types::transition::State;
use api_types::{Timestamp, VirtualAddress};
use serde::Serialize;

use super::{Problem, Verdict, is_fresh};
use crate::commands::tracked;
use crate::output::age;

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GroupHealth {
    pub(crate) name: String,
    pub(crate) healthy: bool,
    pub(crate) state: Verdict,
    /// The members that hold the addresses, or were the last that did; one when all is well.
    pub(crate) active: Vec<String>,
    /// Since when the one active member is.
    pub(crate) active_since: Option<Timestamp>,
    /// The members that could take over: in state backup with an agent that was heard lately, and external
    /// ones.
    pub(crate) backup: Vec<String>,
    /// The members, of all of them, that are routers without an agent.
    pub(crate) external: Vec<String>,
    pub(crate) virtual_addresses: Vec<VirtualAddress>,
    pub(crate) problems: Vec<Problem>,
}

/// A group and what is known of the nodes in it.
struct Witnesses<'a> {
    group: &'a Group,
    nodes: &'a [Node],
    now: Timestamp,
}

impl GroupHealth {
    pub(super) fn of(group: &Group, nodes: &[Node], now: Timestamp) -> Self {
        let witnesses = Witnesses { group, nodes, now };
        let status = &group.status;
        let external: Vec<String> = group
            .members
            .iter()
            .filter(|member| matches!(member, Member::External(_)))
            .map(|member| member.name().to_string())
            .collect();
        let backup = status.members.iter().filter(|member| {
            let ready = member.state == Some(State::Backup) && witnesses.believes(&member.name);
            !status.active.contains(&member.name) && (ready || external.contains(&member.name))
        });
        let active_since = match &*status.active {
            [one] => status.members.iter().find(|member| member.name == *one).and_then(|member| member.since),
            _ => None,
        };

        let mut problems: Vec<Problem> = status.conditions.iter().map(Problem::of).collect();
        if let Some(found) = witnesses.wrong_holders()
            && !problems.iter().any(|problem| problem.kind == found.kind)
        {
            problems.push(found);
        }
        problems.extend(witnesses.failing_checks());
        let state = Verdict::of(&problems);
        Self {
            name: group.name.to_string(),
            healthy: state == Verdict::Ok,
            state,
            active: status.active.clone(),
            active_since,
            backup: backup.map(|member| member.name.clone()).collect(),
            external,
            virtual_addresses: group.virtual_addresses.clone(),
            problems,
        }
    }

    /// A name with what must be known of its bearer.
    pub(crate) fn shown(&self, name: &str) -> String {
        if self.external.iter().any(|external| external == name) {
            format!("{name}(external)")
        } else {
            name.to_owned()
        }
    }
}

impl Witnesses<'_> {
    fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name.as_str() == name)
    }

    /// Whether `name` is a node whose agent was heard lately.
    fn believes(&self, name: &str) -> bool {
        self.node(name).is_some_and(|node| is_fresh(node, self.now))
    }

    /// Why it cannot be said that exactly one member holds the addresses. The server lets a group settle
    /// before it sets a condition, so it may be about to say the same.
    fn wrong_holders(&self) -> Option<Problem> {
        let status = &self.group.status;
        let heard = status.members.iter().any(|member| self.believes(&member.name));
        match &*status.active {
            [_, _, ..] => {
                let detail = format!("several members are active: {}", status.active.join(" "));
                Some(Problem::failing("two_holders", detail))
            }
            _ if !heard => {
                let detail = format!("no agent is heard, so nobody can say who is active; {}", self.last());
                Some(Problem::unknown("holder_unknown", detail))
            }
            [] => Some(Problem::failing("no_holder", format!("no member is active; {}", self.last()))),
            [one] if self.node(one).is_some() && !self.believes(one) => {
                let detail = format!("the active member is not seen; {}", self.last());
                Some(Problem::failing("holder_not_seen", detail))
            }
            [_] => None,
        }
    }

    /// The checks that fail where an agent was heard lately. What comes of it is a condition where that matters, and
    /// where it is meant (a standby whose weight is that of a primary) it is none.
    fn failing_checks(&self) -> Option<Problem> {
        let members = self.group.status.members.iter().filter(|member| self.believes(&member.name));
        let said: Vec<_> = members.filter_map(|member| self.failing_on(member)).collect();
        (!said.is_empty()).then(|| Problem::advice("check_failing", said.join("; ")))
    }

    fn failing_on(&self, member: &MemberStatus) -> Option<String> {
        let failing: Vec<_> =
            tracked::failing(member).map(|check| format!("{} ({})", check.check, check.detail)).collect();
        let declared = self.group.members.iter().find(|declared| declared.name().as_str() == member.name);
        let priority = declared.map(Member::priority);
        let moved = member.effective_priority.filter(|effective| Some(*effective) != priority);
        let effect = match (member.state, moved, priority) {
            (Some(State::Fault), _, _) => ", in fault".to_owned(),
            (_, Some(effective), Some(declared)) => format!(", priority {effective} instead of {declared}"),
            (_, _, _) => String::new(),
        };
        (!failing.is_empty()).then(|| format!("on {}: {}{effect}", member.name, failing.join(", ")))
    }

    /// What each member was last known to be.
    fn last(&self) -> String {
        let members = self.group.status.members.iter();
        let said: Vec<_> = members.filter_map(|member| self.last_word(member)).collect();
        format!("last known: {}", said.join(", "))
    }

    /// `None` of an external member, which says nothing to us.
    fn last_word(&self, member: &MemberStatus) -> Option<String> {
        member.connected?;
        let name = &member.name;
        let Some(state) = member.state else { return Some(format!("{name} never reported")) };
        let seen = match self.node(name).and_then(|node| node.status.last_seen_at) {
            Some(seen) => format!("seen {} ago", age(seen, self.now)),
            None => "never seen".to_owned(),
        };
        Some(format!("{name} {} ({seen})", state.as_str()))
    }
}
