//! How a run of a program went.

use serde::{Deserialize, Serialize};

/// How much of the output a sentence shows, in characters.
const SHOWN: usize = 120;

/// How a run of a program went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The beginning of what it said, standard output and standard error together.
    pub output: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It was not run, and why.
    NotRun(String),
    /// With this exit status.
    Exited(i32),
    /// By this signal, of somebody else.
    Signalled(i32),
    /// It was ended, since it took too long.
    TimedOut,
    /// It was ended, since nobody wanted it any longer.
    Unwanted,
}

impl Outcome {
    /// One that was not run, and why.
    #[must_use]
    pub const fn not_run(why: String) -> Self {
        Self { ended: Ended::NotRun(why), output: String::new() }
    }

    /// Whether it ended with status 0.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.ended, Ended::Exited(0))
    }

    /// Its exit status, if it had one.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i32> {
        match self.ended {
            Ended::Exited(code) => Some(code),
            Ended::NotRun(_) | Ended::Signalled(_) | Ended::TimedOut | Ended::Unwanted => None,
        }
    }

    /// How it went, in a sentence of at most 200 characters.
    #[must_use]
    pub fn describe(&self) -> String {
        let ended = match &self.ended {
            Ended::NotRun(why) => why.clone(),
            Ended::Exited(code) => format!("exit status {code}"),
            Ended::Signalled(signal) => format!("ended by signal {signal}"),
            Ended::TimedOut => "it took too long and was ended".to_owned(),
            Ended::Unwanted => "it was no longer wanted and was ended".to_owned(),
        };
        let said = shown(&self.output);
        let whole = if said.is_empty() { ended } else { format!("{ended}: {said}") };
        whole.chars().take(200).collect()
    }
}

/// The first lines as one, without anything that a terminal would take for an order.
fn shown(output: &str) -> String {
    let plain = output.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let words: String = plain.collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_shows_little_of_what_was_said_and_nothing_that_orders_a_terminal_about() {
        let outcome = Outcome { ended: Ended::Exited(3), output: "\x1b[2Jno\n\n primary\t\0".to_owned() };
        assert_eq!(outcome.describe(), "exit status 3: [2Jno primary");
        let long = Outcome { ended: Ended::TimedOut, output: "x".repeat(10_000) };
        assert!(long.describe().chars().count() <= 200);
        assert_eq!(Outcome::not_run("a link".to_owned()).describe(), "a link");
        assert!(Outcome { ended: Ended::Exited(0), output: String::new() }.is_success());
    }
}
