//! Two agents, the first of them Active in three groups, a third host that attacks, and what the agents make
//! of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api_types::channel::DesiredGroup;
use api_types::transition::State;
use vrrp::{AdvertisementInterval, Family, Version, Vrid};

use super::frame::{
    Attacker, GROUP_MAC, GROUP_MAC_V6, Ipv4, Ipv6, covered, ethernet, link_local, plain, version_3,
};
use super::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Fate};
use crate::eventually::eventually;
use crate::lab::{self, Lab};
use crate::monitor::Monitor;
use crate::router::{Router, group};

/// The group over IPv4 and the one over IPv6, both of version 3.
pub(super) const VRID: u8 = 51;
/// The group of version 2.
pub(super) const VRID_2: u8 = 52;
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 66, 1, 51);
pub(super) const VIP_2: Ipv4Addr = Ipv4Addr::new(10, 66, 1, 52);
pub(super) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x51);
pub(super) const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x66, 0, 0, 0, 0, 0x51);
/// Of no group: what follows each hostile packet, to know that the agents have taken that.
const STRANGER: u8 = 77;

/// Where the source of a frame stands, and what it is if it is the Active router's.
const SOURCES_OF_ACTIVE: [(usize, &[u8]); 2] =
    [(26, &[10, 66, 0, ACTIVE]), (22, &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ACTIVE])];

const ACTIVE: u8 = 1;
const BACKUP: u8 = 3;

/// What an agent has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counted {
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// When each router but the Active one was last heard, by group.
    heard: BTreeMap<(String, IpAddr), u64>,
    /// How many advertisements all groups have heard.
    pub(super) received: u64,
}

/// The LAN, the agents and the attacker.
pub(super) struct Site {
    pub(super) attacker: Attacker,
    pub(super) active: Agent,
    pub(super) backup: Agent,
    monitor: Monitor,
    pub(super) lab: Lab,
}

/// One agent.
pub(super) struct Agent {
    router: Router,
    priority: u8,
    revision: std::cell::Cell<i64>,
    transitions: usize,
}

impl Site {
    /// Everybody in place, and nothing moving.
    pub(super) fn start() -> Self {
        let lab = Lab::alone(4);
        pass_everything(&lab);
        for host in 1..=4 {
            lab.ip(host, &["address", "add", &format!("fe80::{host}/64"), "dev", "eth0", "nodad"]);
            lab.ip(host, &["address", "add", &format!("2001:db8:66::{host}/64"), "dev", "eth0", "nodad"]);
        }
        let mut active = Agent::start(&lab, ACTIVE, 240);
        active.router.reaches(State::Active, 3);
        let mut backup = Agent::start(&lab, BACKUP, 200);
        eventually(
            "the Backup obeys in every group",
            || backup.look().1,
            |sources| sources.len() == 3 && sources.iter().all(Option::is_some),
        );
        [&mut active, &mut backup]
            .into_iter()
            .for_each(|agent| agent.transitions = agent.router.transitions().len());
        let monitor = Monitor::start(&lab, ACTIVE);
        Self { attacker: Attacker::on(&lab), active, backup, monitor, lab }
    }

    /// What became of a frame on the Active router and on the Backup.
    pub(super) fn attack(&self, frame: &[u8]) -> [Fate; 2] {
        let agents = [&self.active, &self.backup];
        let before = agents.map(|agent| agent.look().0);
        self.attacker.send(frame);
        self.attacker.send(&by_a_stranger(frame));
        let mut fates = agents.into_iter().zip(before).map(|(agent, before)| {
            let strangers = before.dropped.get("vrid").copied().unwrap_or_default() + 1;
            let after = eventually(
                "what came after it is counted",
                || agent.look().0,
                |counted| counted.dropped.get("vrid").is_some_and(|count| *count >= strangers),
            );
            agent.assert_unmoved();
            let from_active = SOURCES_OF_ACTIVE
                .iter()
                .any(|(at, source)| frame.get(*at..*at + source.len()) == Some(source));
            let was_heard = if agent.priority > self.backup.priority || from_active {
                after.received > before.received
            } else {
                // The Active router itself is heard all the time.
                after.heard != before.heard
            };
            fate(&before, &after, was_heard)
        });
        std::array::from_fn(|_| fates.next().expect("two agents"))
    }

    /// No address has come or gone since the start, and the Active router has them all.
    pub(super) fn assert_nothing_moved(&self) {
        [&self.active, &self.backup].into_iter().for_each(Agent::assert_unmoved);
        let moved: Vec<_> = self
            .monitor
            .seen()
            .into_iter()
            .filter(|line| line.contains("51/") || line.contains("52/"))
            .collect();
        assert!(moved.is_empty(), "{moved:?}");
        let held = |host| {
            let shown = self.lab.ip(host, &["address", "show", "dev", "eth0"]);
            [VIP.into(), VIP_2.into(), LINK_LOCAL.into(), GLOBAL.into()]
                .map(|address: IpAddr| shown.contains(&format!(" {address}/")))
        };
        assert_eq!((held(ACTIVE), held(BACKUP)), ([true; 4], [false; 4]));
    }

    /// The packets that all others were made from, with a priority that wins, win: nothing else is wrong with
    /// them.
    pub(super) fn assert_that_good_ones_win(&self) {
        let three = plain(version_3(VRID, 254, 1, 100, &[VIP.into()]));
        let mut two = vec![0x21, VRID_2, 254, 1, 0, 1, 0, 0];
        two.extend(VIP_2.octets());
        two.extend([0; 8]);
        let six = version_3(VRID, 254, 2, 100, &[LINK_LOCAL.into(), GLOBAL.into()]);
        let six = Ipv6::of(six);
        let six = Ipv6 { payload: covered(six.payload, six.source.into(), six.destination.into()), ..six };
        for message in [three, plain(two)] {
            self.attacker.send(&ethernet(GROUP_MAC, ETHERTYPE_IPV4, &Ipv4::of(message).packet()));
        }
        self.attacker.send(&ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &six.packet()));
        self.active.router.reaches(State::Backup, 6);
    }
}

impl Agent {
    fn start(lab: &Lab, host: u8, priority: u8) -> Self {
        let router = Router::start(lab, host);
        router.apply(1, groups(priority));
        Self { router, priority, revision: 1.into(), transitions: 0 }
    }

    /// What it has counted now, and whom its groups obey.
    pub(super) fn look(&self) -> (Counted, Vec<Option<IpAddr>>) {
        // A desired state makes it tell how things stand, after it has taken the packets that came before.
        self.revision.set(self.revision.get() + 1);
        self.router.apply(self.revision.get(), groups(self.priority));
        let snapshot = self.router.snapshot();
        let mut counted = Counted::default();
        for dropped in &snapshot.dropped_packets {
            *counted.dropped.entry(dropped.cause.as_str()).or_default() += dropped.count;
        }
        for group in &snapshot.groups {
            counted.received += group.counters.advertisement_rcvd;
            let heard = group.heard.iter().filter(|one| !is_active(one.source));
            counted
                .heard
                .extend(heard.map(|one| ((group.desired.name.to_string(), one.source), one.at_boottime_ns)));
        }
        (counted, snapshot.groups.iter().map(|group| group.active_source).collect())
    }

    pub(super) fn assert_unmoved(&self) {
        let transitions = self.router.transitions();
        let new = transitions.get(self.transitions..).unwrap_or_default();
        assert!(new.is_empty(), "{new:?}");
    }
}

/// Keeps the bridge from looking into what it carries: where it filters, it drops what has no good IP header.
pub(super) fn pass_everything(lab: &Lab) {
    let script =
        "for file in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $file ] || echo 0 >$file; done";
    lab::ip(&["netns", "exec", &lab.switch(), "sh", "-c", script]);
}

fn is_active(source: IpAddr) -> bool {
    source == IpAddr::from([10, 66, 0, ACTIVE]) || source == IpAddr::from(link_local(ACTIVE))
}

pub(super) fn groups(priority: u8) -> Vec<DesiredGroup> {
    // Longer than a busy machine makes an agent wait.
    let base =
        DesiredGroup { advertisement_interval_ms: AdvertisementInterval::DEFAULT_V2, ..group(priority) };
    let address = |address: IpAddr| {
        format!("{address}/{}", if address.is_ipv4() { 16 } else { 64 }).parse().expect("an address")
    };
    vec![
        base.clone(),
        DesiredGroup {
            id: uuid::Uuid::from_u128(52),
            name: "web2".parse().expect("a name"),
            vrid: Vrid::new(VRID_2).expect("a VRID"),
            version: Version::V2,
            virtual_addresses: vec![address(VIP_2.into())],
            ..base.clone()
        },
        DesiredGroup {
            id: uuid::Uuid::from_u128(61),
            name: "web6".parse().expect("a name"),
            family: Family::Ipv6,
            virtual_addresses: vec![address(LINK_LOCAL.into()), address(GLOBAL.into())],
            ..base
        },
    ]
}

/// A valid advertisement of a group that nobody here has, in the family of `frame`'s EtherType.
fn by_a_stranger(frame: &[u8]) -> Vec<u8> {
    let is_ipv6 = frame.get(12..14) == Some(&ETHERTYPE_IPV6.to_be_bytes()) || frame[0] == 0x33;
    if is_ipv6 {
        let packet = Ipv6::of(version_3(STRANGER, 254, 1, 100, &[LINK_LOCAL.into()]));
        let payload = covered(packet.payload, packet.source.into(), packet.destination.into());
        ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &Ipv6 { payload, ..Ipv6::of(Vec::new()) }.packet())
    } else {
        let message = plain(version_3(STRANGER, 254, 1, 100, &[VIP.into()]));
        ethernet(GROUP_MAC, ETHERTYPE_IPV4, &Ipv4::of(message).packet())
    }
}

/// What has happened between two looks, but for the stranger.
fn fate(before: &Counted, after: &Counted, was_heard: bool) -> Fate {
    let mut grown: Vec<_> = after
        .dropped
        .iter()
        .map(|(cause, count)| (*cause, count - before.dropped.get(cause).copied().unwrap_or_default()))
        .map(|(cause, count)| (cause, if cause == "vrid" { count - 1 } else { count }))
        .filter(|(_, count)| *count > 0)
        .collect();
    match (grown.pop(), grown.as_slice()) {
        (None, _) if was_heard => Fate::Heard,
        (None, _) => Fate::Unseen,
        (Some((cause, 1)), []) => Fate::Dropped(cause),
        (last, others) => panic!("one packet was counted as {last:?} and {others:?}"),
    }
}
