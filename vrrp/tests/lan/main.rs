//! Routers on a simulated LAN: what must hold whatever happens, and what each incident must look like.

mod incidents;
mod lan;
mod node;
mod properties;
mod scenario;
mod wire;
