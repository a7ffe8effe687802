//! Assists: a member that has let go of the addresses and cannot say so on the LAN says it over the channel.
//!
//! Advisory only: a member obeys one only if the last advertisement that it accepted came from that source
//! and bears that number, or one of the two before; then it does what it would do on a resignation. One that
//! comes late, twice, out of order or from anybody else is harmless, and without one plain VRRP timing holds.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Name;

/// The word for it among the capabilities of an agent, and of a server that passes assists on.
pub const CAPABILITY: &str = "assist";

/// What an agent has let go of, without having been able to resign on the LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assist {
    /// The boot in which it happened.
    pub boot_id: Uuid,
    /// The groups; not empty.
    pub groups: Vec<LetGo>,
}

/// One group whose addresses were let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// The group.
    pub group_id: Uuid,
    /// Where its advertisements came from.
    pub source: IpAddr,
    /// The running number of the last advertisement that was sent: the IPv4 identification, or the low 16 bits of the
    /// IPv6 flow label.
    pub sequence: u16,
    /// Why.
    pub reason: LetGoReason,
}

/// Why addresses were let go of without a resignation on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetGoReason {
    /// The interface was taken down, or is gone.
    LinkDown,
    /// The interface lost its carrier.
    CarrierLost,
    /// The agent found itself late beyond what the others wait for.
    SelfCheck,
    /// The guard took the addresses away.
    Guard,
    /// Another fault: the addresses could not be kept.
    Fault,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// What another member's agent has let go of, as a server passes it on: at once, to every other member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedAssist {
    /// The node that let go.
    pub node: Name,
    /// The groups; not empty, and only such as the receiver is a member of.
    pub groups: Vec<LetGo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_a_newer_agent_gives_is_no_reason_to_refuse_its_assist() {
        let said = r#"{"group_id": "018f4e6e-7c1a-7000-8000-000000000002", "source": "192.0.2.1",
            "sequence": 65535, "reason": "struck_by_lightning"}"#;
        let read: LetGo = serde_json::from_str(said).unwrap();
        assert_eq!((read.reason, read.sequence), (LetGoReason::Other, u16::MAX));
    }
}
