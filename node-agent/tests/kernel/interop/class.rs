//! Times as classes, so that another run says the same.
//!
//! A class ends three quarters of an interval after the time that it is named after: that is what programs
//! and the machine may take.

use std::time::Duration;

use super::dialect::Dialect;

/// What a successor of this priority took after silence, from the last frame of one to the first of the
/// other.
pub(crate) fn after_silence(dialect: &Dialect, priority: u8, gap: Duration) -> String {
    let due = dialect.interval * 3 + dialect.skew(priority);
    let class = if gap < dialect.interval * 3 {
        "sooner than Active_Down_Interval"
    } else if gap <= due + grace(dialect) {
        "after Active_Down_Interval"
    } else if gap <= due + dialect.interval + grace(dialect) {
        "an interval after Active_Down_Interval"
    } else {
        "later than Active_Down_Interval"
    };
    eprintln!("{}: {gap:?}: {class}", dialect.spoken);
    class.to_owned()
}

/// What a successor of this priority took after a resignation.
pub(crate) fn after_resignation(dialect: &Dialect, priority: u8, gap: Duration) -> String {
    let skew = dialect.skew(priority);
    let class = if gap <= skew + grace(dialect) {
        "within the skew time"
    } else if gap <= skew + dialect.interval + grace(dialect) {
        "an interval after the skew time"
    } else {
        "later than the skew time"
    };
    eprintln!("{}: {gap:?}: {class}", dialect.spoken);
    class.to_owned()
}

/// How long a client was without an answer while a router of this priority took over.
pub(crate) fn outage(dialect: &Dialect, priority: u8, gap: Duration) -> String {
    let class = if gap <= dialect.interval {
        "at most an interval"
    } else if gap <= dialect.interval * 3 + dialect.skew(priority) + grace(dialect) {
        "at most Active_Down_Interval"
    } else {
        "more than Active_Down_Interval"
    };
    eprintln!("{}: without an answer for {gap:?}: {class}", dialect.spoken);
    class.to_owned()
}

fn grace(dialect: &Dialect) -> Duration {
    dialect.interval * 3 / 4
}
