//! What the demo says on the terminal: one line for each step, with the time since the start.

use std::cell::Cell;
use std::time::{Duration, Instant};

use e2e::stand_aside;

/// Tells the story as it happens.
pub(crate) struct Progress {
    begun: Cell<Instant>,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { begun: Cell::new(Instant::now()) }
    }

    /// Counts the time from now on.
    pub(crate) fn restart(&self) {
        self.begun.set(Instant::now());
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.get().elapsed()
    }

    /// A new act of the story.
    pub(crate) fn act(&self, title: &str) {
        stand_aside();
        println!("\n{title}");
    }

    /// Something that was seen.
    pub(crate) fn seen(&self, what: &str) {
        stand_aside();
        println!("  {:6.1} s  {what}", self.elapsed().as_secs_f64());
    }

    /// What a command printed.
    pub(crate) fn quote(&self, command: &str, output: &str) {
        stand_aside();
        println!("\n  $ {command}");
        for line in output.trim_end().lines() {
            println!("  {line}");
        }
    }

    pub(crate) fn done(&self, how: &str) {
        println!("\nDone in {:.1} s: {how}", self.elapsed().as_secs_f64());
    }

    pub(crate) fn failed(&self, why: &str) {
        stand_aside();
        println!("\nFAILED after {:.1} s: {why}", self.elapsed().as_secs_f64());
    }
}
