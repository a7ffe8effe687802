//! What a soak has done so far.

use std::time::{Duration, Instant};

use simulator::{SiteSummary, Summary};

/// How often the figures are printed.
const REPORT_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Totals {
    seeds: u64,
    failed: u64,
    events: u64,
    faults: u64,
    promises_kept: u64,
    sets_settled: u64,
    given_up: u64,
    clients_knew: u64,
    reported: Instant,
}

impl Default for Totals {
    fn default() -> Self {
        let reported = Instant::now();
        Self {
            seeds: 0,
            failed: 0,
            events: 0,
            faults: 0,
            promises_kept: 0,
            sets_settled: 0,
            given_up: 0,
            clients_knew: 0,
            reported,
        }
    }
}

impl Totals {
    pub(crate) fn add(&mut self, summary: Option<(Summary, SiteSummary)>) {
        self.seeds += 1;
        match summary {
            Some((summary, of_sets)) => {
                self.events += summary.events;
                self.faults += summary.faults + of_sets.faults;
                self.promises_kept += summary.promises_kept;
                self.sets_settled += of_sets.times_settled;
                self.given_up += of_sets.given_up;
                self.clients_knew += summary.clients_knew + summary.concessions_helped;
            }
            None => self.failed += 1,
        }
    }

    pub(crate) fn none_failed(&self) -> bool {
        self.failed == 0
    }

    /// Whether it is time to print the figures again.
    pub(crate) fn is_due(&self) -> bool {
        self.reported.elapsed() >= REPORT_EVERY
    }

    pub(crate) fn report(&mut self, elapsed: Duration) {
        self.reported = Instant::now();
        let seconds = elapsed.as_secs().max(1);
        let Self {
            seeds, failed, events, faults, promises_kept, clients_knew, sets_settled, given_up, ..
        } = self;
        println!(
            "{seconds} s: {seeds} seeds ({}/s), {failed} failed; {events} events ({}/s), \
             {faults} faults ({}/s), \
             {promises_kept} promises kept, {clients_knew} times clients knew it beside foreign routers, \
             sync groups settled {sets_settled} times and gave up {given_up} groups",
            *seeds / seconds,
            *events / seconds,
            *faults / seconds,
        );
    }
}
