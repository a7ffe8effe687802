//! When things happened: the times of transitions of several nodes, each by its own clocks, in one order.

use std::collections::HashMap;
use std::net::IpAddr;

use api_types::Timestamp;
use api_types::transition::{State, TransitionReason, TransitionRecord};
use chrono::TimeDelta;
use uuid::Uuid;
use vrrp::Claim;

use super::{Recorded, Router};

/// A point in the time of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    boot_id: Uuid,
    boottime_ns: u64,
    /// By the node's wall clock.
    pub(super) at: Timestamp,
}

impl Moment {
    /// Within one boot the monotonic clock decides; a wall clock may have been set in between.
    pub(super) fn is_at_or_after(&self, other: &Self) -> bool {
        if self.boot_id == other.boot_id {
            self.boottime_ns >= other.boottime_ns
        } else {
            self.at >= other.at
        }
    }
}

/// An advertisement that a member heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) source: IpAddr,
    pub(super) claim: Claim,
    pub(super) at_boottime_ns: u64,
    pub(super) moment: Moment,
}

/// When the transition happened.
pub(super) fn moment(transition: &Recorded) -> Moment {
    let TransitionRecord { boot_id, at_boottime_ns, at, .. } = transition.record;
    Moment { boot_id, boottime_ns: at_boottime_ns, at }
}

/// The last advertisement before the transition.
pub(super) fn heard(transition: &Recorded) -> Option<Heard> {
    let heard = transition.record.last_advertisement?;
    let boottime_ns = heard.at_boottime_ns;
    Some(Heard {
        source: heard.source,
        claim: heard.priority,
        at_boottime_ns: boottime_ns,
        moment: Moment {
            boot_id: transition.record.boot_id,
            boottime_ns,
            at: wall_clock(&transition.record, boottime_ns),
        },
    })
}

/// A time of `CLOCK_BOOTTIME` by the wall clock, as the two stood to each other at the transition.
pub(super) fn wall_clock(record: &TransitionRecord, boottime_ns: u64) -> Timestamp {
    let difference = nanoseconds(record.at_boottime_ns, boottime_ns);
    let at = record.at.as_datetime();
    at.checked_add_signed(difference).unwrap_or(at).into()
}

/// From `earlier` to `later`, both of `CLOCK_BOOTTIME`.
pub(super) fn nanoseconds(earlier: u64, later: u64) -> TimeDelta {
    TimeDelta::nanoseconds(i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX))
}

/// How long a successor may have been heard before its predecessor lets go.
const HANDOVER: TimeDelta = TimeDelta::seconds(1);

/// Whether an Active that let go did so for the router that it heard last.
pub(super) fn shows_successor(record: &TransitionRecord, heard: &Heard) -> bool {
    if record.reason == TransitionReason::HigherPriorityHeard {
        return true;
    }
    let let_go = record.released_at_boottime_ns.unwrap_or(record.at_boottime_ns);
    heard.claim != Claim::Resigns && nanoseconds(heard.at_boottime_ns, let_go) <= HANDOVER
}

/// The transitions with which a router let go of the addresses, in their order.
pub(super) fn leaves_of<'t>(router: &Router, all: &[&'t Recorded]) -> impl Iterator<Item = &'t Recorded> {
    let node = match router {
        Router::Node(id) => Some(*id),
        Router::External(_) => None,
    };
    all.iter()
        .copied()
        .filter(move |transition| Some(transition.node_id) == node && transition.record.from == State::Active)
}

/// From `earlier` to `later`.
pub(super) fn seconds_between(earlier: Timestamp, later: Timestamp) -> TimeDelta {
    later.as_datetime() - earlier.as_datetime()
}

pub(super) const fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// By wall clock, except that the sequence of one boot is never turned round by a clock that was set back.
pub(super) fn in_order(transitions: &[Recorded]) -> Vec<&Recorded> {
    let mut boots: HashMap<(Uuid, Uuid), Vec<&Recorded>> = HashMap::new();
    for transition in transitions {
        boots.entry((transition.node_id, transition.record.boot_id)).or_default().push(transition);
    }
    let mut placed: Vec<(Timestamp, &Recorded)> = Vec::with_capacity(transitions.len());
    for mut boot in boots.into_values() {
        boot.sort_by_key(|transition| transition.record.sequence);
        let mut latest = None;
        for transition in boot {
            let at = latest.map_or(transition.record.at, |latest| transition.record.at.max(latest));
            latest = Some(at);
            placed.push((at, transition));
        }
    }
    placed.sort_by_key(|(at, transition)| {
        (*at, transition.node_id, transition.record.boot_id, transition.record.sequence)
    });
    placed.into_iter().map(|(_, transition)| transition).collect()
}
