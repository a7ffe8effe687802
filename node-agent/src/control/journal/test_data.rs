//! Transitions for the tests of the journal.

use api_types::Timestamp;
use api_types::transition::{State, TransitionReason, TransitionRecord};
use chrono::DateTime;
use uuid::Uuid;
use vrrp::{Family, Priority, Vrid};

use crate::messages::ObservedTransition;

pub(crate) fn observed() -> ObservedTransition {
    ObservedTransition {
        group_id: Uuid::nil(),
        group: "web".to_owned(),
        family: Family::Ipv4,
        vrid: Vrid::MIN,
        interface: "eth0".to_owned(),
        from: State::Backup,
        to: State::Active,
        reason: TransitionReason::NoResponse,
        priority: Priority::MIN,
        at_boottime_ns: 1,
        last_advertisement: None,
        bound_at_boottime_ns: None,
        announced_at_boottime_ns: None,
        released_at_boottime_ns: None,
        failing_checks: Vec::new(),
    }
}

pub(crate) fn transition(boot_id: Uuid, sequence: u64) -> TransitionRecord {
    let at = Timestamp::from(DateTime::UNIX_EPOCH);
    TransitionRecord { at, ..super::numbered(observed(), boot_id, sequence) }
}
