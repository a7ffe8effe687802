//! Why a valid advertisement is none for a virtual router: the checks that compare it with the configuration.

use thiserror::Error;

use crate::{Advertisement, AdvertisementInterval, Authentication, Config, Family, Version, Vrid};

/// Why a valid advertisement is none for this virtual router. It changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Another version than ours (RFC 9568 §7.1).
    #[error("version {heard} instead of {ours}")]
    Version {
        /// The version of the advertisement.
        heard: Version,
        /// The configured version.
        ours: Version,
    },
    /// Another virtual router (RFC 9568 §7.1).
    #[error("VRID {heard} instead of {ours}")]
    Vrid {
        /// The VRID of the advertisement.
        heard: Vrid,
        /// The configured VRID.
        ours: Vrid,
    },
    /// Another address family, and so another virtual router (RFC 9568 §7.3).
    #[error("family {heard} instead of {ours}")]
    Family {
        /// The family of the advertisement.
        heard: Family,
        /// The configured family.
        ours: Family,
    },
    /// Another interval than ours, which only version 2 minds (RFC 3768 §7.1).
    #[error("interval {heard} instead of {ours}, which version 2 does not allow")]
    Interval {
        /// The interval of the advertisement.
        heard: AdvertisementInterval,
        /// The configured interval.
        ours: AdvertisementInterval,
    },
    /// Another authentication than ours (RFC 3768 §7.1, RFC 2338 §7.1).
    #[error("authentication {heard} instead of {ours}")]
    Authentication {
        /// The authentication of the advertisement.
        heard: Authentication,
        /// The configured authentication.
        ours: Authentication,
    },
}

impl Refusal {
    /// The counter it belongs to; the words are those of [`PacketError::cause`](crate::PacketError::cause).
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Version { .. } => "version",
            Self::Vrid { .. } => "vrid",
            Self::Family { .. } => "family",
            Self::Interval { .. } => "interval",
            Self::Authentication { .. } => "auth",
        }
    }
}

impl Config {
    /// The checks of RFC 9568 §7.1 and RFC 3768 §7.1 that compare an advertisement with the configuration.
    /// A different address list is no reason to drop it, nor is a different interval in version 3.
    ///
    /// # Errors
    /// [`Refusal`] says what differs.
    pub fn admits(&self, advertisement: &Advertisement) -> Result<(), Refusal> {
        let Advertisement { version, family, vrid, interval, authentication, .. } = *advertisement;
        if version != self.version() {
            return Err(Refusal::Version { heard: version, ours: self.version() });
        }
        if family != self.family() {
            return Err(Refusal::Family { heard: family, ours: self.family() });
        }
        if vrid != self.vrid() {
            return Err(Refusal::Vrid { heard: vrid, ours: self.vrid() });
        }
        if version == Version::V2 && interval != self.interval() {
            return Err(Refusal::Interval { heard: interval, ours: self.interval() });
        }
        if authentication != self.authentication() {
            return Err(Refusal::Authentication { heard: authentication, ours: self.authentication() });
        }
        Ok(())
    }
}
