//! One group in shared memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api_types::boost::Boost;
use uuid::Uuid;
use vrrp::{BoostedPriority, Family, Instant, Role, Vrid};

use super::plan_store::Extent;
use crate::sys::clock;

const IN_USE: u64 = 1 << 32;
const BOUND: u64 = 1 << 33;
const HELD: u64 = 1 << 34;
const FENCED: u64 = 1 << 35;
const LEAVING: u64 = 1 << 36;
const ENTERED: u64 = 1 << 37;
/// Set in the word of the running number when there is one.
const NUMBERED: u64 = 1 << 16;

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
    /// Whether it is handing over, because it stops or is drained.
    pub leaving: bool,
    /// Where its advertisements come from.
    pub source: IpAddr,
    /// The running number of the last one; `None` when none has left, or the kernel numbers them.
    pub number: Option<u16>,
    /// The boost that is in effect.
    pub boost: Option<SlotBoost>,
    /// Whether it answers for the addresses while it holds them: no `pre_active` hook is waited for.
    pub entered: bool,
    /// Set once the guard has fenced it.
    pub fenced: Option<Fenced>,
}

/// The boost of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotBoost {
    /// What it advertises.
    pub priority: BoostedPriority,
    /// Which of the group's boosts it is.
    pub sequence: u64,
    /// The switchover that it belongs to.
    pub switchover_id: Uuid,
}

/// `Active_Down_Interval` without the skew (RFC 9568 §6.1).
const INTERVALS: u32 = 3;

impl Slot {
    /// Whether this is the boost that was in effect.
    pub(crate) fn is_boosted_by(&self, boost: &Boost) -> bool {
        self.boost.is_some_and(|own| (own.sequence, own.priority) == (boost.sequence, boost.priority))
    }

    /// Whether no other router has said since the last advertisement that it holds the addresses.
    pub(crate) fn is_alone(&self) -> bool {
        self.heard.is_none_or(|heard| heard <= self.last_sent)
    }

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
    words[11].store(slot.number.map_or(0, pack_number), Ordering::Relaxed);
    let (switchover, sequence) =
        slot.boost.map_or((Uuid::nil(), 0), |boost| (boost.switchover_id, boost.sequence));
    let (high, low) = switchover.as_u64_pair();
    words[12].store(sequence, Ordering::Relaxed);
    words[13].store(high, Ordering::Relaxed);
    words[14].store(low, Ordering::Relaxed);
    let (high, low) = pack_address(slot.source);
    words[15].store(high, Ordering::Relaxed);
    words[16].store(low, Ordering::Relaxed);
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
    let boost = BoostedPriority::new(what.to_le_bytes()[3]).map(|priority| SlotBoost {
        priority,
        sequence: load(12),
        switchover_id: Uuid::from_u64_pair(load(13), load(14)),
    });
    Some(Slot {
        key,
        role,
        leaving: what & LEAVING != 0,
        entered: what & ENTERED != 0,
        source: unpack_address(family, load(15), load(16)),
        number: unpack_number(load(11)),
        boost,
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

/// Says that an advertisement has left, with this running number.
pub(super) fn mark_sent(words: &[AtomicU64], at: Instant, number: Option<u16>) {
    words[11].store(number.map_or(0, pack_number), Ordering::Relaxed);
    words[4].store(clock::nanoseconds(at), Ordering::Release);
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
    let flags = flag(slot.bound, BOUND) | flag(slot.held, HELD);
    let flags = flags | flag(slot.fenced.is_some(), FENCED) | flag(slot.leaving, LEAVING);
    let flags = flags | flag(slot.entered, ENTERED);
    let boost = slot.boost.map_or(0, |boost| u64::from(boost.priority.get().get()));
    IN_USE | flags | boost << 24 | role << 16 | family << 8 | u64::from(slot.key.vrid.get())
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

fn pack_number(number: u16) -> u64 {
    NUMBERED | u64::from(number)
}

fn unpack_number(word: u64) -> Option<u16> {
    word.checked_sub(NUMBERED).and_then(|number| number.try_into().ok())
}

fn pack_address(address: IpAddr) -> (u64, u64) {
    match address {
        IpAddr::V4(address) => (0, u32::from(address).into()),
        IpAddr::V6(address) => Uuid::from_u128(address.into()).as_u64_pair(),
    }
}

fn unpack_address(family: Family, high: u64, low: u64) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::from(u32::try_from(low).unwrap_or_default()).into(),
        Family::Ipv6 => Ipv6Addr::from(Uuid::from_u64_pair(high, low).as_u128()).into(),
    }
}
