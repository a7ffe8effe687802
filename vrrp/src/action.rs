//! What an instance asks of its caller.

use crate::{AdvertisementInterval, Claim};

/// Something for the caller to do. Carry actions out one after the other, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make the kernel hold exactly the addresses of [`Instance::config`](crate::Instance::config), then call
    /// [`Instance::handle_held`](crate::Instance::handle_held), or
    /// [`Instance::handle_hold_failed`](crate::Instance::handle_hold_failed) when it refuses. For an owner: see
    /// that they are there, for they are the interface's own.
    ///
    /// It states a wish, not an edge: a second `Hold` replaces the first, and a [`Release`](Self::Release)
    /// cancels it. Answer only for what was asked last.
    Hold,
    /// Send one advertisement with the settings of [`Instance::config`](crate::Instance::config) and this claim.
    Advertise(Claim),
    /// Send one last advertisement with our own priority and this interval, that of the router we yield to. The winner
    /// learns that it had a rival; whoever obeys us meanwhile goes on waiting for the winner at the winner's pace.
    Concede(AdvertisementInterval),
    /// Tell the LAN where the addresses are now: gratuitous ARP, or unsolicited neighbour advertisements.
    Announce,
    /// A successor holds the addresses too: announce them no more, and let nothing else speak in their name
    /// or from the virtual router's MAC address, or neighbours and switches turn back here. What follows is
    /// to be heard only after that: it may have the successor teach the switch anew.
    Hush,
    /// A better router holds the addresses: [`Release`](Self::Release) them once what is on its way here has
    /// been answered, in some milliseconds. A [`Hold`](Self::Hold) or a [`Release`](Self::Release) before
    /// then counts at once.
    HandOver,
    /// Hold the addresses no longer, and stop announcing them. An owner's stay: they are the interface's own.
    Release,
    /// Record a change of role.
    Report(Change),
}

/// A change of role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The role before.
    pub from: Role,
    /// The role after; never the same.
    pub to: Role,
    /// Why.
    pub reason: Reason,
}

/// What a router is to its virtual router (RFC 9568 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes no part.
    Initialize,
    /// Waits for the Active router to fall silent. Sends nothing, holds nothing.
    Backup,
    /// Holds the addresses and says so.
    Active,
}

/// Why a role changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Initialize → Backup: the caller started the instance (RFC 9568 §6.4.1).
    Started,
    /// → Active: the owner of the addresses takes part (RFC 9568 §6.4.1).
    OwnerStarted,
    /// Backup → Active: nobody was heard for Active_Down_Interval.
    NoResponse,
    /// Backup → Active: the Active router resigned.
    PriorityZero,
    /// Backup → Active: the Active router is alive, and of lower priority.
    Preempting,
    /// Backup → Active: the caller has [boosted](crate::Instance::boost) the instance.
    Switchover,
    /// Backup → Active: the Active router has [let go](crate::Instance::handle_assist) and could not say so on the LAN.
    Assist,
    /// Backup → Active: the caller had it [begin at once](crate::Instance::begin_at_once).
    FastStart,
    /// Active → Backup: a rival of higher priority, or of equal priority and higher address, was heard.
    HigherPriorityHeard,
    /// Active → Backup: another group of its [sync group](crate::SyncSet) was lost. Backup → Active: another one is
    /// Active here, and this one would win.
    SyncGroup,
    /// Active → Backup: the router was kept from running for so long that another may have taken over.
    Lapsed,
    /// Active or Initialize → Backup: the kernel would not hold the addresses.
    HoldFailed,
    /// → Initialize: the caller stopped the instance.
    Stopped,
    /// → Initialize: the caller found that the instance cannot take part, for instance because its interface is
    /// down.
    Faulted,
}
