//! From the reason of one member's transition to the cause of the move that it was part of.

use api_types::failover::FailoverCause;
use api_types::transition::TransitionReason;

use super::Recorded;

/// Why a member took over; `None` for a reason that no takeover has.
pub(super) fn cause_of_takeover(reason: TransitionReason) -> Option<FailoverCause> {
    match reason {
        TransitionReason::NoResponse => Some(FailoverCause::NoResponse),
        TransitionReason::PriorityZero => Some(FailoverCause::PriorityZero),
        TransitionReason::Preempting => Some(FailoverCause::Preempting),
        TransitionReason::Switchover => Some(FailoverCause::Switchover),
        // A first holder takes over from nobody, and nobody was heard.
        TransitionReason::Assist | TransitionReason::FastStart => Some(FailoverCause::NoResponse),
        TransitionReason::OwnerStarted => Some(FailoverCause::OwnerStarted),
        TransitionReason::Started
        | TransitionReason::HigherPriorityHeard
        | TransitionReason::Stopped
        | TransitionReason::Removed
        | TransitionReason::Reconfigured
        | TransitionReason::InterfaceDown
        | TransitionReason::InterfaceMissing
        | TransitionReason::NoInterfaceAddress
        | TransitionReason::BindFailed
        | TransitionReason::FaultCleared
        | TransitionReason::Guard
        | TransitionReason::SelfCheck
        | TransitionReason::AddressLease
        | TransitionReason::NftablesLease
        | TransitionReason::Drained
        | TransitionReason::CheckFailed
        | TransitionReason::PreActiveFailed
        | TransitionReason::SyncGroup => None,
    }
}

/// What the way in which a holder let go looks like to its successor.
pub(super) fn cause_of_leaving(reason: TransitionReason) -> FailoverCause {
    match reason {
        TransitionReason::HigherPriorityHeard => FailoverCause::Preempting,
        TransitionReason::Switchover => FailoverCause::Switchover,
        TransitionReason::Stopped
        | TransitionReason::Removed
        | TransitionReason::Reconfigured
        | TransitionReason::Drained
        | TransitionReason::CheckFailed
        | TransitionReason::PreActiveFailed
        | TransitionReason::SyncGroup
        // It resigns too. A successor that it came too late for gives a reason of its own.
        | TransitionReason::Guard => FailoverCause::PriorityZero,
        TransitionReason::Started
        | TransitionReason::OwnerStarted
        | TransitionReason::NoResponse
        | TransitionReason::PriorityZero
        | TransitionReason::Preempting
        | TransitionReason::InterfaceDown
        | TransitionReason::InterfaceMissing
        | TransitionReason::NoInterfaceAddress
        | TransitionReason::BindFailed
        | TransitionReason::FaultCleared
        | TransitionReason::SelfCheck
        | TransitionReason::AddressLease
        | TransitionReason::NftablesLease
        | TransitionReason::Assist
        | TransitionReason::FastStart => FailoverCause::NoResponse,
    }
}

/// The checks that the old holder lost the addresses by: those that failed when it let go, where it did so because of
/// them, or because somebody had a higher priority than they left it.
pub(super) fn checks_behind(release: Option<&Recorded>) -> Vec<String> {
    release
        .map(|release| &release.record)
        .filter(|record| {
            matches!(record.reason, TransitionReason::CheckFailed | TransitionReason::HigherPriorityHeard)
        })
        .map_or_else(Vec::new, |record| record.failing_checks.clone())
}

/// Whether one cause, as the old holder saw it, is the other, as the new one did.
pub(super) trait Answers {
    fn answers(self, taken: Self) -> bool;
}

impl Answers for FailoverCause {
    fn answers(self, taken: Self) -> bool {
        self == taken || (self == Self::Preempting && matches!(taken, Self::OwnerStarted | Self::Switchover))
    }
}
