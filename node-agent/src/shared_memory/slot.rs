//! One group in shared memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;
use vrrp::{Family, Instant, Role, Vrid};

use super::plan_store::Extent;
use crate::sys::clock;

const IN_USE: u64 = 1 << 32;
const BOUND: u64 = 1 << 33;
const HELD: u64 = 1 << 34;
const FENCED: u64 = 1 << 35;

/// Which group a slot is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotKey {
    /// The group.
    pub group_id: Uuid,
    /// The interface it runs on.
    pub ifindex: u32,
    /// The address family.
    pub family: Family,
    /// The VRID.
    pub vrid: Vrid,
}

/// How a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Which group.
    pub key: SlotKey,
    /// What this node is to it.
    pub role: Role,
    /// Whether its addresses are bound.
    pub bound: bool,
    /// When its last advertisement left; the origin when none has.
    pub last_sent: Instant,
    /// Since when it has this role.
    pub since: Instant,
    /// How often it advertises while Active.
    pub interval: Duration,
    /// When another router last advertised that it holds the addresses.
    pub heard: Option<Instant>,
    /// Whether the kernel may have an address because of it: from before the first is bound until after the last
    /// has gone.
    pub held: bool,
    /// Set once the guard has fenced it.
    pub fenced: Option<Fenced>,
}

/// `Active_Down_Interval` without the skew (RFC 9568 §6.1).
const INTERVALS: u32 = 3;

impl Slot {
    /// Until when no Backup on the LAN has moved because the last advertisement was long ago.
    pub(crate) fn nobody_moves_until(&self) -> Instant {
        self.last_sent + self.interval.saturating_mul(INTERVALS)
    }
}

/// When the guard fenced a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    /// When it resigned for it.
    pub at: Instant,
    /// When the addresses had gone.
    pub released: Option<Instant>,
}

pub(super) fn write(words: &[AtomicU64], slot: &Slot) {
    let (high, low) = slot.key.group_id.as_u64_pair();
    words[1].store(high, Ordering::Relaxed);
    words[2].store(low, Ordering::Relaxed);
    words[3].store(slot.key.ifindex.into(), Ordering::Relaxed);
    words[4].store(clock::nanoseconds(slot.last_sent), Ordering::Relaxed);
    words[5].store(clock::nanoseconds(slot.since), Ordering::Relaxed);
    words[6].store(u64::try_from(slot.interval.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    words[7].store(slot.heard.map_or(0, clock::nanoseconds), Ordering::Relaxed);
    words[9].store(slot.fenced.map_or(0, |fenced| clock::nanoseconds(fenced.at)), Ordering::Relaxed);
    let released = slot.fenced.and_then(|fenced| fenced.released);
    words[10].store(released.map_or(0, clock::nanoseconds), Ordering::Relaxed);
    words[0].store(pack(slot), Ordering::Release);
}

pub(super) fn read(words: &[AtomicU64]) -> Option<Slot> {
    let what = words[0].load(Ordering::Acquire);
    let load = |word: usize| words[word].load(Ordering::Relaxed);
    let time = |word: usize| Some(load(word)).filter(|time| *time != 0).map(clock::from_nanoseconds);
    let (role, family, vrid) = unpack(what)?;
    let key = SlotKey {
        group_id: Uuid::from_u64_pair(load(1), load(2)),
        ifindex: u32::try_from(load(3)).ok()?,
        family,
        vrid,
    };
    Some(Slot {
        key,
        role,
        bound: what & BOUND != 0,
        last_sent: clock::from_nanoseconds(load(4)),
        since: clock::from_nanoseconds(load(5)),
        interval: Duration::from_nanos(load(6)),
        heard: time(7),
        held: what & HELD != 0,
        fenced: (what & FENCED != 0)
            .then(|| Fenced { at: clock::from_nanoseconds(load(9)), released: time(10) }),
    })
}

/// The plan is forgotten too.
pub(super) fn clear(words: &[AtomicU64]) {
    words[0].store(0, Ordering::Release);
    words[8].store(0, Ordering::Release);
}

pub(super) fn mark_fenced(words: &[AtomicU64], at: Instant) {
    words[9].store(clock::nanoseconds(at), Ordering::Relaxed);
    words[10].store(0, Ordering::Relaxed);
    words[0].fetch_or(FENCED, Ordering::Release);
}

pub(super) fn mark_released(words: &[AtomicU64], at: Instant) {
    words[10].store(clock::nanoseconds(at), Ordering::Relaxed);
    words[0].fetch_and(!(HELD | BOUND), Ordering::Release);
}

pub(super) fn plan(words: &[AtomicU64]) -> Option<Extent> {
    Extent::from_word(words[8].load(Ordering::Acquire))
}

pub(super) fn set_plan(words: &[AtomicU64], plan: Option<Extent>) {
    words[8].store(plan.map_or(0, Extent::to_word), Ordering::Release);
}

fn pack(slot: &Slot) -> u64 {
    let role = match slot.role {
        Role::Initialize => 0,
        Role::Backup => 1,
        Role::Active => 2,
    };
    let family = match slot.key.family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
    let flags = flag(slot.bound, BOUND) | flag(slot.held, HELD) | flag(slot.fenced.is_some(), FENCED);
    IN_USE | flags | role << 16 | family << 8 | u64::from(slot.key.vrid.get())
}

fn unpack(what: u64) -> Option<(Role, Family, Vrid)> {
    if what & IN_USE == 0 {
        return None;
    }
    let [vrid, family, role, ..] = what.to_le_bytes();
    let role = match role {
        0 => Role::Initialize,
        1 => Role::Backup,
        2 => Role::Active,
        _ => return None,
    };
    let family = match family {
        4 => Family::Ipv4,
        6 => Family::Ipv6,
        _ => return None,
    };
    Some((role, family, Vrid::new(vrid)?))
}
