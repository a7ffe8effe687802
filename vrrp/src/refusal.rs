//! Why a valid advertisement is none for a virtual router: the checks that compare it with the configuration.

use thiserror::Error;

use crate::{Advertisement, AdvertisementInterval, Authentication, Config, DropCause, Family, Version, Vrid};

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
    /// Why the packet is dropped.
    #[must_use]
    pub const fn cause(&self) -> DropCause {
        match self {
            Self::Version { .. } => DropCause::Version,
            Self::Vrid { .. } => DropCause::Vrid,
            Self::Family { .. } => DropCause::Family,
            Self::Interval { .. } => DropCause::Interval,
            Self::Authentication { .. } => DropCause::Authentication,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_heard_what_is_ours_and_which_counter_it_is() {
        let [heard, ours] = [20, 21].map(|vrid| Vrid::new(vrid).unwrap());
        let [longer, shorter] = [AdvertisementInterval::DEFAULT_V2, AdvertisementInterval::DEFAULT_V3];
        let text = Authentication::simple_text("secret").unwrap();
        for (refusal, said, cause) in [
            (Refusal::Version { heard: Version::V2, ours: Version::V3 }, "version 2 instead of 3", "version"),
            (Refusal::Vrid { heard, ours }, "VRID 20 instead of 21", "vrid"),
            (
                Refusal::Family { heard: Family::Ipv6, ours: Family::Ipv4 },
                "family ipv6 instead of ipv4",
                "family",
            ),
            (
                Refusal::Interval { heard: longer, ours: shorter },
                "interval 1000 ms instead of 100 ms, which version 2 does not allow",
                "interval",
            ),
            (
                Refusal::Authentication { heard: text, ours: Authentication::None },
                "authentication simple text instead of none",
                "auth",
            ),
        ] {
            assert_eq!((refusal.to_string(), refusal.cause().as_str()), (said.to_owned(), cause));
        }
    }
}
