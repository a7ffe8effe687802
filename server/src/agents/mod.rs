//! The sessions of agents (`baton.agent.v1`): who is connected, what each shall run, what each reports.
//!
//! - [`protocol`]: the rules of the conversation, pure.
//! - [`session`]: one task per connection. It reads, stores, answers; it never queues: what a node shall run is
//!   sent as it is when there is room, so a slow agent skips what it missed.
//! - [`ingest`]: a batch of transitions becomes rows, failovers and audit entries in one transaction.
//! - [`hub`]: the sessions of this server, and what the database says about them.
//! - [`push`]: one task per server. It is woken by what the servers notify each other of (`listen`), with a
//!   slow poll as the truth, and tells the sessions whose nodes shall run something newer.
//! - `boosts`: tells the sessions which switchovers make their nodes hold an address, and does nothing else.
//! - [`assists`]: who is told, past the database, when a member has let go without a word on the LAN.
//! - `fast_starts`: which session is told that a new group may begin at once.
//! - `mailboxes`: what both of them leave for the newest session of a node.
//!
//! Nothing here decides who holds an address. An agent without a session goes on.

pub mod assists;
mod boosts;
pub mod convergence;
mod fast_starts;
pub mod hub;
pub mod ingest;
mod limits;
mod listen;
mod mailboxes;
pub mod protocol;
pub mod push;
pub mod session;

pub use hub::Hub;
pub use limits::Limits;
