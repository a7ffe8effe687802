//! What the two halves of the worker tell each other: plain data, so that they could become two processes.
//!
//! Control sends [`Command`]s, the dataplane sends [`Report`]s; both through bounded channels that neither half
//! ever waits on. `agent.rs` is the only file that knows both halves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api_types::VirtualAddress;
use api_types::agent_status::{GroupCounters, HeardRouter, RealtimeStatus};
use api_types::assist::LetGo;
use api_types::boost::Boost;
use api_types::channel::{DesiredGroup, Revision};
use api_types::fences::Fences;
use api_types::group::Checksum;
use api_types::node::{Interface, RejectionReason};
use api_types::timing::Timing;
use api_types::transition::{AdvertisementHeard, State, TransitionReason};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::{DropCause, Family, Priority, Vrid};

/// What control tells the dataplane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run exactly these groups: all of them, or, if one cannot be accepted, go on as before.
    /// Answered by [`Report::Applied`] or [`Report::Rejected`].
    Apply {
        /// The revision, to name it in the answer.
        revision: Revision,
        /// Every group of the node.
        groups: Vec<DesiredGroup>,
    },
    /// What other routers spoke before the worker started. Comes before anything else, where it comes at all.
    Remember(SpokenChecksums),
    /// Every boost of this node; what is not among them is over.
    Boosts(Vec<Boost>),
    /// What every check of this node has found, by name; one that is not among them has not found anything yet.
    Checks(BTreeMap<String, CheckFinding>),
    /// Another node has let go of these groups. Advisory: what does not fit what was heard is passed over.
    Assist(Vec<LetGo>),
    /// This member may begin to hold the addresses of a new group at once. Advisory: whoever hears anybody,
    /// or finds that somebody answers for them, waits as usual.
    FastStart {
        /// The group.
        group_id: Uuid,
        /// Its generation.
        generation: i64,
        /// Until when, in nanoseconds of `CLOCK_BOOTTIME`.
        until_boottime_ns: u64,
    },
    /// How the `pre_active` hook went that [`GroupSnapshot::entrance`] asks for.
    PreActive {
        /// The group.
        group_id: Uuid,
        /// Which attempt to hold its addresses it was for.
        attempt: u64,
        /// Why it failed, if it did.
        outcome: Result<(), String>,
    },
    /// Resign from every group, release what is bound, then answer [`Report::Stopped`].
    Stop,
    /// End soon, leave everything as it is, then answer [`Report::Stopped`]: another worker goes on with it.
    HandOver,
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// Whether it passes; what a group makes of that is the group's.
    pub passes: bool,
    /// Why, in a sentence of at most 200 characters.
    pub detail: String,
}

/// How a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The agent stops: everything is resigned and released.
    Stop,
    /// Another worker goes on with everything as it is.
    HandOver,
}

impl From<Ending> for Command {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Stop => Self::Stop,
            Ending::HandOver => Self::HandOver,
        }
    }
}

/// The form of the checksum that other members spoke last, by group and by the address of the member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpokenChecksums(pub BTreeMap<Uuid, BTreeMap<IpAddr, Checksum>>);

/// An attempt to hold addresses that waits for a `pre_active` hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrance {
    /// Counts the attempts of the group.
    pub attempt: u64,
    /// When it began, in nanoseconds of `CLOCK_BOOTTIME`.
    pub since_boottime_ns: u64,
    /// Whether the hook is known to have succeeded.
    pub open: bool,
}

/// What the dataplane tells control.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// What an earlier life of the agent has left. From the first worker of an agent alone, and before
    /// anything else that is about groups.
    Found(Found),
    /// The groups of this revision run.
    Applied(Revision),
    /// The revision was refused whole; what ran before runs on. While no other revision comes the dataplane tries
    /// it again whenever the interfaces change, and then says [`Report::Applied`], or why not if the reasons differ.
    Rejected {
        /// Which.
        revision: Revision,
        /// Why; not empty.
        reasons: Vec<RejectionReason>,
    },
    /// A member changed its state. Never dropped: when the channel is full the dataplane keeps it and tries again.
    Transition(ObservedTransition),
    /// The addresses of these groups were let go of without a word on the LAN, and are gone.
    LetGo(Vec<LetGo>),
    /// The LAN has followed another member's takeover. Never dropped.
    Converged(ObservedConvergence),
    /// How things stand; sent on change and about once a second. May be dropped when the channel is full.
    Snapshot(Snapshot),
    /// Something that people should read in the log. The dataplane writes no log itself, since standard error may
    /// block. May be dropped when the channel is full.
    Notice(String),
    /// Everything is resigned and released; the dataplane thread ends.
    Stopped,
}

/// What an earlier life of the agent has left in the kernel, before anything of it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// When it was looked at, in nanoseconds of `CLOCK_BOOTTIME`.
    pub at_boottime_ns: u64,
    /// The interfaces that there are.
    pub interfaces: BTreeSet<String>,
    /// The addresses with this agent's mark, each with the interface, be it through a macvlan.
    pub bound: BTreeSet<(String, IpAddr)>,
    /// The virtual routers that the kernel has silenced because no advertisement of them left.
    pub silenced: BTreeSet<FoundRouter>,
}

/// A virtual router of this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundRouter {
    /// Its interface.
    pub interface: String,
    /// Its address family.
    pub family: Family,
    /// Its VRID.
    pub vrid: Vrid,
}

/// A transition as the dataplane saw it. Control gives it a sequence and wall-clock time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedTransition {
    /// The group.
    pub group_id: Uuid,
    /// Its name.
    pub group: String,
    /// The address family of the virtual router.
    pub family: Family,
    /// Its VRID.
    pub vrid: Vrid,
    /// The interface it runs on.
    pub interface: String,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub reason: TransitionReason,
    /// The priority the member advertised or would have advertised.
    pub priority: Priority,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub at_boottime_ns: u64,
    /// The last valid advertisement heard from another before.
    pub last_advertisement: Option<AdvertisementHeard>,
    /// When the addresses were bound, for a transition to Active.
    pub bound_at_boottime_ns: Option<u64>,
    /// When the first announcement left, for a transition to Active.
    pub announced_at_boottime_ns: Option<u64>,
    /// When the addresses were unbound, for a transition away from Active.
    pub released_at_boottime_ns: Option<u64>,
    /// The checks that the group tracks and that failed then, by name.
    pub failing_checks: Vec<String>,
}

/// What a member has seen that waits behind a new holder: the LAN has followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedConvergence {
    /// The group.
    pub group_id: Uuid,
    /// Its name.
    pub group: String,
    /// Where the new holder's advertisements come from.
    pub holder: IpAddr,
    /// When the first of them was accepted, in nanoseconds of `CLOCK_BOOTTIME`.
    pub heard_at_boottime_ns: u64,
    /// How long after that the holder alone had answered for the addresses, and announced them.
    pub took: Duration,
}

/// How the dataplane stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Every interface of the node but loopback.
    pub interfaces: Vec<Interface>,
    /// Every group that runs, by name.
    pub groups: Vec<GroupSnapshot>,
    /// What the thread was granted.
    pub realtime: Option<RealtimeStatus>,
    /// How the fences stand.
    pub fences: Fences,
    /// How punctual the dataplane is.
    pub timing: Option<Timing>,
    /// Packets that were dropped, by interface and cause.
    pub dropped_packets: Vec<DroppedPackets>,
}

/// Packets that were dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedPackets {
    /// The interface they came in on; empty when it is gone, or when none can be told, as for [`DropCause::Overflow`].
    pub interface: String,
    /// Why.
    pub cause: DropCause,
    /// How many since the worker started.
    pub count: u64,
}

/// How one group stands.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSnapshot {
    /// What it was told to be.
    pub desired: DesiredGroup,
    /// The state of this node's member.
    pub state: State,
    /// Since when, in nanoseconds of `CLOCK_BOOTTIME`.
    pub since_boottime_ns: u64,
    /// The priority it advertises or would advertise.
    pub effective_priority: Priority,
    /// The virtual addresses that are bound now.
    pub addresses_present: Vec<VirtualAddress>,
    /// The router whose advertisements it obeys.
    pub active_source: Option<IpAddr>,
    /// When it last heard a valid advertisement of another router, in nanoseconds of `CLOCK_BOOTTIME`.
    pub last_heard_boottime_ns: Option<u64>,
    /// Active_Down_Interval as it applies now; `None` while it takes no part.
    pub active_down_interval: Option<Duration>,
    /// The switchover whose boost is in effect.
    pub boost: Option<Uuid>,
    /// Why the switchover that it was told of is not under way.
    pub boost_refused: Option<String>,
    /// Why it is in `fault`, or what was asked of it and it lacks in another state; `None` when nothing is
    /// wrong.
    pub fault: Option<String>,
    /// What was sent, heard and dropped.
    pub counters: GroupCounters,
    /// The routers that it has heard, by address.
    pub heard: Vec<HeardRouter>,
    /// The form of the checksum that it sends.
    pub checksum: Checksum,
    /// The attempt to hold the addresses that waits for a `pre_active` hook, if one does.
    pub entrance: Option<Entrance>,
    /// As Backup that would take over: what another group of its sync group waits for.
    pub waits_for: Option<String>,
}
