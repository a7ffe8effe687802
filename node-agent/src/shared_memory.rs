//! What the parent and the worker both see: a memfd with a heartbeat and one slot per group.
//!
//! The parent makes it and hands it to every worker it starts. The dataplane thread of the worker is the only
//! writer of the slots. A worker that starts after the death of another reads from them which groups were Active
//! and when they last advertised, and goes on from there ([`Slot::last_sent`] tells whether that is still wise).
//!
//! Everything is a 64-bit word, read and written atomically, so the death of a writer never leaves half a word.
//! A slot is free while its first word is zero; that word is written last when a slot is taken.
//!
//! | Word | Header | Slot |
//! |---|---|---|
//! | 0 | layout | what: in use, bound, role, family, VRID |
//! | 1, 2 | boot id | group id |
//! | 3 | heartbeat | interface index |
//! | 4 | worker starts | last advertisement sent |
//! | 5 | finished | in this role since |
//! | 6 | | advertisement interval |
//!
//! Times are nanoseconds of `CLOCK_BOOTTIME`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;
use vrrp::{Family, Instant, Role, Vrid};

use crate::sys::clock;
use crate::sys::shared_words::SharedWords;

/// The most groups that one agent runs.
pub const MAX_GROUPS: usize = 4096;

/// "BATON", then the version of this layout.
const LAYOUT: u64 = 0x42_4154_4f4e_0001;
const WORDS_PER_SLOT: usize = 8;
const HEADER_WORDS: usize = 8;
const WORDS: usize = HEADER_WORDS + MAX_GROUPS * WORDS_PER_SLOT;

const IN_USE: u64 = 1 << 32;
const BOUND: u64 = 1 << 33;

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

    /// Says that the worker was told to stop and has released everything: all that is left for it is to end.
    pub(crate) fn finish(&self) {
        self.header(5).store(1, Ordering::Release);
    }

    /// Whether the worker has said so.
    pub(crate) fn is_finished(&self) -> bool {
        self.header(5).load(Ordering::Acquire) != 0
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

    /// Every group that is recorded, with the number of its slot.
    pub fn slots(&self) -> impl Iterator<Item = (usize, Slot)> {
        (0..MAX_GROUPS).filter_map(|index| Some((index, self.read(index)?)))
    }

    /// Records how a group stands.
    pub(crate) fn write(&self, index: usize, slot: &Slot) {
        let words = self.slot(index);
        let (high, low) = slot.key.group_id.as_u64_pair();
        words[1].store(high, Ordering::Relaxed);
        words[2].store(low, Ordering::Relaxed);
        words[3].store(slot.key.ifindex.into(), Ordering::Relaxed);
        words[4].store(clock::nanoseconds(slot.last_sent), Ordering::Relaxed);
        words[5].store(clock::nanoseconds(slot.since), Ordering::Relaxed);
        words[6].store(u64::try_from(slot.interval.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        words[0].store(pack(slot), Ordering::Release);
    }

    /// Forgets the group of a slot.
    pub(crate) fn clear(&self, index: usize) {
        self.slot(index)[0].store(0, Ordering::Release);
    }

    fn read(&self, index: usize) -> Option<Slot> {
        let words = self.slot(index);
        let what = words[0].load(Ordering::Acquire);
        let load = |word: usize| words[word].load(Ordering::Relaxed);
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
        })
    }

    fn header(&self, word: usize) -> &AtomicU64 {
        &self.words.words()[word]
    }

    fn slot(&self, index: usize) -> &[AtomicU64] {
        let start = HEADER_WORDS + index * WORDS_PER_SLOT;
        &self.words.words()[start..start + WORDS_PER_SLOT]
    }
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
    let bound = if slot.bound { BOUND } else { 0 };
    IN_USE | bound | role << 16 | family << 8 | u64::from(slot.key.vrid.get())
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

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
    fn a_cleared_slot_is_free_again() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        memory.write(0, &slot(1, Role::Backup));
        assert_eq!(memory.slots().count(), 1);
        memory.clear(0);
        assert_eq!(memory.slots().count(), 0);
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
