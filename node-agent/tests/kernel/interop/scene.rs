//! A LAN with routers and a client, and what a stranger sees of them: frames on the bridge, addresses in the
//! kernels, answers that the client gets.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api_types::agent_status::{LocalGroupStatus, LocalStatus};

use super::dialect::Dialect;
use crate::agent::Agent;
use crate::eventually::within;
use crate::lab::Lab;
use crate::pinger::Pinger;
use crate::wire::Capture;

/// Longer than any wait here should be: version 2 waits for seconds.
const BOUND: Duration = Duration::from_secs(20);
/// How often it looks; a look starts a program.
const PAUSE: Duration = Duration::from_millis(10);

/// See the module. The last host is the client's.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) dialect: Dialect,
    capture: Capture,
    cut_off: RefCell<BTreeSet<u8>>,
    hosts: u8,
}

/// An advertisement on the bridge.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Since 1970.
    pub(crate) at: Duration,
    /// The host that its source address ends in.
    pub(crate) host: u8,
    pub(crate) priority: u8,
}

impl Scene {
    /// Hosts for so many routers and a client, where `lab` makes a LAN for that many hosts.
    pub(crate) fn new(dialect: Dialect, routers: u8, lab: impl FnOnce(u8) -> Lab) -> Self {
        let hosts = routers + 1;
        let lab = lab(hosts);
        for host in 1..=hosts {
            lab.ip(host, &["address", "add", &format!("fe80::{host}/64"), "dev", "eth0", "nodad"]);
        }
        if dialect.virtual_mac {
            // Of the host of another program: what is on the macvlan is answered and asked for from there
            // alone.
            for (setting, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
                let path = format!("/proc/sys/net/ipv4/conf/all/{setting}");
                lab.inside(2, || std::fs::write(path, value)).expect("a sysctl");
            }
        }
        let capture = Capture::on_the_bridge(&lab, "ip proto 112 or ip6 proto 112");
        Self { lab, dialect, capture, cut_off: RefCell::default(), hosts }
    }

    /// Starts the real agent in this dialect.
    pub(crate) fn start_agent(&self, host: u8, priority: u8) -> Agent {
        Agent::start_group(&self.lab, host, (self.dialect.ours)(priority), |_, _| {})
    }

    /// Takes a host off the bridge. It holds nothing any more for those who are left.
    pub(crate) fn cut_off(&self, host: u8) {
        self.lab.cut_off(host);
        self.cut_off.borrow_mut().insert(host);
    }

    /// Ends [`Scene::cut_off`].
    pub(crate) fn put_back(&self, host: u8) {
        self.lab.put_back(host);
        self.cut_off.borrow_mut().remove(&host);
    }

    /// The hosts on the bridge whose kernels have the address on an interface that is up.
    pub(crate) fn holders(&self) -> Vec<u8> {
        let cut_off = self.cut_off.borrow();
        let routers = (1..self.hosts).filter(|host| !cut_off.contains(host));
        routers.filter(|host| self.holds(*host)).collect()
    }

    fn holds(&self, host: u8) -> bool {
        self.links(host).iter().any(|(_, addresses)| addresses.iter().any(|one| one == self.dialect.address))
    }

    /// The interfaces of a host that are up, and their addresses.
    pub(crate) fn links(&self, host: u8) -> Vec<(String, Vec<String>)> {
        let shown = self.lab.ip(host, &["-j", "address", "show"]);
        let links: Vec<serde_json::Value> = serde_json::from_str(&shown).expect("JSON");
        let is_up = |link: &&serde_json::Value| {
            link["flags"].as_array().is_some_and(|flags| flags.contains(&"LOWER_UP".into()))
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        links
            .iter()
            .filter(is_up)
            .map(|link| {
                let addresses = link["addr_info"].as_array().map(Vec::as_slice).unwrap_or_default();
                (text(&link["ifname"]), addresses.iter().map(|one| text(&one["local"])).collect())
            })
            .collect()
    }

    /// Removes what a router that was killed left in the kernel of its host, which would have died with it.
    pub(crate) fn remove_leftovers(&self, host: u8) {
        for (name, addresses) in self.links(host) {
            if name != "eth0" && name != "lo" {
                self.lab.ip(host, &["link", "del", &name]);
            } else if addresses.iter().any(|address| address == self.dialect.address) {
                let length = if self.dialect.address.contains(':') { 128 } else { 32 };
                let address = format!("{}/{length}", self.dialect.address);
                self.lab.ip(host, &["address", "del", &address, "dev", &name]);
            }
        }
    }

    /// Waits until exactly these hosts hold the address.
    pub(crate) fn held_by(&self, wanted: &[u8], when: &str) {
        self.sees(when, || self.holders(), |holders| holders == wanted);
    }

    /// Looks until `seen` accepts what it sees.
    pub(crate) fn sees<T: std::fmt::Debug>(
        &self,
        when: &str,
        mut look: impl FnMut() -> T,
        seen: impl Fn(&T) -> bool,
    ) -> T {
        let look = || {
            std::thread::sleep(PAUSE);
            look()
        };
        within(BOUND, &format!("{}: {when}", self.dialect.spoken), look, seen)
    }

    /// How an agent's group stands, as it says itself.
    pub(crate) fn standing(&self, agent: &Agent) -> Option<LocalGroupStatus> {
        let status: LocalStatus = serde_json::from_value(agent.status()).ok()?;
        status.groups.into_iter().next()
    }

    /// Waits until an agent obeys a router of the host.
    pub(crate) fn obeys(&self, agent: &Agent, host: u8) {
        let source = || self.standing(agent).and_then(|group| group.active_source);
        self.sees("it is obeyed", source, |source| source.is_some_and(|source| host_of(source) == host));
    }

    /// Every advertisement so far since a moment.
    pub(crate) fn frames(&self, since: Duration) -> Vec<Frame> {
        let lines = self.capture.lines().into_iter().filter(|line| line.at >= since);
        lines.filter_map(|line| read(line.at, &line.text)).collect()
    }

    /// What a host has advertised since a moment.
    pub(crate) fn frames_of(&self, host: u8, since: Duration) -> Vec<Frame> {
        self.frames(since).into_iter().filter(|frame| frame.host == host).collect()
    }

    /// Waits for so many advertisements of a host from now on, and returns how many came from others
    /// meanwhile.
    pub(crate) fn others_while(&self, host: u8, count: usize) -> usize {
        let begun = now();
        self.sees(
            &format!("{count} advertisements of host {host}"),
            || self.frames_of(host, begun),
            |frames| frames.len() >= count,
        );
        self.frames(begun).iter().filter(|frame| frame.host != host).count()
    }

    /// The resignations of a host since a moment.
    pub(crate) fn resignations(&self, host: u8, since: Duration) -> Vec<Frame> {
        self.frames_of(host, since).into_iter().filter(|frame| frame.priority == 0).collect()
    }

    /// From the last frame of `from`, or its first resignation, to the first one of `to` since a moment.
    pub(crate) fn gap(&self, from: u8, to: u8, since: Duration) -> Duration {
        let first = self.sees(
            &format!("host {to} advertises"),
            || self.frames_of(to, since).into_iter().next(),
            Option::is_some,
        );
        let first = first.expect("seen").at;
        let resigned = self.resignations(from, since).into_iter().next();
        let last = || self.frames_of(from, Duration::ZERO).into_iter().rfind(|frame| frame.at < first);
        first - resigned.or_else(last).expect("it has advertised").at
    }

    /// A client that asks the address for echos.
    pub(crate) fn client(&self) -> Client {
        let shown = self.lab.ip(self.hosts, &["-j", "link", "show", "dev", "eth0"]);
        let links: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        let index = links[0]["ifindex"].as_u64().and_then(|index| u32::try_from(index).ok());
        let scope = if self.dialect.address.starts_with("fe80") { index.expect("an index") } else { 0 };
        Client(Pinger::start(&self.lab, self.hosts, self.dialect.address, scope))
    }

    /// The frames that `tcpdump` says have a wrong checksum.
    pub(crate) fn bad_checksums(&self) -> usize {
        self.capture.with(&["bad vrrp cksum"]).len()
    }
}

/// Runs incidents between two routers in each dialect, two dialects at a time and nothing else that measures
/// time.
pub(crate) fn two_at_a_time(dialects: &[Dialect], incidents: impl Fn(&Scene) + Sync) {
    for pair in dialects.chunks(2) {
        let first = Scene::new(pair[0], 2, Lab::new);
        std::thread::scope(|scope| {
            for second in &pair[1..] {
                scope.spawn(|| incidents(&Scene::new(*second, 2, Lab::beside_others)));
            }
            incidents(&first);
        });
    }
}

/// Runs incidents between two routers in each dialect, all at once, whatever else runs.
pub(crate) fn beside_others(dialects: &[Dialect], incidents: impl Fn(&Scene) + Sync) {
    std::thread::scope(|scope| {
        for dialect in dialects {
            scope.spawn(|| incidents(&Scene::new(*dialect, 2, Lab::beside_others)));
        }
    });
}

/// Since 1970, as the captures say it.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

fn host_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    }
}

fn read(at: Duration, text: &str) -> Option<Frame> {
    let (before, after) = text.split_once(": VRRPv")?;
    let source = before.rsplit(" > ").nth(1)?.split_whitespace().last()?.parse().ok()?;
    let priority = after.split_once("prio ")?.1.split(',').next()?.parse().ok()?;
    Some(Frame { at, host: host_of(source), priority })
}

/// A client; see [`Scene::client`].
pub(crate) struct Client(Pinger);

/// How often it had asked at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(u16);

impl Client {
    /// Waits until it is answered, so that what was before is over, and remembers the moment.
    pub(crate) fn mark(&self) -> Mark {
        let asked = self.0.asked();
        within(BOUND, "the client is answered", || self.0.answered(), |newest| *newest > asked);
        Mark(self.0.asked())
    }

    /// Ends it, and tells the longest time without an answer between each two moments.
    pub(crate) fn finish(self, marks: &[Mark]) -> Vec<Duration> {
        self.0.asks(10);
        let outcome = self.0.finish();
        let longest = |range: &[Mark]| outcome.longest_silence(range[0].0..range[1].0);
        marks.windows(2).map(longest).collect()
    }
}
