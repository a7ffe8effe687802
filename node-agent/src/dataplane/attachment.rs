//! Routes and policy rules that come and go with the addresses of a group.
//!
//! They carry a protocol number of the agent's own (`ip route` and `ip rule` show it), so that a later life
//! of the same agent knows its own leftovers, and that no stranger's is removed for one that looks the same:
//! the kernel removes only what carries the number it is asked for.

use std::fmt;
use std::io;
use std::net::IpAddr;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use rtnetlink::IpVersion;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use thiserror::Error;
use vrrp::Family;

use super::address_table::{Added, AgentNumber};
use super::netlink::{Netlink, NetlinkError};

/// A route or a rule. Routes sort before rules: that is the order in which they are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attachment {
    /// A route.
    Route(Route),
    /// A policy rule.
    Rule(Rule),
}

/// A route through an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    /// The interface.
    pub(super) ifindex: u32,
    /// Where to.
    pub(super) destination: IpNet,
    /// The next hop; none for what is on the link.
    pub(super) gateway: Option<IpAddr>,
    /// The metric; the kernel's default without it.
    pub(super) metric: Option<u32>,
    /// The table.
    pub(super) table: u32,
}

impl Route {
    /// The table that the kernel looks in without any rule (`rtnetlink(7)`).
    pub(super) const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;
}

/// A policy rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    /// The family of packets that it is about.
    pub(super) family: Family,
    /// Where they come from; anywhere without it.
    pub(super) from: Option<IpNet>,
    /// Where they go; anywhere without it.
    pub(super) to: Option<IpNet>,
    /// The table to look in.
    pub(super) table: u32,
    /// Its place among the rules.
    pub(super) preference: u32,
}

impl fmt::Display for Attachment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(route) => {
                write!(formatter, "the route to {}", route.destination)?;
                if let Some(gateway) = route.gateway {
                    write!(formatter, " via {gateway}")?;
                }
                write!(formatter, " in table {}", route.table)
            }
            Self::Rule(rule) => {
                write!(formatter, "the {} rule with preference {}", rule.family, rule.preference)
            }
        }
    }
}

/// Why the kernel would not have a route or a rule.
#[derive(Debug, Error)]
#[error("{what}: {source}")]
pub(super) struct AttachmentError {
    /// Which, in words.
    pub(super) what: String,
    /// Why not.
    #[source]
    pub(super) source: NetlinkError,
}

/// The kernel's routes and rules. The seam at which a test can put something else in the kernel's place.
pub(super) trait AttachmentTable: Send + Sync {
    /// Every one that an earlier life of this agent has left.
    fn leftovers(&self) -> BoxFuture<'_, Result<Vec<Attachment>, AttachmentError>>;

    /// Adds it, unless it is there.
    fn add(&self, attachment: Attachment) -> BoxFuture<'_, Result<Added, AttachmentError>>;

    /// Removes it; one that is not there is no error.
    fn remove(&self, attachment: Attachment) -> BoxFuture<'_, Result<(), AttachmentError>>;
}

/// The real ones, over rtnetlink.
pub(super) struct NetlinkAttachments {
    netlink: Netlink,
    protocol: RouteProtocol,
}

/// The first of the protocol numbers, of which no daemon is known to use one, and how many they are. The
/// kernel has eight bits for it; agents of one host that fall on the same number take each other's for
/// leftovers when they start, and the one that lost something adds it again within a second.
const PROTOCOLS: (u8, u32) = (200, 50);

impl NetlinkAttachments {
    /// Connects to the kernel. Needs a tokio runtime, which then also carries the connection.
    pub(super) fn connect(agent: AgentNumber) -> io::Result<Self> {
        Ok(Self { netlink: Netlink::connect()?, protocol: RouteProtocol::Other(protocol_of(agent)) })
    }

    async fn list(&self) -> Result<Vec<Attachment>, NetlinkError> {
        let protocol = self.protocol;
        let listed = self.netlink.request(|handle| async move {
            let mut found = Vec::new();
            for (family, version) in [(Family::Ipv4, IpVersion::V4), (Family::Ipv6, IpVersion::V6)] {
                let mut wanted = RouteMessage::default();
                wanted.header.address_family = address_family(family);
                let mut routes = handle.route().get(wanted).execute();
                while let Some(route) = routes.next().await {
                    let route = route?;
                    if route.header.protocol == protocol {
                        found.extend(route_of(&route).map(Attachment::Route));
                    }
                }
                let mut rules = handle.rule().get(version).execute();
                while let Some(rule) = rules.next().await {
                    let rule = rule?;
                    if rule.attributes.contains(&RuleAttribute::Protocol(protocol)) {
                        found.push(Attachment::Rule(rule_of(&rule, family)));
                    }
                }
            }
            Ok(found)
        });
        listed.await
    }

    fn message(&self, attachment: Attachment) -> Message {
        message(attachment, self.protocol)
    }
}

/// What removes a route or a rule of this agent.
pub(super) fn removal(attachment: Attachment, agent: AgentNumber) -> RouteNetlinkMessage {
    message(attachment, RouteProtocol::Other(protocol_of(agent))).removal()
}

fn message(attachment: Attachment, protocol: RouteProtocol) -> Message {
    match attachment {
        Attachment::Route(route) => Message::Route(route_message(&route, protocol)),
        Attachment::Rule(rule) => Message::Rule(rule_message(&rule, protocol)),
    }
}

enum Message {
    Route(RouteMessage),
    Rule(RuleMessage),
}

impl Message {
    fn removal(self) -> RouteNetlinkMessage {
        match self {
            Self::Route(route) => RouteNetlinkMessage::DelRoute(route),
            Self::Rule(rule) => RouteNetlinkMessage::DelRule(rule),
        }
    }
}

impl AttachmentTable for NetlinkAttachments {
    fn leftovers(&self) -> BoxFuture<'_, Result<Vec<Attachment>, AttachmentError>> {
        let failed = |source| AttachmentError { what: "listing routes and rules".to_owned(), source };
        Box::pin(async move { self.list().await.map_err(failed) })
    }

    fn add(&self, attachment: Attachment) -> BoxFuture<'_, Result<Added, AttachmentError>> {
        Box::pin(async move {
            let outcome = match self.message(attachment) {
                // Without NLM_F_EXCL: a stranger's route to the same destination stays, behind ours.
                Message::Route(route) => {
                    self.netlink.change(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE).await
                }
                Message::Rule(rule) => {
                    self.netlink.change(RouteNetlinkMessage::NewRule(rule), NLM_F_CREATE | NLM_F_EXCL).await
                }
            };
            match outcome {
                Ok(()) => Ok(Added::New),
                Err(error) if error.errno() == Some(libc::EEXIST) => Ok(Added::AlreadyOurs),
                Err(source) => Err(AttachmentError { what: attachment.to_string(), source }),
            }
        })
    }

    fn remove(&self, attachment: Attachment) -> BoxFuture<'_, Result<(), AttachmentError>> {
        Box::pin(async move {
            match self.netlink.change(self.message(attachment).removal(), 0).await {
                Err(error) if matches!(error.errno(), Some(libc::ESRCH | libc::ENOENT | libc::ENODEV)) => {
                    Ok(())
                }
                outcome => outcome.map_err(|source| AttachmentError { what: attachment.to_string(), source }),
            }
        })
    }
}

fn protocol_of(agent: AgentNumber) -> u8 {
    let (first, count) = PROTOCOLS;
    u8::try_from(agent.0 % count).map_or(first, |number| first + number)
}

const fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn route_message(route: &Route, protocol: RouteProtocol) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = address_family(Family::of(route.destination.addr()));
    message.header.protocol = protocol;
    message.header.kind = RouteType::Unicast;
    message.header.scope = match route.gateway {
        None if route.destination.addr().is_ipv4() => RouteScope::Link,
        None | Some(_) => RouteScope::Universe,
    };
    message.header.destination_prefix_length = route.destination.prefix_len();
    // The field of the header has eight bits only.
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.attributes = vec![RouteAttribute::Oif(route.ifindex), RouteAttribute::Table(route.table)];
    if route.destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route_address(route.destination.network())));
    }
    let gateway = route.gateway.map(|gateway| RouteAttribute::Gateway(route_address(gateway)));
    message.attributes.extend(gateway);
    message.attributes.extend(route.metric.map(RouteAttribute::Priority));
    message
}

fn route_of(message: &RouteMessage) -> Option<Route> {
    let mut route = Route {
        ifindex: 0,
        destination: if message.header.address_family == AddressFamily::Inet {
            IpNet::V4(ipnet::Ipv4Net::default())
        } else {
            IpNet::V6(ipnet::Ipv6Net::default())
        },
        gateway: None,
        metric: None,
        table: message.header.table.into(),
    };
    for attribute in &message.attributes {
        if let RouteAttribute::Oif(ifindex) = attribute {
            route.ifindex = *ifindex;
        } else if let RouteAttribute::Table(table) = attribute {
            route.table = *table;
        } else if let RouteAttribute::Priority(metric) = attribute {
            route.metric = Some(*metric);
        } else if let RouteAttribute::Gateway(gateway) = attribute {
            route.gateway = ip_address(gateway);
        } else if let RouteAttribute::Destination(destination) = attribute {
            let length = message.header.destination_prefix_length;
            route.destination = IpNet::new(ip_address(destination)?, length).ok()?;
        }
    }
    Some(route)
}

fn ip_address(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(address) = address {
        Some((*address).into())
    } else if let RouteAddress::Inet6(address) = address {
        Some((*address).into())
    } else {
        None
    }
}

fn rule_message(rule: &Rule, protocol: RouteProtocol) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = address_family(rule.family);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(rule.preference),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(protocol),
    ];
    if let Some(from) = rule.from {
        message.header.src_len = from.prefix_len();
        message.attributes.push(RuleAttribute::Source(from.network()));
    }
    if let Some(to) = rule.to {
        message.header.dst_len = to.prefix_len();
        message.attributes.push(RuleAttribute::Destination(to.network()));
    }
    message
}

fn rule_of(message: &RuleMessage, family: Family) -> Rule {
    let mut rule = Rule { family, from: None, to: None, table: message.header.table.into(), preference: 0 };
    for attribute in &message.attributes {
        if let RuleAttribute::Priority(preference) = attribute {
            rule.preference = *preference;
        } else if let RuleAttribute::Table(table) = attribute {
            rule.table = *table;
        } else if let RuleAttribute::Source(from) = attribute {
            rule.from = IpNet::new(*from, message.header.src_len).ok();
        } else if let RuleAttribute::Destination(to) = attribute {
            rule.to = IpNet::new(*to, message.header.dst_len).ok();
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_shows_of_a_route_or_rule_is_what_was_asked_of_it() {
        let protocol = RouteProtocol::Other(200);
        for (destination, gateway, metric) in [
            ("198.51.100.0/24", Some("192.0.2.1"), Some(7)),
            ("0.0.0.0/0", None, None),
            ("2001:db8:1::/48", Some("fe80::1"), Some(5)),
        ] {
            let route = Route {
                ifindex: 3,
                destination: destination.parse().unwrap(),
                gateway: gateway.map(|gateway| gateway.parse().unwrap()),
                metric,
                table: 1_000,
            };
            assert_eq!(route_of(&route_message(&route, protocol)), Some(route));
        }
        let rule = Rule {
            family: Family::Ipv4,
            from: Some("192.0.2.10/32".parse().unwrap()),
            to: None,
            table: 1_000,
            preference: 99,
        };
        assert_eq!(rule_of(&rule_message(&rule, protocol), Family::Ipv4), rule);
    }

    #[test]
    fn every_agent_has_a_protocol_number_that_no_daemon_has() {
        for number in [1, 0x0bad_cafe, u32::MAX] {
            assert!((200..250).contains(&protocol_of(AgentNumber(number))));
        }
    }
}
