//! Why a member cannot take part.

use api_types::transition::TransitionReason;

/// What is missing. It goes away by itself when it is there again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such interface.
    InterfaceMissing,
    /// The interface is administratively down.
    InterfaceDown,
    /// The interface has no carrier.
    CarrierLost,
    /// The interface has no address, or no MAC address, to advertise from.
    NoInterfaceAddress,
    /// As owner: the interface does not have the addresses.
    AddressNotOwned,
    /// The kernel refused to hold the addresses.
    BindFailed(String),
    /// The `pre_active` hook has not succeeded.
    PreActiveFailed(String),
    /// There is no macvlan with the virtual router's MAC address to hold them on.
    NoVirtualMac(String),
    /// This other group of its sync group is in fault.
    SyncGroup(String),
}

impl Fault {
    /// The word for the transition into it.
    pub(super) const fn reason(&self) -> TransitionReason {
        match self {
            Self::InterfaceMissing => TransitionReason::InterfaceMissing,
            Self::InterfaceDown | Self::CarrierLost => TransitionReason::InterfaceDown,
            Self::NoInterfaceAddress | Self::AddressNotOwned => TransitionReason::NoInterfaceAddress,
            Self::BindFailed(_) | Self::NoVirtualMac(_) => TransitionReason::BindFailed,
            Self::PreActiveFailed(_) => TransitionReason::PreActiveFailed,
            Self::SyncGroup(_) => TransitionReason::SyncGroup,
        }
    }

    /// Whether it is about an attempt to hold the addresses: such a member goes on taking part, and tries again.
    pub(super) const fn is_of_attempt(&self) -> bool {
        matches!(self, Self::BindFailed(_) | Self::PreActiveFailed(_))
    }

    /// Whether it is another group's, and ends when that one's does.
    pub(super) const fn is_of_set(&self) -> bool {
        matches!(self, Self::SyncGroup(_))
    }

    /// The sentence for people.
    pub(super) fn describe(&self, interface: &str) -> String {
        match self {
            Self::InterfaceMissing => format!("there is no interface {interface}"),
            Self::InterfaceDown => format!("interface {interface} is down"),
            Self::CarrierLost => format!("interface {interface} has no carrier"),
            Self::NoInterfaceAddress => {
                format!("interface {interface} has no address of its own to advertise from")
            }
            Self::AddressNotOwned => {
                format!("interface {interface} does not have the addresses that the member owns")
            }
            Self::NoVirtualMac(error) => {
                format!("interface {interface} has no macvlan for the virtual MAC address: {error}")
            }
            Self::SyncGroup(other) => format!("group {other} of its sync group is in fault"),
            Self::PreActiveFailed(error) => format!("the pre_active hook has failed: {error}"),
            Self::BindFailed(error) => {
                format!("the addresses could not be bound to interface {interface}: {error}")
            }
        }
    }
}
