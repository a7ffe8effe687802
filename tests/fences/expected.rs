//! What is promised, and so judged: one rule for each kind of scenario.

use crate::measure::Run;

/// The kernel's smallest sane lease is two seconds, and it may be a second late.
const WHOLE_SECONDS_MS: f64 = 3_100.0;
/// Shorter intervals, in milliseconds, have no nftables lease.
pub(crate) const LEASE_FROM_MS: u32 = 50;
/// A shorter loss of the carrier counts for nothing where advertisements come every second or more seldom.
const CARRIER_DELAY_MS: f64 = 200.0;
const CARRIER_DELAY_FROM_MS: u32 = 1_000;
/// How long after the request the addresses of a new group answer, in milliseconds.
pub(crate) const BEGUN_MS: f64 = 60.0;
/// A late answer may be taken for one to the observer's next question.
const TWO_QUESTIONS_MS: f64 = 11.0;
/// How long after it a lost announcement is made up for, in milliseconds.
const REPEATED_MS: f64 = 500.0;
/// New groups that advertise so seldom, in milliseconds, do not begin as plain VRRP would.
const BEGIN_EARLY_FROM_MS: u32 = 1_000;

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

    /// How long a client may have no answer while nothing fails, in milliseconds: what the ruler itself takes.
    const fn unnoticed_ms(self) -> f64 {
        match self {
            Self::Exact => 50.0,
            Self::Loose => 1_000.0,
        }
    }

    /// How long a holder that is not disturbed may say nothing, in milliseconds.
    fn silence_ms(self, interval_ms: u32) -> f64 {
        match self {
            Self::Exact => f64::from(interval_ms + interval_ms.max(20)),
            Self::Loose => self.intervals_ms(2, interval_ms),
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

    /// So many intervals, in milliseconds.
    fn intervals_ms(self, count: u32, interval_ms: u32) -> f64 {
        let exact = f64::from(count * interval_ms);
        match self {
            Self::Exact => exact,
            Self::Loose => (exact * 5.0).max(1_000.0),
        }
    }
}

/// What a scenario promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The addresses stay: no probe is lost or late, no advertisement is missed, nobody else ever advertises or
    /// answers.
    Undisturbed,
    /// The addresses move by somebody's will: no probe is lost or late, two answers for at most 50 ms.
    Planned,
    /// As planned, and the called member holds within 50 ms.
    Switchover,
    /// As planned, although nobody has asked for it, and the called member holds within 20 ms.
    Resigned,
    /// A holder fails: served again within Active_Down_Interval, two answers for at most 50 ms.
    Failure,
    /// As a failure, and the called member holds within 20 ms, after the carrier delay where there is one.
    Assisted { carrier_delay: bool },
    /// As a failure that only the kernel can answer: by the nftables lease, and where there is none by whole
    /// seconds.
    KernelOnly,
    /// As a failure, but the fence counts whole seconds: two answers for at most 3.1 s.
    WholeSeconds,
    /// As a failure, of a holder that comes back and may not say a word.
    Silenced,
    /// A holder fails that the fences do not concern: the LAN is cut, so two may answer each half.
    Unreachable,
    /// The holder lives, and says so: its advertisements leave, nobody else ever advertises, and no fence of
    /// its own takes the addresses from it.
    NoFailover,
    /// Two halves become one: the client is served within one interval.
    Healed,
    /// Announcements were lost: the client is led to the new holder within 500 ms.
    Followed,
    /// A new group: its address answers within 60 ms of the request in half of the runs, and never later than
    /// plain VRRP would have it; at one advertisement a second, always much sooner than that.
    Begins,
}

impl Expected {
    pub(crate) fn is_met(self, run: &Run, interval_ms: u32, bounds: Bounds) -> bool {
        let two = run.two_answers_ms <= bounds.two_answers_ms();
        let in_time = run.gap_ms <= run.active_down_ms + bounds.margin_ms();
        let in_full = run.lost <= bounds.lost() && run.gap_ms <= bounds.unnoticed_ms();
        let in_whole_seconds = run.two_answers_ms <= WHOLE_SECONDS_MS;
        let held_within =
            |limit: f64| run.held_after_ms.is_some_and(|after| after <= limit + bounds.allowance_ms());
        match self {
            Self::Undisturbed => {
                let speaks = run.silence_ms <= bounds.silence_ms(interval_ms);
                let alone = run.two_answers_ms <= TWO_QUESTIONS_MS && run.others_adverts == 0;
                in_full && speaks && alone
            }
            Self::Planned => in_full && two,
            Self::Failure => in_time && two,
            Self::Switchover => in_full && two && held_within(50.0),
            Self::Resigned => in_full && two && held_within(20.0),
            Self::Assisted { carrier_delay: true } if interval_ms >= CARRIER_DELAY_FROM_MS => {
                in_time && two && held_within(20.0 + CARRIER_DELAY_MS)
            }
            Self::Assisted { .. } => in_time && two && held_within(20.0),
            Self::KernelOnly if interval_ms < LEASE_FROM_MS => in_time && in_whole_seconds,
            Self::KernelOnly => in_time && two,
            Self::WholeSeconds => in_time && in_whole_seconds,
            Self::Silenced => in_time && two && run.adverts == 0,
            Self::Unreachable => in_time,
            Self::NoFailover => {
                let says_so = run.adverts * 10 >= run.due_adverts * 9;
                let is_served = run.gap_ms <= bounds.intervals_ms(3, interval_ms);
                run.others_adverts == 0 && says_so && is_served && run.lapses == 0
            }
            Self::Healed => run.gap_ms <= bounds.intervals_ms(1, interval_ms),
            Self::Followed => {
                let latest = REPEATED_MS + bounds.allowance_ms();
                two && run.answered_after_ms.is_some_and(|after| after <= latest)
            }
            Self::Begins => {
                let plainly = if interval_ms < BEGIN_EARLY_FROM_MS { 1.0 } else { 0.5 };
                let latest = (run.active_down_ms * plainly).max(BEGUN_MS) + bounds.margin_ms();
                two && run.answered_after_ms.is_some_and(|after| after <= latest)
            }
        }
    }

    /// Whether enough runs lost no probe, where none must, and answered as soon as most of them must.
    pub(crate) fn is_met_by_most(self, runs: &[Run], bounds: Bounds) -> bool {
        let is_met = |run: &&Run| match self {
            Self::Undisturbed | Self::Planned | Self::Switchover | Self::Resigned => run.lost == 0,
            Self::Begins => {
                run.answered_after_ms.is_some_and(|after| after <= BEGUN_MS + bounds.allowance_ms())
            }
            Self::Failure
            | Self::Assisted { .. }
            | Self::KernelOnly
            | Self::WholeSeconds
            | Self::Silenced
            | Self::Unreachable
            | Self::NoFailover
            | Self::Healed
            | Self::Followed => true,
        };
        runs.iter().filter(is_met).count() * 2 >= runs.len()
    }

    /// The rule in words.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Undisturbed => {
                "no probe lost, no gap above 50 ms, no advertisement missed (the next one within two intervals, \
                 at 10 ms within 30 ms), no other member ever advertises, two answers for at most 11 ms (two \
                 questions: an answer that is late may count for the next one)"
            }
            Self::Planned => "no probe lost, no gap above 50 ms, two answers for at most 50 ms",
            Self::Failure => "a gap of at most Active_Down_Interval + 50 ms, two answers for at most 50 ms",
            Self::Switchover => {
                "no probe lost, no gap above 50 ms, two answers for at most 50 ms, held 50 ms after the request \
                 at the latest"
            }
            Self::Resigned => {
                "no probe lost, no gap above 50 ms, two answers for at most 50 ms, held 20 ms after the second \
                 death at the latest"
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
            Self::Silenced => {
                "a gap of at most Active_Down_Interval + 50 ms, two answers for at most 50 ms, no advertisement"
            }
            Self::Unreachable => "a gap of at most Active_Down_Interval + 50 ms",
            Self::NoFailover => {
                "no other member ever advertises, at least nine of ten advertisements that are due leave, a gap \
                 of at most three intervals, no fence acts, no worker dies"
            }
            Self::Healed => "a gap of at most one interval",
            Self::Followed => {
                "the client is answered 500 ms after the LAN carries announcements again at the latest, two \
                 answers for at most 50 ms"
            }
            Self::Begins => {
                "answered 60 ms after the request in half of the runs, and Active_Down_Interval + 50 ms after it \
                 in all of them (at 1 s intervals half of it + 50 ms), two answers for at most 50 ms"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of a group that nothing disturbs, at 100 ms.
    fn quiet() -> Run {
        Run {
            group: 1,
            sent: 2_000,
            lost: 0,
            gap_ms: 4.0,
            two_answers_ms: 0.0,
            none_ms: 0.0,
            held_after_ms: None,
            answered_after_ms: None,
            adverts: 20,
            due_adverts: 20,
            silence_ms: 101.0,
            others_adverts: 0,
            lapses: 0,
            active_down_ms: 350.0,
            stall_ms: 1.0,
            echo_delay_ms: 1.0,
            excerpt: Vec::new(),
        }
    }

    fn is_met(expected: Expected, change: impl FnOnce(&mut Run)) -> bool {
        let mut run = quiet();
        change(&mut run);
        expected.is_met(&run, 100, Bounds::Exact)
    }

    #[test]
    fn addresses_that_went_and_came_back_unnoticed_were_disturbed() {
        assert!(is_met(Expected::Undisturbed, |_| {}));
        assert!(!is_met(Expected::Undisturbed, |run| run.others_adverts = 1));
        assert!(!is_met(Expected::Undisturbed, |run| run.two_answers_ms = 15.0));
    }

    #[test]
    fn an_advertisement_that_was_missed_is_a_disturbance() {
        assert!(is_met(Expected::Undisturbed, |run| run.silence_ms = 199.0));
        assert!(!is_met(Expected::Undisturbed, |run| run.silence_ms = 201.0));
        assert!(Expected::Undisturbed.is_met(&Run { silence_ms: 29.0, ..quiet() }, 10, Bounds::Exact));
        assert!(!Expected::Undisturbed.is_met(&Run { silence_ms: 31.0, ..quiet() }, 10, Bounds::Exact));
    }

    #[test]
    fn whoever_comes_back_and_speaks_was_not_silenced() {
        assert!(is_met(Expected::Silenced, |run| run.adverts = 0));
        assert!(!is_met(Expected::Silenced, |run| run.adverts = 1));
    }

    #[test]
    fn an_answer_that_is_late_is_no_answer_where_nothing_fails() {
        for expected in [Expected::Undisturbed, Expected::Planned, Expected::Switchover] {
            assert!(is_met(expected, |run| run.held_after_ms = Some(30.0)));
            let is_late = |run: &mut Run| (run.held_after_ms, run.gap_ms) = (Some(30.0), 51.0);
            assert!(!is_met(expected, is_late), "{expected:?}");
        }
    }

    #[test]
    fn a_holder_that_is_silent_dark_or_fenced_has_failed_as_well() {
        assert!(is_met(Expected::NoFailover, |run| (run.adverts, run.gap_ms) = (18, 300.0)));
        assert!(!is_met(Expected::NoFailover, |run| run.adverts = 17));
        assert!(!is_met(Expected::NoFailover, |run| run.gap_ms = 301.0));
        assert!(!is_met(Expected::NoFailover, |run| run.lapses = 1));
        assert!(!is_met(Expected::NoFailover, |run| run.others_adverts = 1));
    }

    #[test]
    fn a_client_that_is_not_led_to_the_new_holder_has_not_followed() {
        assert!(is_met(Expected::Followed, |run| run.answered_after_ms = Some(499.0)));
        assert!(!is_met(Expected::Followed, |run| run.answered_after_ms = Some(501.0)));
        assert!(!is_met(Expected::Followed, |_| {}));
    }

    #[test]
    fn a_new_group_that_waits_as_plain_vrrp_does_begins_late_at_one_second() {
        let begun = |interval_ms, active_down_ms, answered_after_ms| {
            let run = Run { active_down_ms, answered_after_ms: Some(answered_after_ms), ..quiet() };
            Expected::Begins.is_met(&run, interval_ms, Bounds::Exact)
        };
        assert!(begun(100, 350.0, 350.0) && begun(1_000, 3_500.0, 90.0));
        assert!(!begun(1_000, 3_500.0, 3_500.0));
    }
}
