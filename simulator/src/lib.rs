//! Routers on a simulated LAN: the core that runs on real nodes, n times, on one virtual clock.
//!
//! A [`Lan`] carries out what its instances ask for. Every message goes through the encoder and the decoder.
//! What must hold at every instant it checks itself, and panics otherwise, so every test that uses one checks
//! it: nobody claims, announces or is Active without holding the addresses, reports follow each other without
//! gaps, an instance that was woken waits for something in the future; and, once the LAN has been whole and
//! quiet for long enough, exactly one router holds, and it is the right one (`promise.rs`).
//!
//! A [`Site`] is several LANs that the same nodes share: what a node is on one LAN goes with what it is on the others.
//!
//! A [`Schedule`] is a LAN with the faults that will strike it, drawn from one seed. The same seed gives the
//! same schedule and the same trace, so a failing run is told in one number.

mod fault;
mod lan;
mod manners;
mod node;
mod promise;
mod routers;
mod schedule;
mod site;
mod stretch;
mod wire;

pub use fault::Fault;
pub use lan::{Lan, Trace};
pub use manners::Manners;
pub use node::Node;
pub use routers::{Dialect, router};
pub use schedule::{Schedule, Summary};
pub use site::{Site, SiteFault, SiteSchedule, SiteSummary};
pub use stretch::Stretch;
pub use wire::{Link, Wire};
