//! Who should hold the addresses. The only file in which two priorities are compared.

use std::net::IpAddr;

use crate::Priority;

/// One router as the election sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// What it advertises.
    pub(crate) priority: Priority,
    /// Its primary address, from which it advertises.
    pub(crate) address: IpAddr,
    /// Whether it takes the addresses from a router of lower priority. The owner always does (RFC 9568 §6.1).
    pub(crate) preempts: bool,
}

impl Candidate {
    /// As Active we give way to a higher priority and, on a tie, to the higher address (RFC 9568 §6.4.3).
    /// Preemption is not asked about.
    pub(crate) fn yields_to(self, rival: Priority, sender: IpAddr) -> bool {
        (rival, sender) > (self.priority, self.address)
    }

    /// As Backup we wait behind an equal and, without preemption, behind anyone (RFC 9568 §6.4.2).
    /// Addresses are not asked about.
    pub(crate) fn waits_behind(self, rival: Priority) -> bool {
        !self.preempts || rival >= self.priority
    }

    /// Whether `sender` uses our address and our priority, so that no rule can tell us apart.
    pub(crate) fn is_mirrored_by(self, rival: Priority, sender: IpAddr) -> bool {
        (rival, sender) == (self.priority, self.address)
    }
}
