//! The examples as an operator applies them, each on a LAN as it asks for: the first machine gets the
//! addresses, and the other one takes over. `make demo` shows `haproxy-pair.yaml`, and
//! `checks.rs` uses `http-check.yaml`.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::group::Group;
use e2e::{
    BOUND, Forgery, Host, Keepalived, Lab, Moment, Operator, Ports, Site, Subnets, VrrpInstance, binaries,
    eventually, output_of,
};

const MANAGEMENT: [u8; 3] = [10, 99, 0];
/// Of 100 ms each.
const SOME_INTERVALS: Duration = Duration::from_millis(250);

/// An example that somebody applied.
struct Applied<'a> {
    site: Site<'a>,
    operator: Operator,
    group: Group,
}

impl<'a> Applied<'a> {
    /// Starts agents of these names and applies the file.
    fn apply(
        lab: &'a Lab,
        file: &str,
        nodes: &[&str],
        prepare: impl Fn(&Host) -> Result<()>,
    ) -> Result<Self> {
        let site = Site::start(lab, nodes)?;
        for node in &site.nodes {
            prepare(&node.host)?;
        }
        let operator = Operator::log_in(lab, &site.server)?;
        let path = binaries::workspace().join("examples").join(file);
        let said = operator.baton(&["apply", "-f", path.to_str().context("a path that is no text")?])?;
        let name =
            said.lines().find_map(|line| line.strip_prefix("group/")).context("no group was applied")?;
        let name = name.split_whitespace().next().context("a group without a name")?;
        let group = site.api.get(&format!("groups/{name}"))?;
        Ok(Self { site, operator, group })
    }

    /// Waits until all addresses are on this host, on none of these others, and the server and the CLI say
    /// that all is well.
    fn settle(&self, holder: &str, hosts: &[&Host]) -> Result<()> {
        eventually(&format!("{holder} holds every address alone"), BOUND, || {
            self.only_holder(holder, hosts)
        })?;
        eventually("the server names the holder, and nothing is amiss", BOUND, || {
            let seen = self.seen()?;
            ensure!(seen.status.active == [holder] && seen.status.conditions.is_empty(), "{:?}", seen.status);
            Ok(())
        })
    }

    fn only_holder(&self, holder: &str, hosts: &[&Host]) -> Result<()> {
        for host in hosts {
            for address in self.group.virtual_addresses.iter().map(|address| address.address()) {
                let holds = match address {
                    IpAddr::V4(address) => host.has_address(address)?,
                    IpAddr::V6(address) => host.has_ipv6_address(address)?,
                };
                ensure!(holds == (host.name == holder), "{}: {address}: {holds}", host.name);
            }
        }
        Ok(())
    }

    fn seen(&self) -> Result<Group> {
        self.site.api.get(&format!("groups/{}", self.group.name))
    }

    /// The one of two nodes that got the addresses, and the other. Both may take over in the same moment, and then
    /// one yields: it counts who still holds them some advertisements later.
    fn first_of<'n>(&self, one: &'n str, other: &'n str) -> Result<(&'n str, &'n str)> {
        let hosts = [&self.site.node(one)?.host, &self.site.node(other)?.host];
        let look = || {
            self.only_holder(one, &hosts)
                .map(|()| (one, other))
                .or_else(|_| self.only_holder(other, &hosts).map(|()| (other, one)))
        };
        eventually("one of two holds every address alone, and keeps them", BOUND, || {
            let found = look()?;
            for _ in 0..3 {
                std::thread::sleep(SOME_INTERVALS);
                ensure!(look()? == found, "they moved");
            }
            Ok(found)
        })
    }

    /// The first of two nodes gets the addresses, and stops; the other takes over.
    fn is_elected_and_handed_over(&self, first: &str, second: &str) -> Result<()> {
        let hosts = [&self.site.node(first)?.host, &self.site.node(second)?.host];
        self.settle(first, &hosts)?;
        self.operator.baton(&["status"])?;
        let described = self.describe()?;
        let is_said =
            |words: &[&str]| described.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
        ensure!(is_said(&["active", first]), "{described}");
        ensure!(described.contains(&format!("VRID {}, version 3", self.group.vrid)), "{described}");
        self.site.node(first)?.stop()?;
        eventually(&format!("{second} holds every address alone"), BOUND, || self.only_holder(second, &hosts))
    }

    fn describe(&self) -> Result<String> {
        self.operator.glance(&["describe", "group", self.group.name.as_str()])
    }
}

fn lan(lan: [u8; 3]) -> Subnets {
    Subnets { lan, management: MANAGEMENT }
}

fn routes(host: &Host) -> Result<String> {
    output_of(host.namespace.command("ip").args(["-4", "route"]))
}

#[test]
fn ipv6_is_a_gateway_with_a_link_local_address_and_a_global_one() -> Result<()> {
    Lab::run(|lab| {
        let applied = Applied::apply(lab, "ipv6.yaml", &["gw1", "gw2"], Host::speak_ipv6)?;
        ensure!(applied.group.virtual_addresses.len() == 2);
        applied.is_elected_and_handed_over("gw1", "gw2")
    })
}

#[test]
fn unicast_needs_no_multicast() -> Result<()> {
    Lab::run_on(lan([10, 78, 0]), |lab| {
        lab.carry_no_multicast()?;
        let since = Moment::now();
        let applied = Applied::apply(lab, "unicast.yaml", &["db1", "db2"], |_| Ok(()))?;
        let host = |node: &str| Ok::<_, anyhow::Error>(&applied.site.node(node)?.host);
        let [at_db1, at_db2] = [lab.capture(host("db1")?)?, lab.capture(host("db2")?)?];

        // The observer would see multicast, and the other node would not.
        let vrid = applied.group.vrid.get();
        Forgery::valid(vrid + 1, 1, 100, lab.lan_address(101)).send(host("db1")?)?;
        eventually("the observer sees what is sent to all", BOUND, || {
            ensure!(!applied.site.capture.adverts(vrid + 1, since).is_empty());
            Ok::<_, anyhow::Error>(())
        })?;

        ensure!(at_db2.adverts(vrid + 1, since).is_empty(), "the LAN carries multicast");

        // Who loads first may be elected first, and the better one does not preempt.
        let (first, second) = applied.first_of("db1", "db2")?;
        applied.is_elected_and_handed_over(first, second)?;
        let at_second = if second == "db1" { &at_db1 } else { &at_db2 };
        let heard = at_second.adverts_from(vrid, host(first)?.lan, since);
        let to = host(second)?.lan;
        ensure!(!heard.is_empty() && heard.iter().all(|(_, advert)| advert.to == to), "{heard:?}");
        let to_all = applied.site.capture.adverts(vrid, since);
        ensure!(to_all.iter().all(|(_, advert)| !advert.to.is_multicast()), "{to_all:?}");
        Ok(())
    })
}

#[test]
fn virtual_mac_brings_the_route_along_and_the_macvlan_up() -> Result<()> {
    Lab::run_on(lan([10, 79, 0]), |lab| {
        let applied = Applied::apply(lab, "virtual-mac.yaml", &["nat1", "nat2"], |_| Ok(()))?;
        // Who loads first is elected, and the preempt delay keeps it from moving to the better one for a minute.
        let (first, second) = applied.first_of("nat1", "nat2")?;
        applied.is_elected_and_handed_over(first, second)?;
        let has_route = |node: &str| {
            Ok::<_, anyhow::Error>(routes(&applied.site.node(node)?.host)?.contains("10.80.0.0/16"))
        };
        eventually("the route is where the address is", BOUND, || {
            ensure!(has_route(second)? && !has_route(first)?);
            Ok::<_, anyhow::Error>(())
        })?;
        let mac = format!("00:00:5e:00:01:{:02x}", applied.group.vrid.get());
        eventually("the macvlan is up where the address is", BOUND, || {
            let links = |node: &str| {
                output_of(applied.site.node(node)?.host.namespace.command("ip").args(["-o", "link"]))
            };
            let is_up =
                |links: &str| links.lines().any(|link| link.contains(&mac) && link.contains(",UP,LOWER_UP>"));
            let (first, second) = (links(first)?, links(second)?);
            ensure!(is_up(&second) && !is_up(&first), "{first}{second}");
            Ok::<_, anyhow::Error>(())
        })
    })
}

#[test]
fn keepalived_peer_shares_its_address_and_a_stranger_is_noticed() -> Result<()> {
    Lab::run(|lab| {
        let lb2 = lab.host("lb2", 12, Ports::Both)?;
        let address = "10.77.0.110".parse()?;
        let instance = VrrpInstance { vrid: 52, priority: 150, interval_ms: 100, preempt: true, address };
        let _keepalived = Keepalived::start(&lb2, instance)?;
        eventually("keepalived holds the address", BOUND, || lab.only_holder(address, "lb2"))?;

        let applied = Applied::apply(lab, "keepalived-peer.yaml", &["lb1"], |_| Ok(()))?;
        let lb1 = applied.site.node("lb1")?;
        applied.settle("lb1", &[&lb1.host, &lb2])?;
        eventually("the server knows how keepalived speaks", BOUND, || {
            let members = applied.seen()?.status.members;
            let peer = members.first().and_then(|lb1| lb1.peers.first()).context("lb1 hears nobody")?;
            let known =
                (peer.member.as_deref(), peer.checksum.map(|form| form.as_str()), peer.priority.octet());
            ensure!(
                known == (Some("lb2"), Some("rfc5798"), 150) && peer.discrepancies.is_empty(),
                "{peer:?}"
            );
            Ok(())
        })?;

        // It says that it advertises every ten seconds, so that it is heard for a while.
        let stranger = lab.host("stranger", 66, Ports::Lan)?;
        Forgery::valid(52, 1, 1_000, address).send(&stranger)?;
        eventually("the stranger is a condition", BOUND, || {
            let described = applied.describe()?;
            for wanted in
                ["foreign_router for", "10.77.0.66 speaks for the virtual router", "lb1       foreign"]
            {
                ensure!(described.contains(wanted), "{wanted:?} is not in:\n{described}");
            }
            Ok(())
        })?;
        lab.only_holder(address, "lb1")?;

        lab.cut(&lb1.host)?;
        lb1.kill()?;
        eventually("keepalived takes over", BOUND, || {
            ensure!(lb2.has_address(address)?);
            Ok::<_, anyhow::Error>(())
        })
    })
}
