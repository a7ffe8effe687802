//! What the demo says on the terminal: one line for each step, with the time since the start.

use std::time::{Duration, Instant};

/// Tells the story as it happens.
pub(crate) struct Progress {
    begun: Instant,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A new act of the story.
    pub(crate) fn act(&self, title: &str) {
        println!("\n{title}");
    }

    /// Something that was seen.
    pub(crate) fn seen(&self, what: &str) {
        println!("  {:6.1} s  {what}", self.elapsed().as_secs_f64());
    }

    /// What a command printed.
    pub(crate) fn quote(&self, command: &str, output: &str) {
        println!("\n  $ {command}");
        for line in output.trim_end().lines() {
            println!("  {line}");
        }
    }

    pub(crate) fn done(&self, how: &str) {
        println!("\nDone in {:.1} s: {how}", self.elapsed().as_secs_f64());
    }

    pub(crate) fn failed(&self, why: &str) {
        println!("\nFAILED after {:.1} s: {why}", self.elapsed().as_secs_f64());
    }
}
