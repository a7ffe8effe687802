//! The bench: a server, two nodes, a client and strangers, and many groups that all run the same scenario.
//!
//! `n1` is to hold everything and `n2` to take over. The groups' priorities lie far apart, so that their skews
//! differ: however a node dies, its groups are at different points of their interval, and each is a run of its
//! own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use api_types::segment::Segment;
use e2e::capture::Capture;
use e2e::{Api, Host, Lab, Moment, Node, Ports, Server, UdpEcho, Unit, binaries, eventually, output_of};
use serde_json::{Value, json};

use crate::cell::{Family, Shape};
use crate::group::GroupPlan;
use crate::own_program::OwnProgram;

/// The longest that anything may take that is not judged.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
/// Looking costs the machine something, and it is the machine that is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Somebody is to hold the addresses of a group, from a moment on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) at: Moment,
    /// What it advertises from; `None` where only the client is asked.
    pub(crate) to: Option<IpAddr>,
    /// Whether the group is made then, so that nothing is missed before its address first answers.
    pub(crate) is_made: bool,
}

/// See the module.
pub(crate) struct Bench<'lab> {
    pub(crate) lab: &'lab Lab,
    pub(crate) shape: Shape,
    pub(crate) api: Api,
    /// Shall hold everything.
    pub(crate) n1: Node,
    /// Takes over.
    pub(crate) n2: Node,
    pub(crate) client: Host,
    /// Asks who has the addresses.
    pub(crate) observer: Host,
    /// Adverts and announcements, as a host that asks for nothing sees them.
    pub(crate) capture: Capture,
    pub(crate) unit: Unit,
    /// That of `n1`, which may be replaced.
    pub(crate) n1_program: OwnProgram,
    pub(crate) groups: Vec<GroupPlan>,
    /// The groups whose specification is not that of the beginning.
    edited: RefCell<BTreeSet<usize>>,
    marked: Cell<Option<Moment>>,
    calls: RefCell<Vec<Option<Call>>>,
    lapses: Cell<u64>,
    _server: Server,
    echoes: [UdpEcho; 2],
}

impl<'lab> Bench<'lab> {
    /// Sets everything up and waits until `n1` holds all.
    pub(crate) fn set_up(lab: &'lab Lab, shape: Shape) -> Result<Self> {
        let server = Server::start(lab)?;
        let api = server.api()?;
        let prefix = json!({"name": "lan", "prefixes": ["10.77.0.0/24", "2001:db8:77::/64"]});
        let _segment: Segment = api.create("segments", &prefix)?;
        let client = lab.host("client", 50, Ports::Lan)?;
        let asking = lab.host("observer", 60, Ports::Lan)?;
        address(&client, shape.family)?;
        address(&asking, shape.family)?;
        let witness = lab.host("witness", 61, Ports::Lan)?;
        let capture = lab.capture_without(&witness, &asking)?;
        let node = |host: &Host, program: &Path| -> Result<Node> {
            address(host, shape.family)?;
            let token: JoinToken = api.create("join-tokens", &json!({"node": host.name}))?;
            Node::start(host, program, &server.url(), &token.secret.context("no secret")?)
        };
        let hosts = [lab.host("n1", 11, Ports::Both)?, lab.host("n2", 12, Ports::Both)?];
        let n1_program = OwnProgram::of(&hosts[0])?;
        let n1 = node(&hosts[0], n1_program.place())?;
        let n2 = node(&hosts[1], &binaries::program("baton-agent")?)?;
        let anywhere: IpAddr = match shape.family {
            Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let echoes = [UdpEcho::start(&n1.host, anywhere)?, UdpEcho::start(&n2.host, anywhere)?];
        let unit = Unit::read(&binaries::workspace().join("deploy/baton-agent.service"))?;
        let bench = Self {
            lab,
            shape,
            api,
            n1,
            n2,
            client,
            observer: asking,
            capture,
            unit,
            n1_program,
            groups: (0..shape.groups).map(|number| GroupPlan::number(number, shape)).collect(),
            edited: RefCell::default(),
            marked: Cell::default(),
            calls: RefCell::default(),
            lapses: Cell::default(),
            _server: server,
            echoes,
        };
        bench.wait_until_connected()?;
        for number in 0..bench.groups.len() {
            bench.put_back(number)?;
        }
        bench.settle()?;
        Ok(bench)
    }

    /// What a group shall be at the beginning of each scenario.
    pub(crate) fn specification(&self, number: usize) -> Value {
        let group = &self.groups[number];
        let members = ["n1", "n2"].iter().zip(group.priorities).map(|(node, priority)| {
            json!({"kind": "node", "node": node, "interface": "eth0", "priority": priority})
        });
        json!({
            "name": group.name(),
            "segment": "lan",
            "vrid": group.vrid,
            "advertisement_interval_ms": self.shape.interval_ms,
            "mac_mode": self.shape.mac_mode.as_str(),
            "family": self.shape.family.as_str(),
            "virtual_addresses": group.virtual_addresses(&[group.address]),
            "members": members.collect::<Vec<_>>(),
        })
    }

    /// Gives a group another specification, until the next [`Bench::settle`].
    pub(crate) fn edit(&self, number: usize, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut specification = self.specification(number);
        change(&mut specification);
        self.edited.borrow_mut().insert(number);
        self.write(number, &specification)
    }

    /// Gives a group, which need not be there, the specification of the beginning.
    pub(crate) fn put_back(&self, number: usize) -> Result<()> {
        self.write(number, &self.specification(number))
    }

    fn write(&self, number: usize, specification: &Value) -> Result<()> {
        let path = format!("groups/{}", self.groups[number].name());
        let _group: Group = self.api.put(&path, specification)?;
        Ok(())
    }

    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.shape.interval_ms.into())
    }

    /// Long enough for whatever a takeover still has to say.
    pub(crate) fn tail(&self) {
        std::thread::sleep(self.interval() * 2 + Duration::from_millis(300));
    }

    /// Somewhere in an interval.
    pub(crate) fn random_phase(&self) -> Duration {
        self.interval().mul_f64(rand::random::<f64>())
    }

    /// Has only what comes from now on judged.
    pub(crate) fn mark(&self) {
        self.marked.set(Some(Moment::now()));
    }

    /// Takes the moment of the last [`Bench::mark`].
    pub(crate) fn marked(&self) -> Option<Moment> {
        self.marked.take()
    }

    /// Has it measured how long after `at` it was until `to` advertised for a group.
    pub(crate) fn call_since(&self, number: usize, to: &Node, at: Moment) {
        self.call(number, Call { at, to: Some(self.address_of(to)), is_made: false });
    }

    /// The same for a group that is not there before.
    pub(crate) fn made_since(&self, number: usize, to: &Node, at: Moment) {
        self.call(number, Call { at, to: Some(self.address_of(to)), is_made: true });
    }

    /// Has it measured how long after `at` it was until the client of a group had an answer.
    pub(crate) fn served_since(&self, number: usize, at: Moment) {
        self.call(number, Call { at, to: None, is_made: false });
    }

    fn call(&self, number: usize, call: Call) {
        let mut calls = self.calls.borrow_mut();
        calls.resize(self.groups.len(), None);
        calls[number] = Some(call);
    }

    /// Takes the calls of each group.
    pub(crate) fn calls(&self) -> Vec<Option<Call>> {
        let mut calls = self.calls.take();
        calls.resize(self.groups.len(), None);
        calls
    }

    /// So often a fence of `n1` has taken an address from it that it held rightly.
    pub(crate) fn note_lapses(&self, count: u64) {
        self.lapses.set(count);
    }

    /// Takes what was noted.
    pub(crate) fn lapses(&self) -> u64 {
        self.lapses.take()
    }

    /// What a node advertises from.
    pub(crate) fn address_of(&self, node: &Node) -> IpAddr {
        match self.shape.family {
            Family::Ipv4 => node.host.lan.into(),
            Family::Ipv6 => node.host.link_local().into(),
        }
    }

    /// Gives a host its addresses again after its interface was down, which takes IPv6 ones away.
    pub(crate) fn address_again(&self, node: &Node) -> Result<()> {
        address(&node.host, self.shape.family)
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.groups.iter().map(|group| group.address).collect()
    }

    /// How many of the groups' addresses the kernel of a node has.
    pub(crate) fn held_by(&self, node: &Node) -> Result<usize> {
        self.held_of(&self.addresses(), node)
    }

    /// How many of these addresses the kernel of a node has.
    pub(crate) fn held_of(&self, addresses: &[IpAddr], node: &Node) -> Result<usize> {
        let shown = output_of(node.host.namespace.command("ip").args(["-o", "address"]))?;
        let held: BTreeSet<IpAddr> = shown
            .lines()
            .filter_map(|line| line.split_whitespace().skip_while(|word| !word.starts_with("inet")).nth(1))
            .filter_map(|address| address.split('/').next()?.parse().ok())
            .collect();
        Ok(addresses.iter().filter(|address| held.contains(address)).count())
    }

    /// The longest that a probe has waited for the service on a node since the last call.
    pub(crate) fn echo_delay(&self) -> Duration {
        self.echoes.iter().map(UdpEcho::worst_delay).max().unwrap_or_default()
    }

    /// Waits until `node` has every address.
    pub(crate) fn wait_until_held_by(&self, node: &Node) -> Result<()> {
        eventually(&format!("{} holds everything", node.name()), BOUND, || {
            std::thread::sleep(BETWEEN_LOOKS);
            let held = self.held_by(node)?;
            ensure!(held == self.groups.len(), "{held} of {}", self.groups.len());
            Ok(())
        })
    }

    /// Waits until all addresses are with one node, whichever it is: a fence may hand them over or keep them.
    pub(crate) fn wait_until_decided(&self) -> Result<()> {
        std::thread::sleep(self.interval() * 5);
        eventually("one node holds everything", BOUND, || {
            std::thread::sleep(BETWEEN_LOOKS);
            let (first, second) = (self.held_by(&self.n1)?, self.held_by(&self.n2)?);
            let all = self.groups.len();
            ensure!(second == all || (first == all && second == 0), "{first} and {second} of {all}");
            Ok(())
        })
    }

    /// Waits until `holder` has every address and the other one none.
    pub(crate) fn wait_until_only(&self, holder: &Node, other: &Node) -> Result<()> {
        self.wait_until_held_by(holder)?;
        eventually(&format!("{} holds nothing", other.name()), BOUND, || {
            std::thread::sleep(BETWEEN_LOOKS);
            let held = self.held_by(other)?;
            ensure!(held == 0, "{held} of {}", self.groups.len());
            Ok(())
        })
    }

    /// Waits until both agents do what the server wants.
    pub(crate) fn wait_until_applied(&self) -> Result<()> {
        [&self.n1, &self.n2].iter().try_for_each(|node| self.api.until_applied(node.name()))
    }

    /// Waits until the server has heard that each member holds its group or could take it over: to others it
    /// moves nothing.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        for group in &self.groups {
            for node in [&self.n1, &self.n2] {
                self.api.until_ready(&group.name(), node.name())?;
            }
        }
        Ok(())
    }

    pub(crate) fn wait_until_connected(&self) -> Result<()> {
        for node in [&self.n1, &self.n2] {
            eventually(&format!("the agent of {} is connected", node.name()), BOUND, || {
                let seen: NodeResource = self.api.get(&format!("nodes/{}", node.name()))?;
                ensure!(seen.status.connected, "{:?}", seen.status);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Puts back what a scenario edited, and waits until `n1` holds everything alone.
    pub(crate) fn settle(&self) -> Result<()> {
        for number in std::mem::take(&mut *self.edited.borrow_mut()) {
            self.put_back(number)?;
        }
        self.wait_until_only(&self.n1, &self.n2)?;
        self.tail();
        self.capture.forget();
        Ok(())
    }
}

/// IPv4 addresses come with the laboratory.
fn address(host: &Host, family: Family) -> Result<()> {
    if family == Family::Ipv4 {
        return Ok(());
    }
    host.speak_ipv6()?;
    host.add_ipv6_address(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, host.lan.octets()[3].into()))
}
