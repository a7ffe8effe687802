//! The laboratory that incidents are written in: hosts on a LAN, real programs in them, and witnesses that
//! judge from outside.
//!
//! An incident is a closure given to [`Lab::run`]. Its verbs: plug hosts in ([`Lab::host`]), start agents, a
//! server, a keepalived or web servers in them, cut hosts off ([`Lab::cut`]), kill what runs in them, and
//! then ask the witnesses: a [`capture::Capture`] of the wire, probes of a client ([`http_prober`],
//! [`ping_prober`]), and each host's kernel ([`Lab::holders`]). Waits are [`eventually()`]: until seen, or a
//! bound, never a sleep and a look.

mod answers;
mod api;
mod arp_prober;
pub mod binaries;
pub mod capture;
mod clock;
mod command;
mod eventually;
mod evidence;
mod forgery;
pub mod frame;
mod host;
pub mod http_prober;
mod interrupt;
mod lab;
mod leftovers;
mod link;
mod lost_announcements;
mod namespace;
mod neighbour;
mod node;
mod operator;
mod peer;
pub mod ping_prober;
mod probes;
mod process;
mod realtime;
mod served;
mod server;
mod site;
mod standing;
mod systemd;
mod timeline;
mod udp_echo;
mod udp_prober;
mod unit;
mod web;
mod wire;

pub use answers::{Answers, Observer};
pub use api::{Api, OpenApi, Reply};
pub use arp_prober::ArpProber;
pub use clock::Moment;
pub use command::output_of;
pub use eventually::{always, eventually};
pub use forgery::Forgery;
pub use host::Host;
pub use interrupt::stand_aside;
pub use lab::{Lab, Ports, Subnets};
pub use leftovers::prefix_owned_by;
pub use namespace::Namespace;
pub use neighbour::Neighbour;
pub use node::Node;
pub use operator::Operator;
pub use peer::{Keepalived, VrrpInstance};
pub use probes::{Answer, Outage, Probe, Prober, Probes};
pub use process::{Process, is_alive};
pub use served::{Move, Served};
pub use server::Server;
pub use site::{BOUND, Site, VIP, VRID};
pub use systemd::Systemd;
pub use timeline::{Gap, Timeline};
pub use udp_echo::UdpEcho;
pub use udp_prober::UdpProber;
pub use unit::Unit;
pub use web::{Haproxy, Nginx};
