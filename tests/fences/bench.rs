//! The bench: a server, two nodes, a client and strangers, and many groups that all run the same scenario.
//!
//! `n1` is to hold everything and `n2` to take over. The groups' priorities lie far apart, so that their skews
//! differ: however a node dies, its groups are at different points of their interval, and each is a run of its
//! own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use api_types::segment::Segment;
use e2e::capture::Capture;
use e2e::{Api, Host, Lab, Moment, Node, Ports, Server, UdpEcho, Unit, binaries, eventually, output_of};
use serde_json::{Value, json};

use crate::cell::Shape;

/// The longest that anything may take that is not judged.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
/// Looking costs the machine something, and it is the machine that is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

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
    pub(crate) groups: Vec<GroupPlan>,
    /// The groups whose specification is not that of the beginning.
    edited: RefCell<BTreeSet<usize>>,
    marked: Cell<Option<Moment>>,
    _server: Server,
    echoes: [UdpEcho; 2],
}

/// A group of the bench.
#[derive(Debug, Clone)]
pub(crate) struct GroupPlan {
    pub(crate) vrid: u8,
    pub(crate) address: Ipv4Addr,
    /// The priorities of `n1` and `n2`.
    pub(crate) priorities: [u8; 2],
}

impl GroupPlan {
    fn number(number: u8, of: u8) -> Self {
        // Skews from 0.06 to 0.5 and from 0.5 to 0.94 of an interval, in an order of their own.
        let step = |number: u8| u8::try_from(u16::from(number) * 110 / u16::from(of)).unwrap_or(0);
        let shuffled = u8::try_from(u16::from(number) * 7 % u16::from(of)).unwrap_or(0);
        Self {
            vrid: number + 1,
            address: Ipv4Addr::new(10, 77, 0, 100 + number),
            priorities: [240 - step(number), 125 - step(shuffled)],
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("g{}", self.vrid)
    }

    /// An address that the group has in some scenarios besides.
    pub(crate) fn second_address(&self) -> Ipv4Addr {
        let [a, b, c, last] = self.address.octets();
        Ipv4Addr::new(a, b, c, last + 50)
    }

    /// How long after the last advertisement of `n1` a Backup with the priority of `n2` takes over
    /// (RFC 9568 §6.1).
    pub(crate) fn active_down(&self, interval: Duration) -> Duration {
        interval * 3 + interval * (256 - u32::from(self.priorities[1])) / 256
    }
}

impl<'lab> Bench<'lab> {
    /// Sets everything up and waits until `n1` holds all.
    pub(crate) fn set_up(lab: &'lab Lab, shape: Shape) -> Result<Self> {
        let server = Server::start(lab)?;
        let api = server.api()?;
        let prefix = json!({"name": "lan", "prefixes": ["10.77.0.0/24"]});
        let _segment: Segment = api.create("segments", &prefix)?;
        let client = lab.host("client", 50, Ports::Lan)?;
        let asking = lab.host("observer", 60, Ports::Lan)?;
        let witness = lab.host("witness", 61, Ports::Lan)?;
        let capture = lab.capture_without(&witness, &asking)?;
        let program = binaries::program("baton-agent")?;
        let node = |name: &str, last: u8| -> Result<Node> {
            let host = lab.host(name, last, Ports::Both)?;
            let token: JoinToken = api.create("join-tokens", &json!({"node": name}))?;
            Node::start(&host, &program, &server.url(), &token.secret.context("no secret")?)
        };
        let (n1, n2) = (node("n1", 11)?, node("n2", 12)?);
        let echoes = [UdpEcho::start(&n1.host)?, UdpEcho::start(&n2.host)?];
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
            groups: (0..shape.groups).map(|number| GroupPlan::number(number, shape.groups)).collect(),
            edited: RefCell::default(),
            marked: Cell::default(),
            _server: server,
            echoes,
        };
        bench.wait_until_connected()?;
        for number in 0..bench.groups.len() {
            bench.write(number, &bench.specification(number))?;
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
            "virtual_addresses": [format!("{}/24", group.address)],
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

    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        self.groups.iter().map(|group| group.address).collect()
    }

    /// How many of the groups' addresses the kernel of a node has.
    pub(crate) fn held_by(&self, node: &Node) -> Result<usize> {
        let shown = output_of(node.host.namespace.command("ip").args(["-o", "-4", "address"]))?;
        let held: BTreeSet<&str> = shown
            .lines()
            .filter_map(|line| line.split_whitespace().skip_while(|word| *word != "inet").nth(1))
            .filter_map(|address| address.split('/').next())
            .collect();
        Ok(self.groups.iter().filter(|group| held.contains(group.address.to_string().as_str())).count())
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
            self.write(number, &self.specification(number))?;
        }
        self.wait_until_only(&self.n1, &self.n2)?;
        self.tail();
        self.capture.forget();
        Ok(())
    }
}
