//! The priorities that nodes are given when none are written.
//!
//! When the active member dies, each backup waits for its skew on top of the same three intervals. Two skews
//! that are nearly the same elect two holders, so the priorities are so far apart that skews differ by at
//! least 3 ms. What is given depends on nothing but the members as they are listed and the interval: the same
//! group is always given the same, whoever reads it.

use thiserror::Error;
use vrrp::{AdvertisementInterval, Priority};

/// The priority of the first member that has none written.
const FIRST: u8 = 240;
/// The least number of points between two given priorities, however long the interval.
const LEAST_SPACING: u8 = 8;
/// By how much skews must differ.
const SKEWS_APART_MS: u32 = 3;
/// The parts of an interval that skews are counted in (RFC 9568 §6.1).
const SKEW_PARTS: u32 = 256;
/// From this interval on it is [`LEAST_SPACING`] that counts.
const LEAST_SPACING_FROM_MS: u32 = 100;

/// The members that have no priority written are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{wanted} members have no priority written, and at {interval} there is room for {room}, {spacing} points \
     apart: allowed are {}priorities that are written",
    least.map(|least| format!("at least {least}, or ")).unwrap_or_default()
)]
pub struct NoRoom {
    /// How many have none written.
    pub wanted: usize,
    /// How many of them there is room for.
    pub room: usize,
    /// The interval of the group.
    pub interval: AdvertisementInterval,
    /// How far apart the priorities are at this interval.
    pub spacing: u8,
    /// The shortest interval at which there is room for all; `None` when there is none.
    pub least: Option<AdvertisementInterval>,
}

/// How many points apart given priorities are at least: `max(8, ⌈3 ms × 256 / interval⌉)`.
///
/// Version 2 counts skews in parts of a second whatever the interval (RFC 3768 §6.1). That makes no
/// difference here: its intervals are at least a second, where 8 points are more than enough in either
/// version.
#[must_use]
pub fn spacing(interval: AdvertisementInterval) -> u8 {
    let points = (SKEWS_APART_MS * SKEW_PARTS).div_ceil(interval.as_millis());
    u8::try_from(points).map_or(u8::MAX, |points| points.max(LEAST_SPACING))
}

/// Whether the skews of two backups with these priorities differ by less than 3 ms, so that both may take
/// over. An owner (255) is never a backup.
#[must_use]
pub fn are_too_close(one: Priority, other: Priority, interval: AdvertisementInterval) -> bool {
    let points = u32::from(one.get().abs_diff(other.get()));
    !one.is_owner() && !other.is_owner() && points * interval.as_millis() < SKEWS_APART_MS * SKEW_PARTS
}

/// The priority of each member: the one that is written, or for `None` the next one, from 240 down, that is
/// at least [`spacing`] from those above it and from all that are written. An owner's (255) does not count.
///
/// # Errors
/// [`NoRoom`] when the members without one are too many for the interval.
pub fn assigned(
    interval: AdvertisementInterval,
    written: &[Option<Priority>],
) -> Result<Vec<Priority>, NoRoom> {
    let spacing = spacing(interval);
    let wanted = written.iter().filter(|priority| priority.is_none()).count();
    let mut free = free_priorities(written, spacing);
    let mut room = 0;
    let given: Option<Vec<_>> =
        written.iter().map(|priority| priority.or_else(|| free.next().inspect(|_| room += 1))).collect();
    given.ok_or_else(|| NoRoom { wanted, room, interval, spacing, least: shortest_for(written, wanted) })
}

/// The priorities that can be given, from the first on down.
fn free_priorities(written: &[Option<Priority>], spacing: u8) -> impl Iterator<Item = Priority> {
    let taken: Vec<u8> = written
        .iter()
        .flatten()
        .filter(|priority| !priority.is_owner())
        .map(|priority| priority.get())
        .collect();
    let mut next = Some(FIRST);
    std::iter::from_fn(move || {
        let mut candidate = next?;
        while let Some(near) = taken.iter().find(|taken| taken.abs_diff(candidate) < spacing) {
            candidate = near.checked_sub(spacing)?;
        }
        next = candidate.checked_sub(spacing);
        Priority::new(candidate)
    })
}

/// The shortest interval that has room for them. Every one from [`LEAST_SPACING_FROM_MS`] on has the same
/// room.
fn shortest_for(written: &[Option<Priority>], wanted: usize) -> Option<AdvertisementInterval> {
    (10..=LEAST_SPACING_FROM_MS)
        .step_by(10)
        .filter_map(|milliseconds| AdvertisementInterval::try_from(i64::from(milliseconds)).ok())
        .find(|interval| free_priorities(written, spacing(*interval)).count() >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: i64) -> AdvertisementInterval {
        AdvertisementInterval::try_from(milliseconds).unwrap()
    }

    /// 0 for one that is left out.
    fn given(interval: i64, written: &[u8]) -> Result<Vec<u8>, NoRoom> {
        let written: Vec<_> = written.iter().copied().map(Priority::new).collect();
        Ok(assigned(ms(interval), &written)?.into_iter().map(Priority::get).collect())
    }

    #[test]
    fn skews_differ_by_3_ms_and_priorities_by_8_points() {
        let cases = [(10, 77), (20, 39), (30, 26), (40, 20), (50, 16), (90, 9), (100, 8), (1_000, 8)];
        for (interval, wanted) in cases {
            assert_eq!(spacing(ms(interval)), wanted, "{interval} ms");
            let apart = |points| {
                are_too_close(Priority::new(100).unwrap(), Priority::new(100 + points).unwrap(), ms(interval))
            };
            assert!(!apart(wanted), "{interval} ms");
            assert!(interval > 100 || apart(wanted - 1), "{interval} ms: not more than is needed");
        }
        assert_eq!(spacing(ms(255_000)), 8);
    }

    #[test]
    fn equal_priorities_are_too_close_at_every_interval_but_an_owner_is_never_a_backup() {
        let too_close = |one, other, interval| {
            are_too_close(Priority::new(one).unwrap(), Priority::new(other).unwrap(), ms(interval))
        };
        assert!(too_close(100, 100, 40_950) && too_close(100, 100, 255_000));
        assert!(!too_close(100, 101, 1_000) && too_close(101, 100, 100));
        assert!(!too_close(255, 254, 10) && !too_close(254, 255, 10) && !too_close(255, 255, 10));
    }

    #[test]
    fn priorities_are_given_in_the_order_of_the_members() {
        let cases: [(i64, &[u8], &[u8]); 9] = [
            (100, &[0, 0, 0], &[240, 232, 224]),
            (3_000, &[0, 0], &[240, 232]),
            (10, &[0, 0, 0, 0], &[240, 163, 86, 9]),
            (100, &[200, 100], &[200, 100]),
            (100, &[0, 240, 0], &[232, 240, 224]),
            (100, &[0, 236, 0], &[228, 236, 220]),
            (100, &[0, 0, 230], &[240, 222, 230]),
            (10, &[0, 0, 100], &[240, 23, 100]),
            (100, &[255, 0, 0], &[255, 240, 232]),
        ];
        for (interval, written, wanted) in cases {
            assert_eq!(given(interval, written).unwrap(), wanted, "{interval} ms, {written:?}");
        }
    }

    #[test]
    fn a_member_at_the_end_leaves_the_others_as_they_are() {
        for count in 1..30 {
            let (before, after) = (given(100, &vec![0; count]), given(100, &vec![0; count + 1]));
            assert_eq!(before.unwrap(), after.unwrap()[..count]);
        }
    }

    #[test]
    fn what_is_given_is_never_too_close_and_never_reserved() {
        for interval in [10, 20, 50, 100, 1_000] {
            for taken in 1..=254 {
                let all = given(interval, &[0, taken, 0]).unwrap();
                for (one, other) in [(0, 1), (0, 2), (1, 2)] {
                    let [one, other] = [all[one], all[other]].map(|number| Priority::new(number).unwrap());
                    assert!(!are_too_close(one, other, ms(interval)), "{interval} ms: {all:?}");
                }
                assert!(all[0] <= 240 && all[2] <= 240 && all[1] == taken, "{all:?}");
            }
        }
    }

    #[test]
    fn who_finds_no_room_is_told_what_would_have_some() {
        let cases: [(i64, &[u8], usize, Option<i64>); 6] = [
            (10, &[0; 5], 4, Some(20)),
            (10, &[0; 8], 4, Some(30)),
            (10, &[0, 0, 0, 120], 2, Some(20)),
            (20, &[0; 30], 7, Some(100)),
            (100, &[0; 31], 30, None),
            (1_000, &[0; 32], 30, None),
        ];
        for (interval, written, room, least) in cases {
            let refused = given(interval, written).unwrap_err();
            assert_eq!((refused.room, refused.least), (room, least.map(ms)), "{interval} ms, {written:?}");
            if let Some(least) = least {
                assert!(given(least, written).is_ok() && given(least - 10, written).is_err(), "{written:?}");
            }
        }
        assert_eq!(
            given(10, &[0; 5]).unwrap_err().to_string(),
            "5 members have no priority written, and at 10 ms there is room for 4, 77 points apart: allowed \
             are at least 20 ms, or priorities that are written"
        );
        assert_eq!(
            given(100, &[0; 31]).unwrap_err().to_string(),
            "31 members have no priority written, and at 100 ms there is room for 30, 8 points apart: allowed \
             are priorities that are written"
        );
    }
}
