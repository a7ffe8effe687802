//! What the demo says on the terminal: one line for each step, with the time since the start.
//!
//! Nobody may be reading any more. The demo goes on then: its exit status and its report say how it ended.

use std::cell::Cell;
use std::fmt::Arguments;
use std::io::{Write, stdout};
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
        say(format_args!("\n{title}"));
    }

    /// Something that was seen.
    pub(crate) fn seen(&self, what: &str) {
        say(format_args!("  {:6.1} s  {what}", self.elapsed().as_secs_f64()));
    }

    /// What a command printed.
    pub(crate) fn quote(&self, command: &str, output: &str) {
        self.remark(&format!("$ {command}\n{}", output.trim_end()));
    }

    /// What is no step.
    pub(crate) fn remark(&self, text: &str) {
        say(format_args!(""));
        for line in text.lines() {
            say(format_args!("  {line}"));
        }
    }

    pub(crate) fn done(&self, how: &str) {
        say(format_args!("\nDone in {:.1} s: {how}", self.elapsed().as_secs_f64()));
    }

    pub(crate) fn failed(&self, why: &str) {
        say(format_args!("\nFAILED after {:.1} s: {why}", self.elapsed().as_secs_f64()));
    }
}

fn say(line: Arguments<'_>) {
    stand_aside();
    let _nobody_reads_it = writeln!(stdout(), "{line}");
}
