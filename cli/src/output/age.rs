//! Times as people read them.

use std::time::Duration;

use api_types::Timestamp;

/// How long ago `then` was, in one unit: `3s`, `12m`, `5h`, `40d`. A time in the future counts as now.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_datetime() - then.as_datetime()).num_seconds().max(0);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took, to be read at a glance: `315.2 ms`, `35.1 s`, `5m50s`, `3h07m`.
pub(crate) fn span(milliseconds: f64) -> String {
    if milliseconds < 999.95 {
        return format!("{milliseconds:.1} ms");
    }
    let seconds = milliseconds / 1_000.0;
    match Duration::try_from_secs_f64(seconds).map(|span| span.as_secs()) {
        Ok(whole @ 120..7_200) => format!("{}m{:02}s", whole / 60, whole % 60),
        Ok(whole @ 7_200..) => format!("{}h{:02}m", whole / 3_600, whole / 60 % 60),
        Ok(..120) | Err(_) => format!("{seconds:.1} s"),
    }
}

/// A moment to the millisecond, in UTC: `2026-11-22 20:41:17.123Z`.
pub(crate) fn moment(time: Timestamp) -> String {
    time.as_datetime().format("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn an_age_has_the_unit_that_keeps_it_short() {
        let then = DateTime::UNIX_EPOCH;
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            let now = then + TimeDelta::seconds(seconds);
            assert_eq!(age(then.into(), now.into()), text, "{seconds} s");
        }
    }

    #[test]
    fn a_span_has_units_that_people_count_in() {
        for (milliseconds, text) in [
            (0.0, "0.0 ms"),
            (315.25, "315.2 ms"),
            (999.94, "999.9 ms"),
            (999.96, "1.0 s"),
            (35_052.0, "35.1 s"),
            (119_940.0, "119.9 s"),
            (119_949.0, "119.9 s"),
            (120_000.0, "2m00s"),
            (350_526.8, "5m50s"),
            (11_220_000.0, "3h07m"),
        ] {
            assert_eq!(span(milliseconds), text, "{milliseconds}");
        }
    }

    #[test]
    fn a_moment_is_shown_to_the_millisecond() {
        let time = DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_234_567);
        assert_eq!(moment(time.into()), "1970-01-01 00:00:01.234Z");
    }
}
