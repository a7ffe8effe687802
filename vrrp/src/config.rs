//! The settings of one router for one virtual router, valid by construction.

use std::net::IpAddr;
use std::time::Duration;

use crate::election::Candidate;
use crate::{AdvertisementInterval, Authentication, BoostedPriority, Family, Priority, Version, Vrid};

mod check;
mod room;
#[cfg(test)]
mod tests;

pub use self::check::ConfigError;

/// How many addresses a virtual router can have. It is a limit of ours, so that none can flood a LAN with
/// announcements.
pub const MAX_ADDRESSES: usize = 1_000;
/// The longest time for which a better router may be told to wait.
pub const MAX_PREEMPT_DELAY: Duration = Duration::from_hours(1);

/// The shortest time between two announcements that nothing asks for.
pub const MIN_REFRESH: Duration = Duration::from_secs(1);

/// Settings before they are checked. [`Config::new`] checks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The protocol version.
    pub version: Version,
    /// The address family.
    pub family: Family,
    /// The virtual router.
    pub vrid: Vrid,
    /// Our priority; 255 says that the addresses are our interface's own.
    pub priority: Priority,
    /// How often we advertise as Active.
    pub interval: AdvertisementInterval,
    /// Whether we take the addresses from a router of lower priority. An owner does in any case.
    pub preempt: bool,
    /// For how long a router of lower priority must have been heard before we preempt it: 0 to
    /// [`MAX_PREEMPT_DELAY`] (the hold time of RFC 8347). An owner waits in no case.
    pub preempt_delay: Duration,
    /// The virtual addresses. The first ones are advertised, as many as an advertisement can list, in this order.
    pub addresses: Vec<IpAddr>,
    /// How often we announce the addresses anew as Active although nothing has happened: at least [`MIN_REFRESH`], or
    /// never. For LANs with routers that release without a word or announce too seldom.
    pub refresh: Option<Duration>,
    /// Whether the first IPv6 address must be link-local (RFC 9568 §5.2.9, erratum 8300), in ours and in what is
    /// heard. keepalived does not see to it.
    pub require_link_local: bool,
    /// What version 2 carries beside its addresses.
    pub authentication: Authentication,
    /// Our interface's own address, from which we advertise: link-local in IPv6 (RFC 9568 §5.1.2.1), and none of
    /// the virtual addresses unless we own them.
    pub source: IpAddr,
}

/// [`Settings`] that have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    settings: Settings,
    wire_interval: u16,
    advertised: usize,
    boost: Option<BoostedPriority>,
}

impl Config {
    /// Checks settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the first wrong field and what is allowed.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let wire_interval = check::wire_interval(&settings)?;
        check::extensions(&settings)?;
        check::addresses(&settings)?;
        check::source(&settings)?;
        Ok(Self { settings, wire_interval, advertised: 0, boost: None }.within(usize::MAX))
    }

    /// The same settings on an interface that carries IP packets of so many octets at most (its MTU): an advertisement
    /// lists fewer addresses there rather than need fragments.
    #[must_use]
    pub fn within(mut self, octets: usize) -> Self {
        let room = room::for_addresses(self.version(), self.family(), octets);
        self.advertised = self.settings.addresses.len().min(room);
        self
    }

    /// The settings as they were given, to make others of them.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The protocol version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.settings.version
    }

    /// The address family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.settings.family
    }

    /// The virtual router.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.settings.vrid
    }

    /// Our priority: what we advertise.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self.boost {
            Some(boost) => boost.get(),
            None => self.settings.priority,
        }
    }

    /// The priority of a switchover, while it stands in for the one of the settings.
    #[must_use]
    pub const fn boost(&self) -> Option<BoostedPriority> {
        self.boost
    }

    /// How often we advertise as Active.
    #[must_use]
    pub const fn interval(&self) -> AdvertisementInterval {
        self.settings.interval
    }

    /// Whether we take the addresses from a router of lower priority; true for every owner (RFC 9568 §6.1), and during a
    /// switchover to us.
    #[must_use]
    pub const fn preempts(&self) -> bool {
        self.settings.preempt || self.boost.is_some() || self.settings.priority.is_owner()
    }

    /// For how long a router of lower priority must have been heard before we preempt it; 0 for every owner, and during
    /// a switchover to us.
    #[must_use]
    pub const fn preempt_delay(&self) -> Duration {
        let waits_for_nothing = self.boost.is_some() || self.settings.priority.is_owner();
        if waits_for_nothing { Duration::ZERO } else { self.settings.preempt_delay }
    }

    /// The virtual addresses; at least one.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.settings.addresses
    }

    /// Those that an advertisement lists: the first ones, as many as it can carry. The others are held all the same.
    #[must_use]
    pub fn advertised(&self) -> &[IpAddr] {
        self.settings.addresses.get(..self.advertised).unwrap_or_default()
    }

    /// How often we announce the addresses anew although nothing has happened.
    #[must_use]
    pub const fn refresh(&self) -> Option<Duration> {
        self.settings.refresh
    }

    /// What version 2 carries beside its addresses.
    #[must_use]
    pub const fn authentication(&self) -> Authentication {
        self.settings.authentication
    }

    /// Our interface's own address.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.settings.source
    }

    /// Skew_Time when the Active router advertises every `active_interval` (RFC 9568 §6.1), to the nanosecond.
    /// Version 2 does not scale it by the interval (RFC 3768 §6.1).
    #[must_use]
    pub fn skew_time(&self, active_interval: AdvertisementInterval) -> Duration {
        let unit = match self.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => active_interval.as_duration(),
        };
        unit * (256 - u32::from(self.priority().get())) / 256
    }

    /// Active_Down_Interval when the Active router advertises every `active_interval` (RFC 9568 §6.1).
    #[must_use]
    pub fn active_down_interval(&self, active_interval: AdvertisementInterval) -> Duration {
        active_interval.as_duration() * 3 + self.skew_time(active_interval)
    }

    /// Whether both are settings for one virtual router, so that an instance can go from one to the other while it
    /// runs.
    #[must_use]
    pub fn is_same_router(&self, other: &Self) -> bool {
        (self.version(), self.family(), self.vrid()) == (other.version(), other.family(), other.vrid())
    }

    /// An interval in the unit of the version: centiseconds, or seconds. Ours in place of one that it cannot say.
    pub(crate) fn in_wire_units(&self, interval: AdvertisementInterval) -> u16 {
        let units = match self.version() {
            Version::V2 => interval.seconds().map(u16::from),
            Version::V3 => interval.centiseconds(),
        };
        units.unwrap_or(self.wire_interval)
    }

    /// How many of `others`, by priority and address, would win before us if all of us took over at once.
    pub fn rank(&self, others: impl IntoIterator<Item = (Priority, Option<IpAddr>)>) -> u32 {
        let us = self.candidate();
        let before = others.into_iter().filter(|(priority, address)| us.comes_after(*priority, *address));
        before.fold(0, |rank, _| rank + 1)
    }

    pub(crate) const fn set_boost(&mut self, boost: Option<BoostedPriority>) {
        self.boost = boost;
    }

    /// We as the election sees us.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate { priority: self.priority(), address: self.source(), preempts: self.preempts() }
    }
}
