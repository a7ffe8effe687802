//! What the parent and the worker both see: a memfd with a heartbeat and one slot per group.
//!
//! The parent makes it and hands it to every worker it starts. The dataplane thread of the worker is the only
//! writer of the slots; while no worker lives, the parent writes into them what its guard has done. A worker that
//! starts after the death of another reads from them which groups were Active and when they last advertised, and
//! goes on from there ([`Slot::last_sent`] tells whether that is still wise).
//!
//! Everything is a 64-bit word, read and written atomically, so the death of a writer never leaves half a word.
//! A slot is free while its first word is zero; that word is written last when a slot is taken. What the guard
//! would do for a group ([`fence_plan`]) lies behind the slots; a slot says where, in one word ([`plan_store`]).
//!
//! | Word | Header | Slot |
//! |---|---|---|
//! | 0 | layout | what: in use, bound, held, fenced, leaving, boosted priority, role, family, VRID |
//! | 1, 2 | boot id | group id |
//! | 3 | heartbeat | interface index |
//! | 4 | worker starts | last advertisement sent |
//! | 5 | finished | in this role since |
//! | 6 | groups held | advertisement interval |
//! | 7 | the worker that has adopted | last advertisement of another router heard |
//! | 8 | dataplane thread | where the fence plan lies |
//! | 9 | state of the guard | fenced at |
//! | 10 | groups fenced | released by the guard at |
//! | 11 | the worker that has handed over | running number of the last advertisement sent |
//! | 12 | workers that have died | sequence of the boost |
//! | 13 | the worker that was told to stop | its switchover |
//! | 14 | | the same |
//! | 15, 16 | | where advertisements come from |
//! | 16 to 31 | why the guard is not armed | |
//!
//! Times are nanoseconds of `CLOCK_BOOTTIME`.

mod farewell;
pub(crate) mod fence_plan;
pub(crate) mod guard_state;
pub(crate) mod plan_store;
mod slot;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;
use uuid::Uuid;
use vrrp::Instant;

use self::plan_store::{Extent, PLAN_WORDS};
pub use self::slot::{Fenced, Slot, SlotBoost, SlotKey};
use crate::sys::clock;
use crate::sys::shared_words::SharedWords;

/// The most groups that one agent runs.
pub const MAX_GROUPS: usize = 4096;

/// "BATON", then the version of this layout.
pub(crate) const LAYOUT: u64 = 0x42_4154_4f4e_0003;
const WORDS_PER_SLOT: usize = 17;
const HEADER_WORDS: usize = 32;
/// Where the fence plans begin.
const PLANS: usize = HEADER_WORDS + MAX_GROUPS * WORDS_PER_SLOT;
const WORDS: usize = PLANS + PLAN_WORDS;

/// The memory that the parent and the worker share.
pub struct SharedMemory {
    words: SharedWords,
}

/// The memory is not what this version of the agent can use.
#[derive(Debug, Error)]
pub enum SharedMemoryError {
    /// It cannot be made or mapped.
    #[error("the memory shared with the parent process cannot be mapped")]
    Map(#[source] io::Error),
    /// Another version of the agent made it.
    #[error("the memory shared with the parent process has layout {found:#x}, this agent knows {LAYOUT:#x}")]
    Layout {
        /// What stands in its first word.
        found: u64,
    },
}

impl SharedMemory {
    /// New memory with no groups, for the boot `boot_id`. Child processes inherit its descriptor.
    ///
    /// # Errors
    /// [`SharedMemoryError::Map`] when the kernel refuses.
    pub fn create(boot_id: Uuid) -> Result<Self, SharedMemoryError> {
        let memory = Self { words: SharedWords::create(WORDS).map_err(SharedMemoryError::Map)? };
        let (high, low) = boot_id.as_u64_pair();
        memory.header(1).store(high, Ordering::Relaxed);
        memory.header(2).store(low, Ordering::Relaxed);
        memory.header(0).store(LAYOUT, Ordering::Release);
        Ok(memory)
    }

    /// The memory that another process made.
    ///
    /// # Errors
    /// [`SharedMemoryError`] when it cannot be mapped or was made by an agent of another layout.
    pub fn open(fd: OwnedFd) -> Result<Self, SharedMemoryError> {
        let memory = Self { words: SharedWords::open(fd, WORDS).map_err(SharedMemoryError::Map)? };
        match memory.header(0).load(Ordering::Acquire) {
            LAYOUT => Ok(memory),
            found => Err(SharedMemoryError::Layout { found }),
        }
    }

    /// The number of the descriptor that child processes inherit.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.words.as_raw_fd()
    }

    /// Drawn by the parent when the agent started; the same for every worker it starts.
    #[must_use]
    pub fn boot_id(&self) -> Uuid {
        Uuid::from_u64_pair(self.header(1).load(Ordering::Relaxed), self.header(2).load(Ordering::Relaxed))
    }

    /// How often the parent has started a worker, the first time included.
    #[must_use]
    pub fn worker_starts(&self) -> u64 {
        self.header(4).load(Ordering::Relaxed)
    }

    pub(crate) fn count_worker_start(&self) {
        self.header(4).fetch_add(1, Ordering::Relaxed);
    }

    /// Says that the dataplane thread was alive at `now`.
    pub(crate) fn beat(&self, now: Instant) {
        self.header(3).store(clock::nanoseconds(now), Ordering::Release);
    }

    /// When the dataplane thread last said that it was alive; `None` before the first time.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Instant> {
        match self.header(3).load(Ordering::Acquire) {
            0 => None,
            at => Some(clock::from_nanoseconds(at)),
        }
    }

    /// Says how many groups hold addresses or are about to. While there is one, the dataplane beats.
    pub(crate) fn set_held(&self, groups: usize) {
        self.header(6).store(groups.try_into().unwrap_or(u64::MAX), Ordering::Release);
    }

    /// How many groups hold addresses or are about to, as the dataplane said last.
    pub(crate) fn held(&self) -> u64 {
        self.header(6).load(Ordering::Acquire)
    }

    /// Says that this worker has taken up what it could of what the one before it held.
    pub(crate) fn finish_adoption(&self) {
        self.header(7).store(self.worker_starts(), Ordering::Release);
    }

    /// The worker that was started last has died.
    pub(crate) fn forget_adoption(&self) {
        self.header(7).store(0, Ordering::Release);
    }

    /// Whether the worker that was started last has said so.
    pub(crate) fn has_adopted(&self) -> bool {
        self.header(7).load(Ordering::Acquire) == self.worker_starts()
    }

    /// Names the thread that beats.
    pub(crate) fn set_dataplane_thread(&self, thread: u32) {
        self.header(8).store(thread.into(), Ordering::Release);
    }

    /// The thread that beats, or did.
    pub(crate) fn dataplane_thread(&self) -> u64 {
        self.header(8).load(Ordering::Acquire)
    }

    /// Every group that is recorded, with the number of its slot.
    pub fn slots(&self) -> impl Iterator<Item = (usize, Slot)> {
        (0..MAX_GROUPS).filter_map(|index| Some((index, slot::read(self.slot(index))?)))
    }

    /// The group of one slot.
    pub(crate) fn slot_at(&self, index: usize) -> Option<Slot> {
        slot::read(self.slot(index))
    }

    /// Records how a group stands.
    pub(crate) fn write(&self, index: usize, slot: &Slot) {
        slot::write(self.slot(index), slot);
    }

    /// Forgets the group of a slot.
    pub(crate) fn clear(&self, index: usize) {
        slot::clear(self.slot(index));
    }

    /// Says that the guard has advertised in the name of the group of a slot.
    pub(crate) fn mark_sent(&self, index: usize, at: Instant, number: Option<u16>) {
        slot::mark_sent(self.slot(index), at, number);
    }

    /// Says that the guard has begun to fence the group of a slot.
    pub(crate) fn mark_fenced(&self, index: usize, at: Instant) {
        slot::mark_fenced(self.slot(index), at);
        self.header(10).fetch_add(1, Ordering::Relaxed);
    }

    /// Says that nothing is bound any longer for the group of a slot, which the guard has fenced.
    pub(crate) fn mark_released(&self, index: usize, at: Instant) {
        slot::mark_released(self.slot(index), at);
    }

    /// How many groups the guard has fenced since the agent started.
    pub(crate) fn times_fenced(&self) -> u64 {
        self.header(10).load(Ordering::Relaxed)
    }

    /// Where the fence plan of a slot lies, if it has one.
    pub(crate) fn plan_extent(&self, index: usize) -> Option<Extent> {
        slot::plan(self.slot(index))
    }

    /// Says where the fence plan of a slot lies. From then on it may not change there.
    pub(crate) fn set_plan(&self, index: usize, plan: Option<Extent>) {
        slot::set_plan(self.slot(index), plan);
    }

    fn plans(&self) -> &[AtomicU64] {
        &self.words.words()[PLANS..]
    }

    fn header_text(&self) -> &[AtomicU64] {
        &self.words.words()[16..HEADER_WORDS]
    }

    fn header(&self, word: usize) -> &AtomicU64 {
        &self.words.words()[word]
    }

    fn slot(&self, index: usize) -> &[AtomicU64] {
        let start = HEADER_WORDS + index * WORDS_PER_SLOT;
        &self.words.words()[start..start + WORDS_PER_SLOT]
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use vrrp::{BoostedPriority, Family, Role, Vrid};

    use super::*;

    fn duplicate(words: &SharedWords) -> OwnedFd {
        words.as_fd().try_clone_to_owned().unwrap()
    }

    fn slot(last_octet: u8, role: Role) -> Slot {
        Slot {
            key: SlotKey {
                group_id: Uuid::from_u128(0x1234_5678_9abc_def0_0fed_cba9_8765_4300 + u128::from(last_octet)),
                ifindex: 7,
                family: Family::Ipv4,
                vrid: Vrid::new(last_octet).unwrap(),
            },
            role,
            bound: role == Role::Active,
            last_sent: Instant::from_origin(Duration::from_nanos(123_456_789_012)),
            since: Instant::from_origin(Duration::from_nanos(99)),
            interval: Duration::from_millis(100),
            heard: None,
            held: role == Role::Active,
            leaving: role == Role::Active,
            source: "192.0.2.1".parse().unwrap(),
            number: (role == Role::Active).then_some(0),
            boost: (role == Role::Active).then(|| SlotBoost {
                priority: BoostedPriority::new(254).unwrap(),
                sequence: u64::MAX,
                switchover_id: Uuid::from_u128(u128::MAX - 1),
            }),
            entered: true,
            fenced: None,
        }
    }

    #[test]
    fn what_one_mapping_writes_another_reads() {
        let boot_id = Uuid::from_u128(0xfeed);
        let ours = SharedMemory::create(boot_id).unwrap();
        ours.count_worker_start();
        ours.beat(Instant::from_origin(Duration::from_secs(5)));
        ours.write(0, &slot(51, Role::Active));
        ours.write(MAX_GROUPS - 1, &slot(52, Role::Backup));

        let theirs = SharedMemory::open(duplicate(&ours.words)).unwrap();
        assert_eq!(theirs.boot_id(), boot_id);
        assert_eq!(theirs.worker_starts(), 1);
        assert_eq!(theirs.heartbeat(), Some(Instant::from_origin(Duration::from_secs(5))));
        let found: Vec<_> = theirs.slots().collect();
        assert_eq!(found, [(0, slot(51, Role::Active)), (MAX_GROUPS - 1, slot(52, Role::Backup))]);
    }

    #[test]
    fn a_slot_knows_where_advertisements_come_from_in_either_family() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        for (family, source) in [(Family::Ipv4, "255.1.2.3"), (Family::Ipv6, "fe80::ffff:ffff:ffff:fffe")] {
            let key = SlotKey { family, ..slot(51, Role::Active).key };
            let written = Slot { key, source: source.parse().unwrap(), ..slot(51, Role::Active) };
            memory.write(0, &written);
            assert_eq!(memory.slot_at(0), Some(written));
            memory.mark_sent(0, Instant::from_origin(Duration::from_secs(3)), Some(u16::MAX));
            assert_eq!(memory.slot_at(0).and_then(|slot| slot.number), Some(u16::MAX));
        }
    }

    #[test]
    fn a_cleared_slot_is_free_again() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        memory.write(0, &slot(1, Role::Backup));
        assert_eq!(memory.slots().count(), 1);
        memory.clear(0);
        assert_eq!(memory.slots().count(), 0);
    }

    #[test]
    fn what_the_guard_has_fenced_is_held_until_it_is_released_and_stays_fenced() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        let at = |seconds| Instant::from_origin(Duration::from_secs(seconds));
        memory.write(3, &slot(1, Role::Active));
        let read = || memory.slots().next().map(|(_, slot)| slot).unwrap();
        memory.mark_fenced(3, at(200));
        assert_eq!((read().held, read().fenced), (true, Some(Fenced { at: at(200), released: None })));
        memory.mark_released(3, at(201));
        let fenced = Some(Fenced { at: at(200), released: Some(at(201)) });
        assert_eq!((read().held, read().bound, read().fenced), (false, false, fenced));
        assert_eq!(memory.times_fenced(), 1);
        memory.write(3, &slot(1, Role::Backup));
        assert_eq!(read().fenced, None, "the next worker begins anew");
    }

    #[test]
    fn only_the_worker_that_was_started_last_counts_as_having_adopted() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        memory.count_worker_start();
        assert!(!memory.has_adopted());
        memory.finish_adoption();
        assert!(memory.has_adopted());
        memory.count_worker_start();
        assert!(!memory.has_adopted());
        memory.finish_adoption();
        memory.forget_adoption();
        assert!(!memory.has_adopted(), "it has died");
    }

    #[test]
    fn memory_of_another_layout_is_refused() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        memory.header(0).store(LAYOUT + 1, Ordering::Relaxed);
        assert!(matches!(
            SharedMemory::open(duplicate(&memory.words)),
            Err(SharedMemoryError::Layout { found }) if found == LAYOUT + 1
        ));
    }

    #[test]
    fn a_file_of_another_size_is_refused() {
        let short = SharedWords::create(8).unwrap();
        assert!(matches!(SharedMemory::open(duplicate(&short)), Err(SharedMemoryError::Map(_))));
    }
}
