//! What the parent says of its guard, and of workers that have died, for the worker to report.

use std::sync::atomic::{AtomicU64, Ordering};

use super::SharedMemory;

/// How the guard stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuardState {
    /// It watches; what it lacks, if anything.
    Armed(Option<String>),
    /// The configuration turns it off.
    Off,
    /// It cannot be, and why.
    NotArmed(String),
}

const ARMED: u64 = 1;
const OFF: u64 = 2;
const NOT_ARMED: u64 = 3;

impl SharedMemory {
    /// Says how the guard stands.
    pub(crate) fn set_guard(&self, state: &GuardState) {
        let (word, text) = match state {
            GuardState::Armed(lacks) => (ARMED, lacks.as_deref()),
            GuardState::Off => (OFF, None),
            GuardState::NotArmed(why) => (NOT_ARMED, Some(why.as_str())),
        };
        write_text(self.header_text(), text.unwrap_or_default());
        self.header(9).store(word, Ordering::Release);
    }

    /// Says that the guard has gone, if there was one.
    pub(crate) fn lose_guard(&self) {
        if matches!(self.guard(), Some(GuardState::Armed(_))) {
            self.set_guard(&GuardState::NotArmed("the parent process is gone".to_owned()));
        }
    }

    /// How the guard stands; `None` when no parent has said.
    pub(crate) fn guard(&self) -> Option<GuardState> {
        let word = self.header(9).load(Ordering::Acquire);
        let text = || read_text(self.header_text());
        match word {
            ARMED => Some(GuardState::Armed(Some(text()).filter(|text| !text.is_empty()))),
            OFF => Some(GuardState::Off),
            NOT_ARMED => Some(GuardState::NotArmed(text())),
            _ => None,
        }
    }

    /// How many workers have died, those left out that handed over to another.
    #[must_use]
    pub fn worker_deaths(&self) -> u64 {
        self.header(12).load(Ordering::Relaxed)
    }

    pub(crate) fn count_worker_death(&self) {
        self.header(12).fetch_add(1, Ordering::Relaxed);
    }
}

/// A text that is too long loses its end.
fn write_text(words: &[AtomicU64], text: &str) {
    let mut octets = text.bytes();
    for word in words {
        let mut next = [0; 8];
        next.iter_mut().zip(&mut octets).for_each(|(place, octet)| *place = octet);
        word.store(u64::from_le_bytes(next), Ordering::Relaxed);
    }
}

fn read_text(words: &[AtomicU64]) -> String {
    let octets: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
        .take_while(|octet| *octet != 0)
        .collect();
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_worker_reads_what_the_parent_says_of_its_guard() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        assert_eq!(memory.guard(), None);
        for state in [
            GuardState::NotArmed("cannot open the packet socket: Operation not permitted".to_owned()),
            GuardState::Armed(Some("it runs without SCHED_FIFO".to_owned())),
            GuardState::Armed(None),
            GuardState::Off,
        ] {
            memory.set_guard(&state);
            assert_eq!(memory.guard(), Some(state));
        }
        memory.set_guard(&GuardState::NotArmed("x".repeat(1_000)));
        assert_eq!(memory.guard(), Some(GuardState::NotArmed("x".repeat(128))));
    }
}
