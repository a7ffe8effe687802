//! What became of the questions to one address, and how long a client went without an answer.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;

/// A pause between two questions that is longer than this many ordinary ones is the prober's own.
const STALL: u32 = 3;

/// The questions to one address.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// When each was sent.
    sent: Arc<[Moment]>,
    /// The pause between two questions that most do not exceed.
    usual: Duration,
    /// When the answer to each arrived.
    answered: Vec<Option<Moment>>,
}

/// A time without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// How long it was, less the time in which the prober did not ask.
    pub length: Duration,
    /// When the last answer before it arrived.
    pub began: Option<Moment>,
}

impl Timeline {
    pub(crate) fn new(sent: Arc<[Moment]>, answered: Vec<Option<Moment>>) -> Self {
        let mut pauses: Vec<Duration> = sent.windows(2).take(100).map(|pair| pair[1] - pair[0]).collect();
        pauses.sort_unstable();
        let usual = pauses.get(pauses.len() / 2).copied().unwrap_or_default();
        Self { sent, usual, answered }
    }

    /// How many questions sent from `since` on were asked, and how many of those have no answer.
    #[must_use]
    pub fn lost(&self, since: Moment) -> (usize, usize) {
        let first = self.sent.partition_point(|at| *at < since);
        let lost = self.answered[first..].iter().filter(|answer| answer.is_none()).count();
        (self.sent.len() - first, lost)
    }

    /// When each question without an answer was sent, from `since` on.
    #[must_use]
    pub fn unanswered(&self, since: Moment) -> Vec<Moment> {
        let all = self.sent.iter().zip(&self.answered);
        all.filter(|(sent, answer)| **sent >= since && answer.is_none()).map(|(sent, _)| *sent).collect()
    }

    /// When the first answer arrived to a question that was sent from `since` on.
    #[must_use]
    pub fn first_answer(&self, since: Moment) -> Option<Moment> {
        let first = self.sent.partition_point(|at| *at < since);
        self.answered[first..].iter().flatten().min().copied()
    }

    /// The longest time between two answers that ended after `since`, to the last question.
    #[must_use]
    pub fn worst_gap(&self, since: Moment) -> Gap {
        let mut arrivals: Vec<Moment> = self.answered.iter().flatten().copied().collect();
        arrivals.sort_unstable();
        let Some(end) = self.sent.last() else { return Gap::default() };
        arrivals.push((*end).max(arrivals.last().copied().unwrap_or(*end)));
        let from = arrivals.partition_point(|at| *at < since).saturating_sub(1);
        let gaps = arrivals[from..].windows(2).map(|pair| {
            let length = (pair[1] - pair[0]).saturating_sub(self.stalled(pair[0], pair[1]));
            Gap { length, began: Some(pair[0]) }
        });
        gaps.max_by_key(|gap| gap.length).unwrap_or_default()
    }

    /// The longest pause of the prober itself after `since`.
    #[must_use]
    pub fn worst_stall(&self, since: Moment) -> Duration {
        let pauses = self.sent.windows(2).filter(|pair| pair[1] >= since).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default()
    }

    /// The time between two moments in which the prober should have asked and did not.
    fn stalled(&self, from: Moment, to: Moment) -> Duration {
        if to - from <= self.usual * STALL {
            return Duration::ZERO;
        }
        let first = self.sent.partition_point(|at| *at < from).saturating_sub(1);
        let pauses = self.sent[first..].windows(2).take_while(|pair| pair[0] < to);
        let own = pauses
            .map(|pair| pair[1].min(to) - pair[0].max(from))
            .filter(|pause| *pause > self.usual * STALL);
        own.map(|pause| pause - self.usual).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A question every millisecond from `start`; those for which `answered` says so are answered at once.
    fn asked(start: Moment, questions: &[u32], answered: impl Fn(u32) -> bool) -> Timeline {
        let sent: Vec<Moment> = questions.iter().map(|after| start + MS * *after).collect();
        let answers = questions.iter().zip(&sent);
        let answers = answers.map(|(after, at)| answered(*after).then_some(*at)).collect();
        Timeline::new(sent.into(), answers)
    }

    #[test]
    fn what_is_not_answered_is_lost_and_the_gap_reaches_from_answer_to_answer() {
        let start = Moment::now();
        let questions: Vec<u32> = (0..100).collect();
        let timeline = asked(start, &questions, |after| !(40..60).contains(&after));
        assert_eq!(timeline.lost(start), (100, 20));
        assert_eq!(timeline.first_answer(start + MS * 45), Some(start + MS * 60));
        assert_eq!(timeline.first_answer(start + MS * 100), None);
        let gap = timeline.worst_gap(start);
        assert_eq!((gap.length, gap.began), (MS * 21, Some(start + MS * 39)));
        assert_eq!(timeline.unanswered(start).first(), Some(&(start + MS * 40)));
    }

    #[test]
    fn what_was_lost_before_the_span_does_not_count() {
        let start = Moment::now();
        let questions: Vec<u32> = (0..100).collect();
        let timeline = asked(start, &questions, |after| after >= 10);
        assert_eq!(timeline.lost(start + MS * 10), (90, 0));
    }

    #[test]
    fn a_silence_that_does_not_end_counts_to_the_last_question() {
        let start = Moment::now();
        let questions: Vec<u32> = (0..100).collect();
        let timeline = asked(start, &questions, |after| after < 50);
        assert_eq!(timeline.worst_gap(start).length, MS * 50);
    }

    #[test]
    fn a_time_in_which_nobody_asked_is_no_gap() {
        let start = Moment::now();
        let questions: Vec<u32> = (0..40).chain(70..100).collect();
        let timeline = asked(start, &questions, |_| true);
        assert_eq!(timeline.worst_gap(start).length, MS);
        assert_eq!(timeline.worst_stall(start), MS * 31);
    }

    #[test]
    fn an_answer_that_was_long_under_way_leaves_a_gap_although_nothing_is_lost() {
        let start = Moment::now();
        let sent: Vec<Moment> = (0..100).map(|after| start + MS * after).collect();
        let late = |at: &Moment| Some((*at).max(start + MS * 50));
        let answers = sent.iter().enumerate().map(|(i, at)| if i < 20 { Some(*at) } else { late(at) });
        let timeline = Timeline::new(sent.clone().into(), answers.collect());
        assert_eq!(timeline.lost(start), (100, 0));
        assert_eq!(timeline.worst_gap(start).length, MS * 31);
    }
}
