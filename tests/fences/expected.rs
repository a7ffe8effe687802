//! What is promised, and so judged: one rule for each kind of scenario.

use crate::measure::Run;

/// The kernel's smallest sane lease is two seconds, and it may be a second late.
const WHOLE_SECONDS_MS: f64 = 3_100.0;
/// Shorter intervals, in milliseconds, have no nftables lease.
pub(crate) const LEASE_FROM_MS: u32 = 50;
/// A shorter loss of the carrier counts for nothing where advertisements come every second or more seldom.
const CARRIER_DELAY_MS: f64 = 200.0;
const CARRIER_DELAY_FROM_MS: u32 = 1_000;
/// A late answer may be taken for one to the observer's next question.
const TWO_QUESTIONS_MS: f64 = 11.0;

/// How exactly runs are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bounds {
    /// As promised.
    Exact,
    /// For a machine that does many other things: times may be five times as long and at least a second, and
    /// of a cell's runs in which no probe must be lost, half may lose a few.
    Loose,
}

impl Bounds {
    /// How long two nodes may answer at once, in milliseconds.
    const fn two_answers_ms(self) -> f64 {
        match self {
            Self::Exact => 50.0,
            Self::Loose => 1_000.0,
        }
    }

    /// What a takeover may take beyond the protocol's own deadline, in milliseconds.
    const fn margin_ms(self) -> f64 {
        match self {
            Self::Exact => 50.0,
            Self::Loose => 1_000.0,
        }
    }

    /// How many probes, sent once a millisecond, a run may lose that shall lose none. A successor that waits
    /// for its timer loses more: its skew is at least half an interval.
    const fn lost(self) -> usize {
        match self {
            Self::Exact => 0,
            Self::Loose => 100,
        }
    }

    /// How long whoever was called may take to hold the addresses beyond what is promised.
    const fn allowance_ms(self) -> f64 {
        match self {
            Self::Exact => 0.0,
            Self::Loose => 1_000.0,
        }
    }

    fn healed_ms(self, interval_ms: u32) -> f64 {
        match self {
            Self::Exact => interval_ms.into(),
            Self::Loose => f64::from(interval_ms * 5).max(1_000.0),
        }
    }
}

/// What a scenario promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing happens: no probe is lost, and there is never another answer.
    Undisturbed,
    /// The addresses move by somebody's will: no probe is lost, two answers for at most 50 ms.
    Planned,
    /// As planned, and the called member holds within 50 ms.
    Switchover,
    /// A holder fails: served again within Active_Down_Interval, two answers for at most 50 ms.
    Failure,
    /// As a failure, and the called member holds within 20 ms, after the carrier delay where there is one.
    Assisted { carrier_delay: bool },
    /// As a failure that only the kernel can answer: by the nftables lease, and where there is none by whole
    /// seconds.
    KernelOnly,
    /// As a failure, but the fence counts whole seconds: two answers for at most 3.1 s.
    WholeSeconds,
    /// A holder fails that the fences do not concern: the LAN is cut, so two may answer each half.
    Unreachable,
    /// The holder lives: nobody else ever advertises.
    NoFailover,
    /// Two halves become one: the client is served within one interval.
    Healed,
}

impl Expected {
    pub(crate) fn is_met(self, run: &Run, interval_ms: u32, bounds: Bounds) -> bool {
        let two = run.two_answers_ms <= bounds.two_answers_ms();
        let in_time = run.gap_ms <= run.active_down_ms + bounds.margin_ms();
        let in_full = run.lost <= bounds.lost();
        let in_whole_seconds = run.two_answers_ms <= WHOLE_SECONDS_MS;
        let held_within =
            |limit: f64| run.held_after_ms.is_some_and(|after| after <= limit + bounds.allowance_ms());
        match self {
            Self::Undisturbed => in_full && run.two_answers_ms <= TWO_QUESTIONS_MS,
            Self::Planned => in_full && two,
            Self::Failure => in_time && two,
            Self::Switchover => in_full && two && held_within(50.0),
            Self::Assisted { carrier_delay: true } if interval_ms >= CARRIER_DELAY_FROM_MS => {
                in_time && two && held_within(20.0 + CARRIER_DELAY_MS)
            }
            Self::Assisted { .. } => in_time && two && held_within(20.0),
            Self::KernelOnly if interval_ms < LEASE_FROM_MS => in_time && in_whole_seconds,
            Self::KernelOnly => in_time && two,
            Self::WholeSeconds => in_time && in_whole_seconds,
            Self::Unreachable => in_time,
            Self::NoFailover => run.others_adverts == 0,
            Self::Healed => run.gap_ms <= bounds.healed_ms(interval_ms),
        }
    }

    /// Whether enough runs lost no probe, where none must.
    pub(crate) fn is_met_by_most(self, runs: &[Run]) -> bool {
        let in_full = runs.iter().filter(|run| run.lost == 0).count();
        !matches!(self, Self::Undisturbed | Self::Planned | Self::Switchover) || in_full * 2 >= runs.len()
    }

    /// The rule in words.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Undisturbed => "no probe lost, never two answers",
            Self::Planned => "no probe lost, two answers for at most 50 ms",
            Self::Failure => "a gap of at most Active_Down_Interval + 50 ms, two answers for at most 50 ms",
            Self::Switchover => {
                "no probe lost, two answers for at most 50 ms, held 50 ms after the request at the latest"
            }
            Self::Assisted { carrier_delay: false } => {
                "held 20 ms after the loss at the latest, two answers for at most 50 ms"
            }
            Self::Assisted { carrier_delay: true } => {
                "held 20 ms after the loss at the latest (at 1 s intervals 220 ms: shorter losses count for \
                 nothing), two answers for at most 50 ms"
            }
            Self::KernelOnly => {
                "a gap of at most Active_Down_Interval + 50 ms, two answers for at most 50 ms; at intervals \
                 below 50 ms, where no nftables lease is, for at most 3.1 s"
            }
            Self::WholeSeconds => {
                "a gap of at most Active_Down_Interval + 50 ms, two answers for at most 3.1 s"
            }
            Self::Unreachable => "a gap of at most Active_Down_Interval + 50 ms",
            Self::NoFailover => "no other member ever advertises",
            Self::Healed => "a gap of at most one interval",
        }
    }
}
