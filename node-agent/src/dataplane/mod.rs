//! The half of the worker that elects, binds and announces.
//!
//! One thread with one runtime and one [`driver`] for all groups. It owns the packet sockets, the netlink
//! connections and the timer. It reads no configuration file, writes no disk, knows no server, and never waits for
//! the other half: commands come and reports go through bounded channels ([`crate::messages`]).
//!
//! # From a packet to an address
//! 1. [`receive`] checks the IP header and has the message decoded.
//! 2. [`instances`] finds the [`group`], whose protocol instance decides.
//! 3. The driver sends what is to be advertised ([`transmit`]) and hands wishes to the [`binder`], which makes the
//!    kernel's [`address_table`] as the groups want it.
//! 4. Once the addresses are there the group becomes Active: it advertises, and [`announce`] tells the neighbours
//!    by [`gratuitous_arp`] and [`unsolicited_na`].
//!
//! # What is pure
//! [`group`], [`instances`], [`apply`], [`announce`] and [`interfaces`] take the time as an argument and touch
//! nothing.

mod accept_gate;
mod address_lease;
mod address_table;
mod address_use;
mod announce;
mod announcement;
mod apply;
mod attachment;
mod background;
mod binder;
mod carrier;
mod driver;
mod drops;
mod entry_fence;
mod fault;
mod fences;
mod flaps;
mod found;
mod gratuitous_arp;
mod group;
mod handover;
mod heard;
mod host;
mod instances;
mod interfaces;
mod lag;
mod last_will;
mod lateness;
mod lease;
mod link_monitor;
mod link_outlet;
mod link_table;
mod netlink;
mod nfnetlink;
mod nft;
mod nft_table;
mod oddities;
mod outbox;
mod policy;
mod probe;
pub mod receive;
mod silence;
mod slots;
mod snapshot;
mod stillness;
mod sync_sets;
#[cfg(test)]
mod test_data;
mod thread;
mod transition_log;
mod translate;
pub(crate) mod transmit;
mod unsolicited_na;
mod virtual_link;
mod virtual_links;

use std::io;
use std::sync::Arc;

pub use address_lease::Lifetime;
pub use address_table::{
    Added, AddressError, AddressTable, AgentNumber, HostAddress, ListedAddress, MARK, NetlinkAddressTable,
};
pub use announcement::{Announcement, AnnouncementFrame, Announcer, NeighbourAnnouncer};
pub use thread::{Dataplane, DataplaneError, Settings};

/// The parts of the dataplane that another implementation can take the place of.
pub struct Seams {
    /// Connects to the kernel's addresses, on the dataplane thread.
    pub address_table: fn(AgentNumber) -> io::Result<Arc<dyn AddressTable>>,
    /// Makes the frames that announce.
    pub announcer: Box<dyn Announcer>,
}

impl Seams {
    /// The kernel, gratuitous ARP and unsolicited neighbour advertisements.
    #[must_use]
    pub fn real() -> Self {
        Self {
            address_table: |agent| Ok(Arc::new(NetlinkAddressTable::connect(agent)?)),
            announcer: Box::new(NeighbourAnnouncer),
        }
    }
}
