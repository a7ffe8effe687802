//! What must hold of the readers of VRRP packets, of the agent channel's messages and of tokens, whatever octets
//! come.
//!
//! One function for each reader takes octets and panics when a promise is broken. The fuzz targets in `fuzz/`
//! call them with coverage as their guide; `tests/bodies.rs` calls the same ones on stable, with the seeds,
//! with what once broke them, and with mutations of both.
//!
//! What was read is compared with what `written` says from the tables of the RFCs, not with what the code
//! under test would write.
#![forbid(unsafe_code)]

mod envelope;
mod instance;
mod ip_packet;
mod message;
mod messages;
mod tokens;
mod written;

pub use instance::instance_events;
pub use ip_packet::{ipv4_packet, ipv6_packet};
pub use message::vrrp_message;
pub use messages::{agent_messages, server_message};
pub use tokens::{api_token, join_token, json_web_token};

/// A body and the name of its fuzz target.
pub type Body = (&'static str, fn(&[u8]));

/// All of them.
pub const BODIES: [Body; 9] = [
    ("agent_messages", agent_messages),
    ("api_token", api_token),
    ("instance_events", instance_events),
    ("ipv4_packet", ipv4_packet),
    ("ipv6_packet", ipv6_packet),
    ("join_token", join_token),
    ("json_web_token", json_web_token),
    ("server_message", server_message),
    ("vrrp_message", vrrp_message),
];
