//! Times as classes, so that another run says the same.
//!
//! A class ends three quarters of an interval after the time that it is named after: that is what programs
//! and the machine may take. Of a document that is only compared, more is borne: see [`Told`].

use std::time::Duration;

use super::dialect::Dialect;
use super::record::Told;

/// For how much longer than a class something may take on a busy machine.
const BORNE: Duration = Duration::from_secs(1);

/// Who takes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Successor {
    priority: u8,
    /// How much later than it takes over its first frame may be on the wire.
    late: Duration,
}

impl From<u8> for Successor {
    /// One of this priority that says so at once.
    fn from(priority: u8) -> Self {
        Self { priority, late: Duration::ZERO }
    }
}

impl Successor {
    /// The other program, with this priority.
    pub(crate) fn peer(dialect: &Dialect, priority: u8) -> Self {
        Self { priority, late: dialect.lateness_of_peer() }
    }
}

/// What a successor took after silence, from the last frame of one to the first of the other.
pub(crate) fn after_silence(dialect: &Dialect, successor: impl Into<Successor>, gap: Duration) -> Told {
    let Successor { priority, late } = successor.into();
    if gap < dialect.interval * 3 {
        return Told::from("sooner than Active_Down_Interval");
    }
    let name = match late {
        Duration::ZERO => "after Active_Down_Interval",
        _ => "at most an interval after Active_Down_Interval",
    };
    let due = dialect.interval * 3 + dialect.skew(priority);
    of(dialect, gap, &[(name, due + late + grace(dialect))], "later than Active_Down_Interval")
}

/// What a successor took after a resignation.
pub(crate) fn after_resignation(dialect: &Dialect, successor: impl Into<Successor>, gap: Duration) -> Told {
    let Successor { priority, late } = successor.into();
    let name = match late {
        Duration::ZERO => "within the skew time",
        _ => "at most an interval after the skew time",
    };
    let due = dialect.skew(priority) + late + grace(dialect);
    of(dialect, gap, &[(name, due)], "later than the skew time")
}

/// How often Baton resigned until somebody took over: once more after an interval.
pub(crate) fn resignations(dialect: &Dialect, count: usize, taken_after: Duration) -> Told {
    let said = |count: usize| format!("of priority 0: {count}");
    let told = Told::from(said(count));
    if taken_after > dialect.interval { told.or(&said(count.saturating_sub(1))) } else { told }
}

/// How long a client was without an answer while a router of this priority took over.
pub(crate) fn outage(dialect: &Dialect, priority: u8, gap: Duration) -> Told {
    let down = dialect.interval * 3 + dialect.skew(priority) + grace(dialect);
    let classes = [("at most an interval", dialect.interval), ("at most Active_Down_Interval", down)];
    of(dialect, gap, &classes, "more than Active_Down_Interval")
}

/// The first class that ends after so long a time, and those before it that are borne.
fn of(dialect: &Dialect, took: Duration, classes: &[(&str, Duration)], longer: &str) -> Told {
    let ends = classes.iter().copied().chain([(longer, Duration::MAX)]);
    let borne: Vec<&str> =
        ends.filter(|(_, end)| took.saturating_sub(BORNE) <= *end).map(|(name, _)| name).collect();
    let shorter = classes.iter().filter(|(name, end)| *end < took && borne.contains(name)).count();
    let (sooner, exact) = (&borne[..shorter], borne[shorter]);
    eprintln!("{}: {took:?}: {exact}", dialect.spoken);
    sooner.iter().fold(Told::from(exact), |told, name| told.or(name))
}

fn grace(dialect: &Dialect) -> Duration {
    dialect.interval * 3 / 4
}

#[test]
fn up_to_a_second_more_than_a_class_is_borne_and_sooner_never() {
    let dialect = super::dialect::of_keepalived()[0];
    let outage = |took_ms| outage(&dialect, 100, Duration::from_millis(took_ms));
    let (short, down, long) =
        ("at most an interval", "at most Active_Down_Interval", "more than Active_Down_Interval");
    for (told, wanted) in [
        (outage(100), vec![short]),
        (outage(300), vec![down, short]),
        (outage(600), vec![long, short, down]),
        (outage(1_200), vec![long, down]),
        (outage(2_000), vec![long]),
        (after_silence(&dialect, 100, Duration::from_millis(299)), vec!["sooner than Active_Down_Interval"]),
    ] {
        assert_eq!(told.all().collect::<Vec<_>>(), wanted);
    }
}
