//! How routers behave where implementations differ.
//!
//! The two foreign ones are what keepalived 2.2 and FRR 8.4 were seen to do with their ordinary settings.
//! Neither announces from time to time, neither says a word when it yields, and both release as soon as they
//! resign. keepalived announces again when it hears a losing advertisement, but not when it hears a
//! resignation; FRR does not even answer the former. That FRR moves its addresses with a virtual MAC, which
//! spares its clients what a lost announcement does to others, is not simulated: it cannot help who shares a
//! LAN with Baton.

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manners {
    /// Ours.
    #[default]
    Baton,
    /// Those of keepalived.
    Keepalived,
    /// Those of FRR.
    Frr,
}

impl Manners {
    /// Whether it is not one of ours.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        !matches!(self, Self::Baton)
    }
}
