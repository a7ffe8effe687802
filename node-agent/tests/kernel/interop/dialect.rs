//! The ways in which Baton and another router may speak to each other, and how each is configured for it.

use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{Authentication, MacMode, ProtocolOptions, Transport};
use vrrp::{AdvertisementInterval, Family, Priority, Version};

use super::frr::{self, Frr};
use super::keepalived::Keepalived;
use crate::lab::{Lab, own_address};
use crate::router::{VIP, group};

/// The virtual address over IPv6.
pub(crate) const VIP6: &str = "fe80::51";

/// One way for both to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) spoken: &'static str,
    pub(crate) interval: Duration,
    pub(crate) address: &'static str,
    pub(crate) virtual_mac: bool,
    pub(crate) ours: fn(u8) -> DesiredGroup,
    pub(crate) theirs: Theirs,
}

/// How the other one is told its side.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Theirs {
    /// The version, and what the instance has beside priority, interval and addresses.
    Keepalived {
        version: u8,
        lines: &'static str,
    },
    Frr,
}

const VERSION_3: Dialect = Dialect {
    spoken: "version 3, IPv4",
    interval: Duration::from_millis(100),
    address: VIP,
    virtual_mac: false,
    ours: beside,
    theirs: Theirs::Keepalived { version: 3, lines: "" },
};

const VERSION_2: Dialect = Dialect {
    spoken: "version 2",
    interval: Duration::from_secs(1),
    ours: version_2,
    theirs: Theirs::Keepalived { version: 2, lines: "" },
    ..VERSION_3
};

/// Version 3 over IPv4 with keepalived, as most groups speak.
pub(crate) const fn usual() -> Dialect {
    VERSION_3
}

/// The dialects of version 3 that keepalived speaks.
pub(crate) const fn of_keepalived() -> [Dialect; 5] {
    [
        VERSION_3,
        Dialect { spoken: "version 3, IPv6", address: VIP6, ours: ipv6, ..VERSION_3 },
        Dialect {
            spoken: "version 3, IPv4, unicast",
            ours: unicast,
            theirs: Theirs::Keepalived {
                version: 3,
                lines: "unicast_src_ip 10.66.0.2\nunicast_peer {\n 10.66.0.1\n}\n",
            },
            ..VERSION_3
        },
        Dialect {
            spoken: "version 3, IPv4, virtual MAC",
            virtual_mac: true,
            ours: virtual_mac,
            theirs: Theirs::Keepalived { version: 3, lines: "use_vmac vmac51\n" },
            ..VERSION_3
        },
        Dialect {
            spoken: "version 3, IPv6, virtual MAC",
            address: VIP6,
            virtual_mac: true,
            ours: ipv6_virtual_mac,
            theirs: Theirs::Keepalived { version: 3, lines: "use_vmac vmac51\n" },
            ..VERSION_3
        },
    ]
}

/// The dialects of version 2, whose intervals are whole seconds.
pub(crate) const fn of_version_2() -> [Dialect; 2] {
    [
        VERSION_2,
        Dialect {
            spoken: "version 2, simple text",
            ours: with_text,
            theirs: Theirs::Keepalived {
                version: 2,
                lines: "authentication {\n auth_type PASS\n auth_pass s3cret\n}\n",
            },
            ..VERSION_2
        },
    ]
}

/// The dialects of FRR, whose virtual routers always have their own MAC address.
pub(crate) const fn of_frr() -> [Dialect; 2] {
    [
        Dialect {
            spoken: "version 3, IPv4, virtual MAC",
            virtual_mac: true,
            ours: virtual_mac,
            theirs: Theirs::Frr,
            ..VERSION_3
        },
        Dialect {
            spoken: "version 3, IPv6, virtual MAC",
            address: VIP6,
            virtual_mac: true,
            ours: ipv6_virtual_mac,
            theirs: Theirs::Frr,
            ..VERSION_3
        },
    ]
}

impl Dialect {
    /// How long a router of this priority waits after a resignation.
    pub(crate) fn skew(&self, priority: u8) -> Duration {
        self.interval * (256 - u32::from(priority)) / 256
    }

    /// How much later than it takes over the other program's first advertisement may be on the wire. FRR's over
    /// IPv6 goes to a macvlan that has no carrier yet, and is lost.
    pub(crate) fn lateness_of_peer(&self) -> Duration {
        match self.theirs {
            Theirs::Frr if self.address.contains(':') => self.interval,
            Theirs::Frr | Theirs::Keepalived { .. } => Duration::ZERO,
        }
    }

    /// Starts the other router on a host, with this priority.
    pub(crate) fn start_peer(&self, lab: &Lab, host: u8, priority: u8) -> Peer {
        match self.theirs {
            Theirs::Frr => {
                Peer::Frr(Frr::start(lab, host, frr::Instance { priority, address: self.address }))
            }
            Theirs::Keepalived { .. } => self.start_keepalived(lab, host, &format!("priority {priority}\n")),
        }
    }

    /// Starts keepalived with these lines, in this dialect otherwise.
    pub(crate) fn start_keepalived(&self, lab: &Lab, host: u8, more: &str) -> Peer {
        let Theirs::Keepalived { version, lines } = self.theirs else { panic!("{self:?} is FRR's") };
        let interval = self.interval.as_secs_f64();
        // Its own macvlan is where it puts them with a virtual MAC address.
        let device = if self.virtual_mac { "" } else { "dev eth0" };
        let length = if self.address.contains(':') { 128 } else { 32 };
        let instance = format!(
            "{more}advert_int {interval}\n{lines}virtual_ipaddress {{\n {}/{length} {device}\n}}",
            self.address
        );
        Peer::Keepalived(Keepalived::start(lab, host, version, &instance))
    }

    /// The other program and its version.
    pub(crate) fn peer(&self) -> String {
        match self.theirs {
            Theirs::Keepalived { .. } => Keepalived::version(),
            Theirs::Frr => Frr::version(),
        }
    }
}

/// The other router. Dropping it kills it.
pub(crate) enum Peer {
    Keepalived(Keepalived),
    Frr(Frr),
}

impl Peer {
    /// Whether it takes part by now.
    pub(crate) fn takes_part(&self) -> bool {
        match self {
            Self::Keepalived(keepalived) => keepalived.takes_part(),
            Self::Frr(frr) => frr.takes_part(),
        }
    }

    /// Stops it with SIGTERM.
    pub(crate) fn stop(self) {
        match self {
            Self::Keepalived(keepalived) => keepalived.stop(),
            Self::Frr(frr) => frr.stop(),
        }
    }
}

/// A member that is no agent.
pub(crate) fn member(address: &str) -> DesiredPeer {
    DesiredPeer {
        name: format!("peer-{}", address.replace([':', '.'], "-")).parse().expect("a name"),
        address: Some(address.parse().expect("an address")),
        priority: Priority::MIN,
        external: true,
    }
}

pub(crate) fn beside(priority: u8) -> DesiredGroup {
    DesiredGroup { peers: vec![member(&own_address(2))], ..group(priority) }
}

fn with(options: ProtocolOptions, priority: u8) -> DesiredGroup {
    DesiredGroup { options, ..beside(priority) }
}

pub(crate) fn version_2(priority: u8) -> DesiredGroup {
    DesiredGroup {
        version: Version::V2,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V2,
        ..beside(priority)
    }
}

fn with_text(priority: u8) -> DesiredGroup {
    let text = "s3cret".to_owned().try_into().expect("a text");
    let authentication = Some(Authentication::SimpleText { text });
    DesiredGroup {
        options: ProtocolOptions { authentication, ..ProtocolOptions::default() },
        ..version_2(priority)
    }
}

fn ipv6(priority: u8) -> DesiredGroup {
    DesiredGroup {
        family: Family::Ipv6,
        virtual_addresses: vec![format!("{VIP6}/64").parse().expect("an address")],
        peers: vec![member("fe80::2")],
        ..group(priority)
    }
}

fn unicast(priority: u8) -> DesiredGroup {
    with(ProtocolOptions { transport: Transport::Unicast, ..ProtocolOptions::default() }, priority)
}

fn virtual_mac(priority: u8) -> DesiredGroup {
    with(ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() }, priority)
}

fn ipv6_virtual_mac(priority: u8) -> DesiredGroup {
    DesiredGroup { options: virtual_mac(priority).options, ..ipv6(priority) }
}
