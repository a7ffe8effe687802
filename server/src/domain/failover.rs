//! Which moves of a group's addresses follow from the transitions that its members reported.
//!
//! # One source, one answer
//! [`join`] is a pure function of the transitions and of the addresses of the members. It is asked again whenever
//! transitions arrive, and what it answers replaces what it answered before, so the order of arrival, repetition
//! and delay change nothing in the end: late transitions correct a record, they never add a second one.
//!
//! # Who held before
//! The new holder's own ear is the best witness: the source of the last advertisement it heard, if it heard it
//! after it last held the addresses itself. Both times come from one clock. Only where it heard nothing (it has
//! just started, or is the owner and takes over at once) the order of the takeovers of all members decides, by
//! the wall clocks of their nodes. When nobody held before, or the same member did, nothing moved.
//!
//! # Routers without an agent
//! An external member reports nothing. It is seen through the advertisements that an agent obeyed: a member that
//! yielded to it, that resigned and heard it follow, or that waited behind it. Such a move is known by the
//! transition that shows it first.
//!
//! # A holder that never let go
//! A member that was cut off, or did nothing for a while, holds on while another takes over. When they hear each other
//! again the other yields to it, and it has nothing to report, for to itself it has been Active all along. That is a move
//! back, and the transition of the one that yields shows it.

mod addresses;
mod cause;
mod gap;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use api_types::Timestamp;
use api_types::failover::{FailoverCause, GapMethod};
use api_types::transition::{State, TransitionReason, TransitionRecord};
use uuid::Uuid;
use vrrp::{Claim, Priority};

pub use addresses::{Addresses, Router};
use cause::{Answers, cause_of_leaving, cause_of_takeover, checks_behind};
use timeline::{Heard, Moment};

/// A transition that is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Names the transition.
    pub id: Uuid,
    /// The node that reported it.
    pub node_id: Uuid,
    /// The name of that node.
    pub node: String,
    /// What it reported.
    pub record: TransitionRecord,
}

/// What makes a move known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The transition of the new holder to Active.
    TakenOver,
    /// The transition of a member that heard an external one hold.
    ExternalHeard,
    /// The transition of a holder that yielded to a node that had never let go.
    YieldedBack,
}

impl Evidence {
    /// The word that columns use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TakenOver => "taken_over",
            Self::ExternalHeard => "external_heard",
            Self::YieldedBack => "yielded_back",
        }
    }
}

/// One move of a group's addresses. `(transition, evidence)` names it for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The transition that shows it.
    pub transition: Uuid,
    /// How that transition shows it.
    pub evidence: Evidence,
    /// The group.
    pub group_id: Uuid,
    /// The name of the group when it happened.
    pub group: String,
    /// When it happened, by the clock of the node that reported the transition.
    pub at: Timestamp,
    /// Who held before.
    pub from: String,
    /// Who holds after.
    pub to: String,
    /// Why.
    pub cause: FailoverCause,
    /// The checks that made the old holder lose them.
    pub failing_checks: Vec<String>,
    /// When the new holder last heard the old one.
    pub last_advertisement_at: Option<Timestamp>,
    /// When the addresses were bound.
    pub bound_at: Option<Timestamp>,
    /// When the first announcement left.
    pub announced_at: Option<Timestamp>,
    /// How long nobody answered, in milliseconds.
    pub gap_ms: Option<f64>,
    /// How that was measured.
    pub gap_method: GapMethod,
    /// The transitions that it was joined from.
    pub transitions: Vec<Uuid>,
}

/// The longest that a member waits for an advertisement, in seconds: three intervals of 40.95 s and the skew.
const LONGEST_ACTIVE_DOWN_S: i64 = 164;

/// How far the wall clocks of two nodes may be apart before an external holder that one of them heard is
/// thought to have come after a takeover of the other, in seconds.
pub const CLOCK_DOUBT_S: i64 = 5;

/// The moves of one group that `transitions` show, in order.
///
/// `earlier` holds, for each node, its last transition to or from Active before the first of `transitions`; it
/// says who held before, and shows no moves itself. The order of either does not matter.
#[must_use]
pub fn join(earlier: &[Recorded], transitions: &[Recorded], addresses: &Addresses) -> Vec<Move> {
    let mut walk = Walk { addresses, names: HashMap::new(), holder: None, own: HashMap::new() };
    let ordered = timeline::in_order(transitions);
    let before = timeline::in_order(earlier);
    let all: Vec<_> = before.iter().chain(&ordered).copied().collect();
    for transition in before {
        walk.names.insert(transition.node_id, &transition.node);
        walk.follow(transition, &all);
    }
    for transition in &ordered {
        walk.names.insert(transition.node_id, &transition.node);
    }

    let mut moves = Vec::new();
    for transition in &ordered {
        moves.extend(walk.external_move(transition, &ordered));
        moves.extend(walk.takeover(transition, &ordered));
        moves.extend(walk.move_back(transition, &all));
        walk.follow(transition, &all);
    }
    moves
}

/// What is known at one point of the walk through the transitions.
struct Walk<'a> {
    addresses: &'a Addresses,
    names: HashMap<Uuid, &'a str>,
    holder: Option<Holder>,
    /// When each node last knew itself as the holder.
    own: HashMap<Uuid, Moment>,
}

/// Who was the last to become the holder.
#[derive(Debug, Clone)]
struct Holder {
    router: Router,
    since: Timestamp,
}

impl<'a> Walk<'a> {
    /// A move to an external member that this transition shows.
    fn external_move(&self, transition: &Recorded, all: &[&Recorded]) -> Option<Move> {
        let (external, heard) = self.external_seen(transition)?;
        let holder = self.holder.as_ref()?;
        if holder.router == Router::External(external.to_owned())
            || !self.is_after(&heard, holder, transition)
        {
            return None;
        }
        let left = self.last_leave(&holder.router, holder.since, all);
        let same_transition = left.is_some_and(|left| left.id == transition.id);
        let cause = if heard.claim == Claim::Holds(Priority::OWNER) {
            FailoverCause::OwnerStarted
        } else {
            left.map_or(FailoverCause::NoResponse, |left| cause_of_leaving(left.record.reason))
        };
        let mut transitions: Vec<_> =
            left.filter(|_| !same_transition).map(|left| left.id).into_iter().collect();
        transitions.push(transition.id);
        Some(Move {
            transition: transition.id,
            evidence: Evidence::ExternalHeard,
            group_id: transition.record.group_id,
            group: transition.record.group.clone(),
            at: heard.moment.at,
            from: self.name_of(&holder.router),
            to: external.to_owned(),
            cause,
            failing_checks: checks_behind(left),
            last_advertisement_at: None,
            bound_at: None,
            announced_at: None,
            gap_ms: None,
            gap_method: GapMethod::Unknown,
            transitions,
        })
    }

    /// The move that this transition to Active is, if it is one.
    fn takeover(&self, transition: &Recorded, all: &[&Recorded]) -> Option<Move> {
        let record = &transition.record;
        if record.to != State::Active {
            return None;
        }
        let cause = cause_of_takeover(record.reason)?;
        let heard = timeline::heard(transition).filter(|heard| self.heard_a_holder(transition, heard));
        let from = self.holder_before(transition, heard.as_ref())?;
        if from == Router::Node(transition.node_id) {
            return None;
        }
        let release = self.release_for(&from, transition, cause, heard.is_some(), all);
        let gap = gap::measure(record, heard.as_ref(), release, cause);
        let mut transitions: Vec<_> = release.map(|release| release.id).into_iter().collect();
        transitions.push(transition.id);
        Some(Move {
            transition: transition.id,
            evidence: Evidence::TakenOver,
            group_id: record.group_id,
            group: record.group.clone(),
            at: record.at,
            from: self.name_of(&from),
            to: transition.node.clone(),
            cause,
            failing_checks: checks_behind(release),
            last_advertisement_at: heard.map(|heard| heard.moment.at),
            bound_at: record.bound_at_boottime_ns.map(|bound| timeline::wall_clock(record, bound)),
            announced_at: record.announced_at_boottime_ns.map(|sent| timeline::wall_clock(record, sent)),
            gap_ms: gap.milliseconds,
            gap_method: gap.method,
            transitions,
        })
    }

    /// The move back to a node that never let go, if this transition shows one.
    fn move_back(&self, transition: &Recorded, all: &[&Recorded]) -> Option<Move> {
        let returned = self.yielded_back_to(transition, all)?;
        let record = &transition.record;
        Some(Move {
            transition: transition.id,
            evidence: Evidence::YieldedBack,
            group_id: record.group_id,
            group: record.group.clone(),
            at: record.at,
            from: transition.node.clone(),
            to: self.name_of(&Router::Node(returned)),
            cause: FailoverCause::Preempting,
            failing_checks: checks_behind(Some(transition)),
            last_advertisement_at: None,
            bound_at: None,
            announced_at: None,
            gap_ms: None,
            gap_method: GapMethod::Unknown,
            transitions: vec![transition.id],
        })
    }

    /// The node that the holder yields to with this transition, when that node has no takeover of its own to report.
    fn yielded_back_to(&self, transition: &Recorded, all: &[&Recorded]) -> Option<Uuid> {
        let record = &transition.record;
        let holder =
            self.holder.as_ref().filter(|holder| holder.router == Router::Node(transition.node_id))?;
        if record.from != State::Active || record.reason != TransitionReason::HigherPriorityHeard {
            return None;
        }
        let heard = timeline::heard(transition)?;
        let Router::Node(other) = self.addresses.heard_by(transition.node_id, heard.source)? else {
            return None;
        };
        let doubt = timeline::seconds(CLOCK_DOUBT_S);
        let explains = |each: &&&Recorded| {
            each.node_id == *other
                && each.record.to == State::Active
                && timeline::seconds_between(holder.since, each.record.at) >= -doubt
                && timeline::seconds_between(each.record.at, record.at) >= -doubt
        };
        all.iter().find(explains).is_none().then_some(*other)
    }

    /// Remembers what the transition says about who holds.
    fn follow(&mut self, transition: &Recorded, all: &[&Recorded]) {
        let record = &transition.record;
        if let Some(returned) = self.yielded_back_to(transition, all) {
            self.holder = Some(Holder { router: Router::Node(returned), since: record.at });
        }
        if let Some((external, heard)) = self.external_seen(transition) {
            let is_news = match &self.holder {
                None => true,
                Some(holder) => self.is_after(&heard, holder, transition),
            };
            if is_news {
                let router = Router::External(external.to_owned());
                self.holder = Some(Holder { router, since: heard.moment.at });
            }
        }
        if record.to == State::Active {
            self.holder = Some(Holder { router: Router::Node(transition.node_id), since: record.at });
        }
        if record.from == State::Active || record.to == State::Active {
            let successor = timeline::heard(transition).filter(|_| record.from == State::Active);
            let successor = successor.filter(|heard| timeline::shows_successor(record, heard));
            let until = successor.map_or_else(|| timeline::moment(transition), |heard| heard.moment);
            self.own.insert(transition.node_id, until);
        }
    }

    /// The external member that the transition shows as a holder.
    fn external_seen(&self, transition: &Recorded) -> Option<(&'a str, Heard)> {
        let heard = timeline::heard(transition).filter(|heard| heard.claim != Claim::Resigns)?;
        let Some(Router::External(name)) = self.addresses.heard_by(transition.node_id, heard.source) else {
            return None;
        };
        let was_obeyed = match transition.record.from {
            State::Backup => self.heard_a_holder(transition, &heard),
            State::Active => timeline::shows_successor(&transition.record, &heard),
            State::Initialize | State::Fault => false,
        };
        was_obeyed.then_some((name.as_str(), heard))
    }

    /// Whether what a member heard tells of another holder: it heard it after it last held itself.
    fn heard_a_holder(&self, transition: &Recorded, heard: &Heard) -> bool {
        self.own.get(&transition.node_id).is_none_or(|own| heard.moment.is_at_or_after(own))
    }

    /// Whether an external member was heard after `holder` began to hold.
    fn is_after(&self, heard: &Heard, holder: &Holder, transition: &Recorded) -> bool {
        let one_clock = holder.router == Router::Node(transition.node_id);
        let doubt = if one_clock { 0 } else { CLOCK_DOUBT_S };
        timeline::seconds_between(holder.since, heard.moment.at) > timeline::seconds(doubt)
    }

    fn holder_before(&self, transition: &Recorded, heard: Option<&Heard>) -> Option<Router> {
        let Some(heard) = heard else { return self.holder.as_ref().map(|holder| holder.router.clone()) };
        let others = self.holder.as_ref().filter(|holder| holder.router != Router::Node(transition.node_id));
        if let Some(holder) = others {
            let waited = timeline::seconds_between(heard.moment.at, transition.record.at);
            let heard_long_ago = waited > timeline::seconds(LONGEST_ACTIVE_DOWN_S);
            if heard_long_ago && holder.since > heard.moment.at {
                return Some(holder.router.clone());
            }
        }
        let known = self.addresses.heard_by(transition.node_id, heard.source).cloned();
        known
            .or_else(|| others.map(|holder| holder.router.clone()))
            .or_else(|| Some(Router::External(heard.source.to_string())))
    }

    /// The transition with which the old holder let go for this takeover.
    fn release_for<'t>(
        &self,
        from: &Router,
        takeover: &Recorded,
        cause: FailoverCause,
        was_heard: bool,
        all: &[&'t Recorded],
    ) -> Option<&'t Recorded> {
        match cause {
            FailoverCause::PriorityZero
            | FailoverCause::Preempting
            | FailoverCause::OwnerStarted
            | FailoverCause::Switchover => timeline::leaves_of(from, all)
                .filter(|leave| cause_of_leaving(leave.record.reason).answers(cause))
                .filter_map(|leave| Some((gap::distance(leave, takeover)?, leave)))
                .min_by_key(|(distance, leave)| (*distance, leave.record.sequence))
                .map(|(_, leave)| leave),
            FailoverCause::NoResponse => {
                let since = self.holder.as_ref().filter(|holder| holder.router == *from)?.since;
                let leave = self.last_leave(from, since, all)?;
                let is_before = leave.record.at <= takeover.record.at;
                (is_before && (!was_heard || gap::distance(leave, takeover).is_some())).then_some(leave)
            }
        }
    }

    /// The first transition with which a router let go after it began to hold.
    fn last_leave<'t>(
        &self,
        router: &Router,
        since: Timestamp,
        all: &[&'t Recorded],
    ) -> Option<&'t Recorded> {
        timeline::leaves_of(router, all).find(|leave| leave.record.at >= since)
    }

    fn name_of(&self, router: &Router) -> String {
        match router {
            Router::External(name) => name.clone(),
            Router::Node(id) => {
                let named = self.names.get(id).copied();
                let named = named.or_else(|| self.addresses.name_of(*id));
                named.map_or_else(|| id.to_string(), str::to_owned)
            }
        }
    }
}
