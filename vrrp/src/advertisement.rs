//! What a router says in an advertisement, once its bytes have been believed.

use std::net::IpAddr;

use crate::{AdvertisementInterval, Authentication, ChecksumForm, Family, Priority, Version, Vrid};

/// What a router claims. On the wire both are one octet (RFC 9568 §5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// "I am Active, with this priority."
    Holds(Priority),
    /// "I take part no longer": priority 0.
    Resigns,
}

impl Claim {
    /// What a priority octet claims.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        match Priority::new(octet) {
            Some(priority) => Self::Holds(priority),
            None => Self::Resigns,
        }
    }

    /// The priority octet that says so.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Holds(priority) => priority.get(),
            Self::Resigns => 0,
        }
    }
}

/// A received advertisement that has passed every check that needs no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// The protocol version it was sent in.
    pub version: Version,
    /// The family of the IP header, and so of every address in it (RFC 9568 §5.2.9).
    pub family: Family,
    /// The virtual router it is about.
    pub vrid: Vrid,
    /// What its sender claims.
    pub claim: Claim,
    /// How often its sender advertises: the Max Advertise Interval of version 3, the Adver Int of version 2.
    pub interval: AdvertisementInterval,
    /// What version 2 carried beside its addresses; none in version 3.
    pub authentication: Authentication,
    /// The virtual addresses in the order of the packet, at least one.
    pub addresses: Vec<IpAddr>,
    /// The source address of the IP header: the sender's primary address.
    pub source: IpAddr,
    /// The form of the checksum. `None` where it does not tell: both forms give the same sum, or the version
    /// and family know only one.
    pub checksum: Option<ChecksumForm>,
}
