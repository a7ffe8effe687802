//! What the agent asks the kernel for and the standard library does not offer.
//!
//! The only module of this crate with unsafe code; each block says why it is sound. Everything it
//! offers to the rest of the agent is safe to call.

pub(crate) mod clock;
pub(crate) mod datagram_sender;
pub(crate) mod inherited;
pub(crate) mod neighbour_receiver;
pub(crate) mod network_namespace;
pub(crate) mod packet_receiver;
pub(crate) mod packet_sender;
pub(crate) mod pidfd;
pub(crate) mod privileges;
pub(crate) mod realtime;
pub(crate) mod route_socket;
pub(crate) mod shared_words;
mod sockaddr;
pub(crate) mod successor_receiver;
pub(crate) mod timer;
