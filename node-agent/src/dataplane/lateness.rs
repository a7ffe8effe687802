//! Advertisements that left late because this host kept the agent waiting: told at a measured pace.
//!
//! Pure. Backups wait for three intervals. An advertisement that is an interval late has used up a third of
//! that, and on a host that goes on so they will take over from a router that is alive (RFC 9568 §2.5):
//! whoever reads of such a failover is to find the cause in the log.

use std::time::Duration;

use vrrp::Instant;

/// How long nothing more is said.
const SILENCE: Duration = Duration::from_secs(10);

/// An advertisement that left more than an interval late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Late {
    /// The group.
    pub(super) group: String,
    /// By how much.
    pub(super) by: Duration,
    /// The group's interval.
    pub(super) interval: Duration,
}

/// What has not been told yet.
#[derive(Debug)]
pub(super) struct Lateness {
    count: u64,
    worst: Option<Late>,
    silent_until: Instant,
}

impl Lateness {
    /// Nothing was late.
    pub(super) const fn new() -> Self {
        Self { count: 0, worst: None, silent_until: Instant::ORIGIN }
    }

    /// Takes note of one.
    pub(super) fn note(&mut self, late: Late) {
        self.count += 1;
        if self.worst.as_ref().is_none_or(|worst| worst.by < late.by) {
            self.worst = Some(late);
        }
    }

    /// What people should read, if there is something and it is time to say it.
    pub(super) fn take_notice(&mut self, now: Instant) -> Option<String> {
        if now < self.silent_until {
            return None;
        }
        let Late { group, by, interval } = self.worst.take()?;
        let count = std::mem::take(&mut self.count);
        self.silent_until = now + SILENCE;
        let (by, interval) = (by.as_millis(), interval.as_millis());
        Some(format!(
            "{count} advertisements left more than an interval late, the latest {by} ms late: of group {group}, which \
             advertises every {interval} ms; this host did not let the agent run in time, and members may have taken \
             over for no other reason"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(group: &str, ms: u64) -> Late {
        let interval = Duration::from_millis(100);
        Late { group: group.to_owned(), by: Duration::from_millis(ms), interval }
    }

    #[test]
    fn what_was_late_is_told_once_and_then_summed_up_with_the_worst() {
        let at = |seconds: u64| Instant::from_origin(Duration::from_secs(1_000 + seconds));
        let mut lateness = Lateness::new();
        assert_eq!(lateness.take_notice(at(0)), None);
        lateness.note(late("web", 120));
        let said = lateness.take_notice(at(0)).unwrap();
        assert!(said.starts_with("1 advertisements") && said.contains("120 ms late: of group web"), "{said}");

        for (group, ms) in [("web", 150), ("mail", 180), ("web", 170)] {
            lateness.note(late(group, ms));
            assert_eq!(lateness.take_notice(at(9)), None);
        }
        let said = lateness.take_notice(at(10)).unwrap();
        assert!(
            said.starts_with("3 advertisements") && said.contains("180 ms late: of group mail"),
            "{said}"
        );
        assert_eq!(lateness.take_notice(at(30)), None, "nothing was late since");
    }
}
