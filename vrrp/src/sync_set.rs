//! Sync groups: virtual routers that are to be Active on one node, all of them or none.
//!
//! A node that fails falls silent on all its LANs, and all Backups of the next node become willing within an interval of
//! each other; then they take over together. A LAN that fails alone makes only its own Backup willing. The others hear
//! the Active node and wait, so that nothing moves: keepalived's groups would take each other along to and fro.
//!
//! # Taking over
//! The addresses of all groups are bound first, in silence. When the last kernel has answered, all become Active at
//! once; if one refuses, or hears a better router meanwhile, nobody ever hears of the attempt.
//!
//! # Giving up
//! A node that loses one group resigns the others, and goes on answering for them until a successor is heard. Then it
//! preempts nobody for [`HOLD_OFF`] of the largest Active_Down_Interval. A successor that takes all at once is given
//! [`GRACE`] to be heard by each group, which yields by the rules of the RFC then.
//!
//! # Switchover
//! All groups of a set are boosted together, or none: where one cannot be, or loses its boost, it is over for all.
//!
//! # Where a part is Active
//! As when groups that ran apart are put together. There the node competes for the rest as an Active router does: by
//! priority alone. It gives up all if it would lose one.
//!
//! That none of this goes on for ever needs one order of the nodes: each has the same priority in all groups of a set,
//! and another than the others have. The best one never gives up to anybody, the next one to it alone, and so on.

use std::time::Duration;

use crate::instance::Standing;
use crate::{HANDOVER, Instance, Instant, Reason};

/// For how many of the largest Active_Down_Interval it preempts nobody after a loss.
pub const HOLD_OFF: u32 = 3;
/// How long each group may yield by itself to a successor that took all at once.
pub const GRACE: Duration = HANDOVER;
/// For how many intervals a group answers for what it gives up: longer than its Active_Down_Interval, after which the next
/// node is willing although one of its groups heard nobody resign.
const PATIENCE: u32 = 4;

/// The groups of one sync group as one node takes part in them. Call [`SyncSet::settle`] after each call that can change
/// one of its instances, before their actions are carried out.
#[derive(Debug, Clone, Default)]
pub struct SyncSet {
    /// When everything is given up because of a better router.
    resigns_at: Option<Instant>,
    /// The largest Active_Down_Interval of its groups, those included that are not there for the time being.
    active_down: Duration,
}

impl SyncSet {
    /// A set of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { resigns_at: None, active_down: Duration::ZERO }
    }

    /// Has the instances do what the others allow, or force them to. One that is not there takes no part. Owners belong
    /// to no set.
    pub fn settle(&mut self, members: &mut [Option<&mut Instance>], now: Instant) {
        members.iter_mut().flatten().for_each(|member| member.join_set());
        self.measure(members);
        let standings = standings(members, now);
        let has = |standing| standings.contains(&standing);

        if !has(Standing::Active) {
            self.resigns_at = None;
            unboost_unless_all_are(members, now);
            let standings = self::standings(members, now);
            if !standings.iter().all(|standing| *standing >= Standing::Willing) {
                return members.iter_mut().flatten().for_each(|member| member.cancel(now));
            }
            prepare(members, now);
            if self::standings(members, now).iter().all(|standing| *standing == Standing::Prepared) {
                members.iter_mut().flatten().for_each(|member| member.commit(now));
            }
            return;
        }
        let outranked = has(Standing::Outranked);
        self.resigns_at = outranked.then(|| self.resigns_at.unwrap_or(now + GRACE));
        if has(Standing::Absent) || has(Standing::Fallen) || self.resigns_at.is_some_and(|at| at <= now) {
            self.resigns_at = None;
            return self.give_up(members, now);
        }
        unboost_unless_all_are(members, now);
        if !outranked {
            for member in members.iter_mut().flatten() {
                if member.standing(now) == Standing::Behind {
                    member.call(Reason::SyncGroup, now);
                }
            }
            prepare(members, now);
            members.iter_mut().flatten().for_each(|member| member.commit(now));
        }
    }

    /// When to call [`SyncSet::settle`] although nothing has happened.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.resigns_at
    }

    fn measure(&mut self, members: &[Option<&mut Instance>]) {
        if members.iter().all(Option::is_some) {
            self.active_down = Duration::ZERO;
        }
        for member in members.iter().flatten() {
            self.active_down = self.active_down.max(member.active_down_interval());
        }
    }

    fn give_up(&self, members: &mut [Option<&mut Instance>], now: Instant) {
        for member in members.iter_mut().flatten() {
            member.hold_off(now + self.active_down * HOLD_OFF);
            member.cancel(now);
            let patience = member.config().interval().as_duration() * PATIENCE;
            member.resign(patience, now);
        }
    }
}

/// The number of the first group that keeps others waiting that would take over; `None` while no group would.
#[must_use]
pub fn kept_waiting_by(members: &[Option<&Instance>], now: Instant) -> Option<usize> {
    let standings: Vec<_> = members.iter().map(|member| standing(*member, now)).collect();
    let waits = standings.contains(&Standing::Willing);
    standings.iter().position(|standing| *standing < Standing::Willing).filter(|_| waits)
}

fn standing(member: Option<&Instance>, now: Instant) -> Standing {
    member.map_or(Standing::Absent, |member| member.standing(now))
}

fn standings(members: &[Option<&mut Instance>], now: Instant) -> Vec<Standing> {
    members.iter().map(|member| standing(member.as_deref(), now)).collect()
}

fn unboost_unless_all_are(members: &mut [Option<&mut Instance>], now: Instant) {
    let boost = |member: &Option<&mut Instance>| member.as_ref()?.config().boost();
    if !members.iter().all(|member| boost(member).is_some()) {
        members.iter_mut().flatten().for_each(|member| member.unboost(now));
    }
}

/// Those that are willing ask for their addresses.
fn prepare(members: &mut [Option<&mut Instance>], now: Instant) {
    for member in members.iter_mut().flatten() {
        if member.standing(now) == Standing::Willing {
            member.prepare(now);
        }
    }
}
