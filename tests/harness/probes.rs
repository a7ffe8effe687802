//! What a client saw: one entry for each probe, and the questions that incidents ask about them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::Moment;
use crate::eventually::eventually;

/// One probe.
#[derive(Debug, Clone)]
pub struct Probe {
    /// When it was sent.
    pub sent: Moment,
    /// When its answer arrived, or why none did.
    pub answer: Result<Answer, String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// When it arrived.
    pub at: Moment,
    /// Who answered, as far as the answer says.
    pub by: String,
}

/// A running record of probes. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    records: Arc<Mutex<Vec<Probe>>>,
    stopped: Arc<AtomicBool>,
}

/// What happened to a client in some span of time.
#[derive(Debug, Clone)]
pub struct Outage {
    /// The longest time between two answers.
    pub longest_gap: Duration,
    /// When that gap began: the last answer before it.
    pub began: Option<Moment>,
    /// How many probes were sent.
    pub sent: usize,
    /// How many of them got no answer in time.
    pub lost: usize,
}

impl Probes {
    pub(crate) fn add(&self, probe: Probe) {
        self.lock().push(probe);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends the probing. What was recorded stays.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The probes that were sent after `since` and are decided, in the order of sending.
    #[must_use]
    pub fn since(&self, since: Moment) -> Vec<Probe> {
        let mut probes: Vec<Probe> =
            self.lock().iter().filter(|probe| probe.sent >= since).cloned().collect();
        probes.sort_by_key(|probe| probe.sent);
        probes
    }

    /// What happened between `since` and now. A gap that `since` falls into counts whole.
    #[must_use]
    pub fn outage(&self, since: Moment) -> Outage {
        let probes = self.since(since);
        let mut answers: Vec<Moment> =
            self.lock().iter().filter_map(|probe| Some(probe.answer.as_ref().ok()?.at)).collect();
        answers.sort_unstable();
        let before = answers.partition_point(|at| *at < since);
        let answers = answers.split_off(before.saturating_sub(1));
        let lost = probes.iter().filter(|probe| probe.answer.is_err()).count();
        let longest = answers.windows(2).max_by_key(|pair| pair[1] - pair[0]);
        Outage {
            longest_gap: longest.map(|pair| pair[1] - pair[0]).unwrap_or_default(),
            began: longest.map(|pair| pair[0]),
            sent: probes.len(),
            lost,
        }
    }

    /// Waits until `count` probes in a row, sent after `since`, are answered by `by` (by anybody, if empty).
    ///
    /// # Errors
    /// When that is not seen `within`.
    pub fn wait_until_answered(&self, by: &str, count: usize, since: Moment, within: Duration) -> Result<()> {
        eventually(&format!("{count} probes in a row answered by {by:?}"), within, || {
            let probes = self.since(since);
            let good =
                |probe: &Probe| probe.answer.as_ref().is_ok_and(|answer| by.is_empty() || answer.by == by);
            let run = probes.iter().rev().take_while(|probe| good(probe)).count();
            ensure!(run >= count, "{run} in a row; the last ones: {}", Tail(&probes));
            Ok(())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Probe>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A prober that ends when it is dropped.
#[derive(Debug)]
pub struct Prober(Probes);

impl Prober {
    pub(crate) const fn new(probes: Probes) -> Self {
        Self(probes)
    }
}

impl std::ops::Deref for Prober {
    type Target = Probes;

    fn deref(&self) -> &Probes {
        &self.0
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Outage {
    /// [`Outage::longest_gap`] in milliseconds.
    #[must_use]
    pub fn gap_ms(&self) -> f64 {
        self.longest_gap.as_secs_f64() * 1_000.0
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, lost, .. } = self;
        write!(f, "{lost} of {sent} probes lost, longest gap {:.1} ms", self.gap_ms())
    }
}

struct Tail<'a>(&'a [Probe]);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for probe in &self.0[self.0.len().saturating_sub(5)..] {
            match &probe.answer {
                Ok(answer) => write!(f, "[{} by {:?}] ", probe.sent, answer.by)?,
                Err(error) => write!(f, "[{} {error}] ", probe.sent)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn record(at: Moment, answered: bool) -> Probe {
        let answer = Answer { at: at + MS, by: "n1".to_owned() };
        Probe { sent: at, answer: answered.then_some(answer).ok_or_else(|| "no answer".to_owned()) }
    }

    #[test]
    fn the_gap_is_the_longest_time_between_two_answers() {
        let probes = Probes::default();
        let start = Moment::now();
        for (after, answered) in [(0, true), (20, true), (40, false), (60, false), (80, true), (100, true)] {
            probes.add(record(start + MS * after, answered));
        }
        let outage = probes.outage(start);
        assert_eq!((outage.longest_gap, outage.sent, outage.lost), (MS * 60, 6, 2));
        assert_eq!(outage.began, Some(start + MS * 21));
    }

    #[test]
    fn probes_before_the_span_do_not_count() {
        let probes = Probes::default();
        let start = Moment::now();
        probes.add(record(start, false));
        probes.add(record(start + MS * 20, true));
        assert_eq!(probes.outage(start + MS * 10).lost, 0);
    }

    #[test]
    fn a_gap_that_the_span_begins_in_counts_whole() {
        let probes = Probes::default();
        let start = Moment::now();
        probes.add(record(start, true));
        probes.add(record(start + MS * 100, true));
        assert_eq!(probes.outage(start + MS * 40).longest_gap, MS * 100);
    }

    #[test]
    fn an_answer_by_another_is_not_the_one_waited_for() {
        let probes = Probes::default();
        let start = Moment::now();
        probes.add(record(start, true));
        assert!(probes.wait_until_answered("n2", 1, start, MS).is_err());
        assert!(probes.wait_until_answered("n1", 1, start, MS).is_ok());
    }
}
