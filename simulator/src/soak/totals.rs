//! What a soak has done so far.

use std::time::{Duration, Instant};

use simulator::Summary;

/// How often the figures are printed.
const REPORT_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Totals {
    seeds: u64,
    failed: u64,
    events: u64,
    faults: u64,
    promises_kept: u64,
    clients_knew: u64,
    reported: Instant,
}

impl Default for Totals {
    fn default() -> Self {
        let reported = Instant::now();
        Self { seeds: 0, failed: 0, events: 0, faults: 0, promises_kept: 0, clients_knew: 0, reported }
    }
}

impl Totals {
    pub(crate) fn add(&mut self, summary: Option<Summary>) {
        self.seeds += 1;
        match summary {
            Some(summary) => {
                self.events += summary.events;
                self.faults += summary.faults;
                self.promises_kept += summary.promises_kept;
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
        let Self { seeds, failed, events, faults, promises_kept, clients_knew, .. } = self;
        println!(
            "{seconds} s: {seeds} seeds ({}/s), {failed} failed; {events} events ({}/s), \
             {faults} faults ({}/s), \
             {promises_kept} promises kept, {clients_knew} times clients knew it beside foreign routers",
            *seeds / seconds,
            *events / seconds,
            *faults / seconds,
        );
    }
}
