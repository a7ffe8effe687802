//! The machines of the demo, and what runs on them before the story begins.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Result, ensure};
use e2e::capture::Capture;
use e2e::{Haproxy, Host, Lab, Node, Operator, Ports, Server};

use crate::example::Example;
use crate::progress::Progress;

const NODES_FROM: u8 = 11;
const WEB_SERVERS_FROM: u8 = 31;
const CLIENT: u8 = 50;

pub(crate) struct Scene<'lab> {
    pub(crate) lab: &'lab Lab,
    pub(crate) example: Example,
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Server,
    pub(crate) operator: Operator,
    pub(crate) nodes: Vec<Node>,
    pub(crate) client: Host,
    pub(crate) capture: Capture,
    web_servers: Vec<Host>,
    /// The HAProxy of each node.
    balancers: RefCell<BTreeMap<String, Haproxy>>,
    _web: Vec<Haproxy>,
}

impl<'lab> Scene<'lab> {
    pub(crate) fn set(lab: &'lab Lab, example: Example, agent: &Path, progress: &Progress) -> Result<Self> {
        progress.act("The scene");
        let address = example.address()?;
        progress.seen(&format!(
            "a laboratory of namespaces: a LAN with {address}'s subnet and a management network"
        ));
        let server = Server::start(lab)?;
        progress.seen(&format!("baton-server answers on {} with an embedded Postgres", server.url()));
        let operator = Operator::log_in(lab, &server)?;
        progress.seen("the operator has logged in with the admin token of the first start");

        let client = lab.host("client", CLIENT, Ports::Lan)?;
        let (_observer, capture) = lab.observer()?;
        let (mut web_servers, mut web) = (Vec::new(), Vec::new());
        for (name, last) in ["web1", "web2"].into_iter().zip(WEB_SERVERS_FROM..) {
            let host = lab.host(name, last, Ports::Lan)?;
            web.push(Haproxy::answering(&host)?);
            web_servers.push(host);
        }
        let mut nodes = Vec::new();
        let members: Vec<String> = example.nodes().iter().map(|member| member.node.to_string()).collect();
        ensure!(members.len() >= 2, "a failover needs two nodes");
        for (name, last) in members.iter().zip(NODES_FROM..) {
            let host = lab.host(name, last, Ports::Both)?;
            let token = operator.baton(&["join-token", "create", name, "--quiet"])?;
            nodes.push(Node::start(&host, agent, &server.url(), token.trim())?);
        }
        let balancers = RefCell::default();
        let scene = Self {
            lab,
            example,
            address,
            server,
            operator,
            nodes,
            client,
            capture,
            web_servers,
            balancers,
            _web: web,
        };
        for node in &scene.nodes {
            scene.start_balancer(node)?;
        }
        progress.seen(&format!(
            "{} each run an agent of their own and a HAProxy in front of two web servers",
            members.join(", ")
        ));
        Ok(scene)
    }

    /// Starts HAProxy on a node. It listens on the virtual address whether or not the node holds it.
    pub(crate) fn start_balancer(&self, node: &Node) -> Result<()> {
        let balancer = Haproxy::balancing(&node.host, self.address, &self.web_servers)?;
        self.balancers.borrow_mut().insert(node.name().to_owned(), balancer);
        Ok(())
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name() == name)
    }
}
