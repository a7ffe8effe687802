//! How long nobody answered during a move, as well as the reports of two nodes can tell.

use api_types::failover::{FailoverCause, GapMethod};
use api_types::transition::TransitionRecord;
use chrono::TimeDelta;

use super::Recorded;
use super::timeline::{self, Heard};

/// A release that is further from an announcement than this does not belong to it, in seconds.
const ONE_MOVE_S: i64 = 60;

/// A gap and how it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    pub(super) milliseconds: Option<f64>,
    pub(super) method: GapMethod,
}

/// How far a release lies from the announcement of a takeover; `None` when they cannot belong together.
pub(super) fn distance(release: &Recorded, takeover: &Recorded) -> Option<TimeDelta> {
    let distance = released_to_announced(release, &takeover.record)?.abs();
    (distance <= timeline::seconds(ONE_MOVE_S)).then_some(distance)
}

/// Measures the gap of a takeover.
///
/// Where the old holder handed over, its release is nearer to the truth than its last advertisement, but the two
/// times come from two clocks: it counts as long as it is not longer than what the one clock of the new holder
/// allows. Where the old holder fell silent, the new holder's clock is the only witness of both ends.
pub(super) fn measure(
    record: &TransitionRecord,
    heard: Option<&Heard>,
    release: Option<&Recorded>,
    cause: FailoverCause,
) -> Gap {
    let bound = heard.zip(record.announced_at_boottime_ns).map(|(heard, announced)| {
        timeline::nanoseconds(heard.at_boottime_ns, announced).max(TimeDelta::zero())
    });
    let released = release
        .and_then(|release| released_to_announced(release, record))
        .map(|gap| gap.max(TimeDelta::zero()));
    match (bound, released) {
        (Some(bound), Some(released)) if cause != FailoverCause::NoResponse && released <= bound => {
            Gap { milliseconds: milliseconds(released), method: GapMethod::ReleaseToAnnouncement }
        }
        (Some(bound), _) => {
            Gap { milliseconds: milliseconds(bound), method: GapMethod::LastAdvertisementToAnnouncement }
        }
        (None, Some(released)) => {
            Gap { milliseconds: milliseconds(released), method: GapMethod::ReleaseToAnnouncement }
        }
        (None, None) => Gap { milliseconds: None, method: GapMethod::Unknown },
    }
}

/// Negative when the new holder announced before the old one let go.
fn released_to_announced(release: &Recorded, takeover: &TransitionRecord) -> Option<TimeDelta> {
    let released = timeline::wall_clock(&release.record, release.record.released_at_boottime_ns?);
    let announced = timeline::wall_clock(takeover, takeover.announced_at_boottime_ns?);
    Some(timeline::seconds_between(released, announced))
}

/// In milliseconds, to the microsecond.
fn milliseconds(gap: TimeDelta) -> Option<f64> {
    gap.num_microseconds().map(|microseconds| microseconds as f64 / 1_000.0)
}
