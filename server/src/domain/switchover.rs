//! The rules of switchovers: who may be told to take over, with which priority, and when that is over.

use api_types::boost;
use api_types::channel::MemberDetails;
use api_types::group::Member;
use api_types::peer::Peer;
use api_types::problem::FieldProblem;
use api_types::switchover::{SwitchoverInEffect, SwitchoverState};
use api_types::transition::State;
use api_types::{Name, Timestamp};
use uuid::Uuid;
use vrrp::{BoostedPriority, Claim};

use super::conflict::Conflict;
use super::holder::{self, Observed, ObservedNode};
use super::readiness;

/// A declared priority from which on a boost cannot be sure to win.
const RESERVED_FROM: u8 = 250;

/// A switchover that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InEffect {
    /// Which.
    pub id: Uuid,
    /// The group.
    pub group_id: Uuid,
    /// The node that shall hold the addresses.
    pub target: Uuid,
    /// Its name when it was requested.
    pub to: String,
    /// The boot of its agent that the boost is for.
    pub boot_id: Uuid,
    /// What it advertises meanwhile.
    pub priority: BoostedPriority,
    /// `requested` or `active`.
    pub state: SwitchoverState,
    /// When it was requested.
    pub requested_at: Timestamp,
}

impl From<InEffect> for SwitchoverInEffect {
    fn from(in_effect: InEffect) -> Self {
        let InEffect { id, to, state, requested_at, .. } = in_effect;
        Self { id, to, state, requested_at }
    }
}

/// A group as a switchover finds it.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The name of the group.
    pub group: &'a Name,
    /// Its members as they are configured.
    pub members: &'a [Member],
    /// Its members as they were last reported.
    pub observed: &'a [Observed],
    /// The switchover that is in effect.
    pub in_effect: Option<&'a InEffect>,
}

/// What a switchover will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who holds the addresses now.
    pub from: String,
    /// The node that shall hold them.
    pub target: Uuid,
    /// Its name.
    pub to: String,
    /// The present boot of its agent.
    pub boot_id: Uuid,
    /// Since when it is Backup, by its own clock.
    pub target_since: Timestamp,
    /// What it shall advertise.
    pub priority: BoostedPriority,
}

/// Why a switchover is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request names what cannot be.
    Field(FieldProblem),
    /// The group or the node does not allow it.
    Conflict(Conflict),
}

/// What a switchover of the group to `to` will be.
///
/// # Errors
/// [`Refusal`] says what keeps the addresses from moving there.
pub fn plan(scene: &Scene<'_>, to: &Name) -> Result<Plan, Refusal> {
    check_member(scene, to)?;
    check_priorities(scene)?;
    let not_ready = |why: String| {
        Refusal::Conflict(Conflict::NotReady { group: scene.group.clone(), node: to.clone(), why })
    };
    let member = scene.observed.iter().find(|member| member.name() == to.as_str());
    let Some(Observed::Node(target)) = member else { return Err(not_ready("is not there".to_owned())) };
    check_is_news(scene, target, to)?;
    readiness::of_member(&Observed::Node(target.clone()), scene.observed)
        .map_err(|why| not_ready(why.to_string()))?;
    if !target.capabilities.iter().any(|word| word == boost::CAPABILITY) {
        return Err(not_ready("has an agent that knows nothing of switchovers: update it".to_owned()));
    }
    let from = match holder::known_holders(scene.observed).as_slice() {
        [holder] => (*holder).to_owned(),
        [] => return Err(not_ready("hears nobody hold the addresses".to_owned())),
        several => return Err(not_ready(format!("hears {} at once", several.join(" and ")))),
    };
    let (Some(boot_id), Some(report)) = (target.boot_id, target.fresh_report()) else {
        return Err(not_ready("has not reported how it stands in this group".to_owned()));
    };
    Ok(Plan {
        from,
        target: target.id,
        to: target.name.clone(),
        boot_id,
        target_since: report.since,
        priority: next_priority(scene),
    })
}

fn check_member(scene: &Scene<'_>, to: &Name) -> Result<(), Refusal> {
    let field = |detail: String| Err(Refusal::Field(FieldProblem { pointer: "/to".to_owned(), detail }));
    let nodes: Vec<_> = scene
        .members
        .iter()
        .filter(|member| matches!(member, Member::Node(_)))
        .map(|member| member.name().to_string())
        .collect();
    let allowed = format!("allowed are its nodes ({})", nodes.join(", "));
    match scene.members.iter().find(|member| member.name() == to) {
        Some(Member::Node(_)) => Ok(()),
        Some(Member::External(_)) => {
            field(format!("{to} is a router without an agent, which nobody can tell to take over: {allowed}"))
        }
        None => field(format!("{to} is no member of group {}: {allowed}", scene.group)),
    }
}

/// A boost must win over everybody who may claim the addresses.
fn check_priorities(scene: &Scene<'_>) -> Result<(), Refusal> {
    let refuse =
        |why: String| Err(Refusal::Conflict(Conflict::NotMovable { group: scene.group.clone(), why }));
    if let Some(owner) = scene.members.iter().find(|member| member.priority().is_owner()) {
        return refuse(format!("{} owns the addresses (priority 255)", owner.name()));
    }
    let is_reserved = |member: &&Member| member.priority().get() >= RESERVED_FROM;
    if let Some(member) = scene.members.iter().find(is_reserved) {
        return refuse(format!(
            "{} has priority {}, and only up to 249 it would surely yield",
            member.name(),
            member.priority()
        ));
    }
    // A node of the group has more only by a switchover, which the next one outbids.
    let rival = heard(scene).find(|(peer, is_node)| {
        !is_node && matches!(peer.priority, Claim::Holds(priority) if priority.get() >= RESERVED_FROM)
    });
    match rival {
        Some((Peer { source, priority, .. }, _)) => refuse(format!(
            "a router at {source} advertises priority {}, and only up to 249 it would surely yield",
            priority.octet()
        )),
        None => Ok(()),
    }
}

/// Who advertises for the group as its nodes hear it, and whether that is a node of the group.
fn heard<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a Peer, bool)> {
    let observed = scene.observed;
    let is_node =
        |source| observed.iter().any(|member| matches!(member, Observed::Node(_)) && member.is_at(source));
    let peers = observed.iter().filter_map(details).flat_map(|details| &details.heard);
    peers.filter(|peer| peer.speaking).map(move |peer| (peer, is_node(peer.source)))
}

fn details(member: &Observed) -> Option<&MemberDetails> {
    match member {
        Observed::Node(node) => node.fresh_details(),
        Observed::External { .. } => None,
    }
}

fn check_is_news(scene: &Scene<'_>, target: &ObservedNode, to: &Name) -> Result<(), Refusal> {
    let (group, node) = (scene.group.clone(), to.clone());
    if holder::known_holders(scene.observed) == [target.name.as_str()] {
        return Err(Refusal::Conflict(Conflict::AlreadyThere { group, node, on_their_way: false }));
    }
    if scene.in_effect.is_some_and(|in_effect| in_effect.target == target.id) {
        return Err(Refusal::Conflict(Conflict::AlreadyThere { group, node, on_their_way: true }));
    }
    Ok(())
}

/// One more than that of the switchover in effect, or of one that was taken back and that a node still hears:
/// whoever hears of the change first yields so. From the smallest one again after the largest.
fn next_priority(scene: &Scene<'_>) -> BoostedPriority {
    let of_nodes = heard(scene).filter(|(_, is_node)| *is_node);
    let still_heard = of_nodes.filter_map(|(peer, _)| match peer.priority {
        Claim::Holds(priority) => BoostedPriority::new(priority.get()),
        Claim::Resigns => None,
    });
    let present = scene.in_effect.map(|in_effect| in_effect.priority).or_else(|| still_heard.max());
    present.and_then(|present| BoostedPriority::new(u8::from(present) + 1)).unwrap_or(BoostedPriority::LOWEST)
}

/// What has become of a switchover that was in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    GoesOn,
    /// The node has taken over.
    TakenOver,
    /// It is over, and why.
    Ended(String),
}

/// What has become of a switchover, by the reports of the members of its group.
#[must_use]
pub fn review(in_effect: &InEffect, observed: &[Observed]) -> Verdict {
    let to = &in_effect.to;
    let target = observed.iter().find_map(|member| match member {
        Observed::Node(node) if node.id == in_effect.target => Some(node),
        Observed::Node(_) | Observed::External { .. } => None,
    });
    let Some(target) = target else { return Verdict::Ended(format!("{to} is no member any more")) };
    if target.boot_id != Some(in_effect.boot_id) {
        return Verdict::Ended(format!("the agent of {to} was started anew"));
    }
    if target.drained {
        return Verdict::Ended(format!("{to} was drained"));
    }
    let is_active = in_effect.state == SwitchoverState::Active;
    match target.fresh_report().map(|report| report.state) {
        Some(State::Active) if is_active => Verdict::GoesOn,
        // Nobody may hear it: then the one before it goes on, and its clients with it.
        Some(State::Active) if somebody_else_holds(in_effect.target, observed) => Verdict::GoesOn,
        Some(State::Active) => Verdict::TakenOver,
        Some(state) if is_active => Verdict::Ended(lost(to, state, target)),
        // Without a session nobody knows, until somebody else is known to hold.
        None if is_active => match holder::known_holders(observed).as_slice() {
            [] => Verdict::GoesOn,
            holders if holders.contains(&target.name.as_str()) => Verdict::GoesOn,
            holders => Verdict::Ended(format!(
                "{to} has no session with a server, and {} took over",
                holders.join(" and ")
            )),
        },
        Some(_) | None => Verdict::GoesOn,
    }
}

/// Whether another member with a session has not said that it holds the addresses no more.
fn somebody_else_holds(target: Uuid, observed: &[Observed]) -> bool {
    observed.iter().any(|member| match member {
        Observed::Node(node) => {
            let state = node.fresh_report().map(|report| report.state);
            node.id != target && state == Some(State::Active)
        }
        Observed::External { .. } => false,
    })
}

fn lost(to: &str, state: State, target: &ObservedNode) -> String {
    let why = target.fresh_details().and_then(|details| details.fault.as_deref());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{to} lost the addresses and is {}{why}", state.as_str())
}

#[cfg(test)]
mod tests;
