//! What most incidents begin with: a server, enrolled agents, a client, an observer, and one group.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::failover::Failover;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use api_types::segment::Segment;
use serde_json::{Value, json};

use crate::api::Api;
use crate::binaries;
use crate::capture::Capture;
use crate::clock::Moment;
use crate::eventually::eventually;
use crate::frame::Advert;
use crate::host::Host;
use crate::lab::{Lab, Ports};
use crate::node::Node;
use crate::server::Server;

/// The virtual router of [`Site::group`].
pub const VRID: u8 = 51;
/// The virtual address of [`Site::group`].
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// The longest that anything without a target of its own may take.
pub const BOUND: Duration = Duration::from_secs(20);

/// See the module.
pub struct Site<'lab> {
    /// Where everything is plugged in.
    pub lab: &'lab Lab,
    /// The server.
    pub server: Server,
    /// Speaks to the server as its admin.
    pub api: Api,
    /// The nodes, in the order of their names in [`Site::start`].
    pub nodes: Vec<Node>,
    /// A host on the LAN that uses the service.
    pub client: Host,
    /// A stranger on the LAN.
    pub observer: Host,
    /// What the stranger sees.
    pub capture: Capture,
}

impl<'lab> Site<'lab> {
    /// Starts a server and an enrolled agent for each name, and waits until all are connected.
    ///
    /// # Errors
    /// When something does not come up; says what.
    pub fn start(lab: &'lab Lab, names: &[&str]) -> Result<Self> {
        let server = Server::start(lab)?;
        let api = server.api()?;
        let prefix = json!({"name": "lan", "prefixes": ["10.77.0.0/24"]});
        let _segment: Segment = api.create("segments", &prefix)?;
        let (observer, capture) = lab.observer()?;
        let client = lab.host("client", 50, Ports::Lan)?;
        let mut site = Self { lab, server, api, nodes: Vec::new(), client, observer, capture };
        for (name, last) in names.iter().zip(11..) {
            let host = lab.host(name, last, Ports::Both)?;
            let node = site.enrol(&host, &binaries::program("baton-agent")?)?;
            site.nodes.push(node);
        }
        for node in &site.nodes {
            site.wait_until_connected(node)?;
        }
        Ok(site)
    }

    /// Starts an agent on `host` with a join token for its name.
    ///
    /// # Errors
    /// When the server gives no token or the agent cannot be started.
    pub fn enrol(&self, host: &Host, program: &Path) -> Result<Node> {
        let token: JoinToken = self.api.create("join-tokens", &json!({"node": host.name}))?;
        let secret = token.secret.context("the join token has no secret")?;
        Node::start(host, program, &self.server.url(), &secret)
    }

    /// Waits until the server says that the node's agent has a session.
    ///
    /// # Errors
    /// When it does not; says why not.
    pub fn wait_until_connected(&self, node: &Node) -> Result<()> {
        eventually(&format!("the agent of {} is connected", node.name()), BOUND, || {
            node.ensure_running()?;
            let seen: NodeResource = self.api.get(&format!("nodes/{}", node.name()))?;
            ensure!(seen.status.connected, "{:?}", seen.status);
            Ok(())
        })
    }

    /// The node of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).with_context(|| format!("there is no node {name}"))
    }

    /// The specification of group `web` with these members: VRID 51, 10.77.0.100, an advert every 100 ms.
    #[must_use]
    pub fn group(members: &[(&str, u8)]) -> Value {
        let members: Vec<Value> = members
            .iter()
            .map(|(node, priority)| {
                json!({"kind": "node", "node": node, "interface": "eth0", "priority": priority})
            })
            .collect();
        json!({
            "name": "web",
            "segment": "lan",
            "vrid": VRID,
            "advertisement_interval_ms": 100,
            "virtual_addresses": [format!("{VIP}/24")],
            "members": members,
        })
    }

    /// Writes a group and waits until `holder` alone holds its address, and every witness agrees.
    ///
    /// # Errors
    /// When it is refused or somebody else holds the address.
    pub fn settle(&self, group: &Value, holder: &str) -> Result<Group> {
        let since = Moment::now();
        let name = group["name"].as_str().context("a group without a name")?;
        let written: Group = self.api.put(&format!("groups/{name}"), group)?;
        eventually(&format!("{holder} holds {VIP} alone"), BOUND, || self.lab.only_holder(VIP, holder))?;
        let lan = self.lab.plugged_in(holder)?.lan;
        eventually("only the holder advertises", BOUND, || {
            let adverts = self.capture.adverts(VRID, since);
            let last_three = adverts.iter().rev().take(3).map(|(_, advert)| advert.from);
            let others = last_three.clone().filter(|from| *from != lan).count();
            ensure!(last_three.count() == 3 && others == 0, "{} adverts", adverts.len());
            Ok(())
        })?;
        eventually("the server names the holder", BOUND, || {
            let seen: Group = self.api.get(&format!("groups/{name}"))?;
            ensure!(seen.status.active == [holder], "{:?}", seen.status);
            Ok(())
        })?;
        Ok(written)
    }

    /// Has the holder of a settled group advertise only once per `interval_ms`, and waits until the others
    /// know it. From then on whoever waits for a timer, rather than for what it hears, waits for longer than
    /// three intervals. Answers the group's specification.
    ///
    /// # Errors
    /// When it is refused, or not on the wire in time.
    pub fn slow_down(&self, group: &Value, interval_ms: u32) -> Result<Value> {
        let (since, mut slow) = (Moment::now(), group.clone());
        slow["advertisement_interval_ms"] = json!(interval_ms);
        let name = slow["name"].as_str().context("a group without a name")?;
        let _group: Group = self.api.put(&format!("groups/{name}"), &slow)?;
        eventually(&format!("three adverts that announce {interval_ms} ms"), BOUND, || {
            let adverts = self.capture.adverts(VRID, since);
            let slow = adverts.iter().filter(|(_, advert)| advert.interval_ms == interval_ms).count();
            ensure!(slow >= 3, "{slow} of {} adverts", adverts.len());
            Ok(())
        })?;
        for node in &self.nodes {
            self.api.until_applied(node.name())?;
        }
        Ok(slow)
    }

    /// Waits for `count` adverts of the group since `since`, and answers all of them.
    ///
    /// # Errors
    /// When fewer come.
    pub fn wait_for_adverts(&self, count: usize, since: Moment) -> Result<Vec<(Moment, Advert)>> {
        eventually(&format!("{count} adverts"), BOUND, || {
            let adverts = self.capture.adverts(VRID, since);
            ensure!(adverts.len() >= count, "{} adverts", adverts.len());
            Ok(adverts)
        })
    }

    /// Waits until the server has recorded that the group's addresses went to `node`.
    ///
    /// # Errors
    /// When it has not.
    pub fn wait_for_failover_to(&self, node: &str) -> Result<Failover> {
        eventually(&format!("a failover to {node} is recorded"), BOUND, || {
            let failovers: Vec<Failover> = self.api.list("failovers?group=web")?;
            failovers.iter().find(|one| one.to == node).cloned().with_context(|| format!("{failovers:?}"))
        })
    }
}
