//! Keeps [`Interfaces`] true: a netlink connection that only listens.
//!
//! It is another connection than the one that changes addresses, because the kernel does not tell a
//! connection of its own changes. When the kernel has dropped messages (ENOBUFS), or the connection is lost,
//! everything is listed anew. A message that was sent before a listing and is read after it changes nothing
//! for the worse: the messages that follow it set it right again.

use std::io;
use std::net::IpAddr;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use ipnet::IpNet;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use rtnetlink::{Handle, MulticastGroup};

use super::address_table::{self, AgentNumber, HostAddress};
use super::address_use::Arrivals;
use super::interfaces::{InterfaceAddress, InterfaceState, Interfaces, Macvlan};
use super::netlink::ANSWER_WITHIN;
use super::virtual_link::Tag;

/// Room for the echo of some ten thousand address changes.
const RECEIVE_BUFFER_OCTETS: usize = 8 * 1024 * 1024;

type Messages = futures_util::stream::BoxStream<'static, (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Something about interfaces or the addresses that are not ours.
    Interfaces,
    /// An address has gone from an interface.
    AddressRemoved {
        /// Which.
        at: HostAddress,
        /// Whether it carried our mark.
        ours: bool,
    },
    /// Anything may have: everything was listed anew.
    Everything,
}

/// Listens to the kernel.
pub(super) struct LinkMonitor {
    handle: Handle,
    messages: Messages,
    agent: AgentNumber,
    interfaces: Interfaces,
    /// Everything is to be listed anew. Set before that begins, since whoever waits may stop waiting.
    stale: bool,
    /// The listing that is under way. Kept, or whoever is woken often would never see the end of one.
    listing: Option<BoxFuture<'static, io::Result<Interfaces>>>,
    notices: Vec<&'static str>,
    arrivals: Arrivals,
}

impl LinkMonitor {
    /// Subscribes, then lists everything. Needs a tokio runtime, which then also carries the connection.
    pub(super) async fn open(agent: AgentNumber) -> io::Result<Self> {
        let (handle, messages) = subscribe()?;
        let mut monitor = Self {
            handle,
            messages,
            agent,
            interfaces: Interfaces::default(),
            stale: true,
            listing: None,
            notices: Vec::new(),
            arrivals: Arrivals::default(),
        };
        monitor.list().await?;
        Ok(monitor)
    }

    /// The interfaces as they stand.
    pub(super) const fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Tells of our own IPv6 addresses that have come into use.
    pub(super) fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }

    /// The next change, already taken over into [`interfaces`](Self::interfaces). May be dropped and called
    /// again.
    pub(super) async fn changed(&mut self) -> io::Result<Change> {
        loop {
            if self.stale {
                self.list().await?;
                return Ok(Change::Everything);
            }
            let next = self.messages.next().await;
            if let Some(change) = self.take(next)? {
                return Ok(change);
            }
        }
    }

    /// The next change, if the kernel has already told it.
    pub(super) fn changed_already(&mut self) -> io::Result<Option<Change>> {
        while !self.stale
            && let Some(next) = self.messages.next().now_or_never()
        {
            if let Some(change) = self.take(next)? {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    /// What people should read in the log, each once.
    pub(super) fn take_notices(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.notices)
    }

    fn take(
        &mut self,
        next: Option<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    ) -> io::Result<Option<Change>> {
        let Some((message, _)) = next else {
            self.notices.push("the netlink connection that listens ended and was opened again");
            (self.handle, self.messages) = subscribe()?;
            self.stale = true;
            return Ok(None);
        };
        if let NetlinkPayload::InnerMessage(message) = message.payload {
            return Ok(self.apply(&message));
        }
        if let NetlinkPayload::Overrun(_) = message.payload {
            self.notices.push("the kernel dropped netlink messages; all interfaces are listed again");
            self.stale = true;
        }
        Ok(None)
    }

    /// Lists everything; over another connection if this one does not answer.
    async fn list(&mut self) -> io::Result<()> {
        let mut is_new = false;
        loop {
            let begun = || list(self.handle.clone(), self.agent).boxed();
            let outcome = self.listing.get_or_insert_with(begun).await;
            self.listing = None;
            match outcome {
                Ok(found) => {
                    (self.interfaces, self.stale) = (found, false);
                    return Ok(());
                }
                Err(error) if is_new => return Err(error),
                Err(_) => {
                    self.notices
                        .push("the netlink connection that listens did not answer and was opened again");
                    (self.handle, self.messages) = subscribe()?;
                    is_new = true;
                }
            }
        }
    }

    fn apply(&mut self, message: &RouteNetlinkMessage) -> Option<Change> {
        let interfaces = &mut self.interfaces;
        if let RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) = message
            && link.header.interface_family != AddressFamily::Unspec
        {
            // About a bridge's port, for instance: the interface itself stays.
            None
        } else if let RouteNetlinkMessage::NewLink(link) = message {
            set_link(interfaces, link, self.agent).then_some(Change::Interfaces)
        } else if let RouteNetlinkMessage::DelLink(link) = message {
            interfaces.remove(link.header.index).then_some(Change::Interfaces)
        } else if let RouteNetlinkMessage::NewAddress(address) = message {
            let (ifindex, address) = address_of(address, self.agent)?;
            let news = interfaces.set_address(ifindex, address);
            if address.ours && address.net.addr().is_ipv6() {
                self.arrivals.tell();
            }
            (news && !address.ours).then_some(Change::Interfaces)
        } else if let RouteNetlinkMessage::DelAddress(address) = message {
            let (ifindex, address) = address_of(address, self.agent)?;
            interfaces.remove_address(ifindex, address.net);
            let at = HostAddress { ifindex, address: address.net.addr() };
            Some(Change::AddressRemoved { at, ours: address.ours })
        } else {
            None
        }
    }
}

async fn list(handle: Handle, agent: AgentNumber) -> io::Result<Interfaces> {
    let listing = async {
        let mut found = Interfaces::default();
        let mut links = handle.link().get().execute();
        while let Some(link) = links.next().await {
            set_link(&mut found, &link?, agent);
        }
        let mut addresses = handle.address().get().execute();
        while let Some(address) = addresses.next().await {
            if let Some((ifindex, address)) = address_of(&address?, agent) {
                found.set_address(ifindex, address);
            }
        }
        Ok::<_, rtnetlink::Error>(found)
    };
    tokio::time::timeout(ANSWER_WITHIN, listing).await?.map_err(io::Error::other)
}

fn subscribe() -> io::Result<(Handle, Messages)> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (mut connection, handle, messages) = rtnetlink::new_multicast_connection(&groups)?;
    let socket = connection.socket_mut().socket_mut();
    // The ordinary option is cut to `net.core.rmem_max`.
    if setsockopt(&*socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_OCTETS).is_err() {
        socket.set_rx_buf_sz(RECEIVE_BUFFER_OCTETS)?;
    }
    tokio::spawn(connection);
    Ok((handle, messages.boxed()))
}

fn set_link(interfaces: &mut Interfaces, link: &LinkMessage, agent: AgentNumber) -> bool {
    let mut state = InterfaceState {
        name: String::new(),
        mac: None,
        mtu: usize::MAX,
        up: link.header.flags.contains(LinkFlags::Up),
        carrier: link.header.flags.contains(LinkFlags::LowerUp),
        loopback: link.header.link_layer_type == LinkLayerType::Loopback,
        macvlan: None,
    };
    let (mut parent, mut tag) = (0, None);
    for attribute in &link.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            state.name.clone_from(name);
        } else if let LinkAttribute::Address(octets) = attribute {
            state.mac = octets.as_slice().try_into().ok();
        } else if let LinkAttribute::Mtu(octets) = attribute {
            state.mtu = usize::try_from(*octets).unwrap_or(usize::MAX);
        } else if let LinkAttribute::Link(below) = attribute {
            parent = *below;
        } else if let LinkAttribute::IfAlias(alias) = attribute {
            tag = Tag::from_alias(alias).filter(|tag| tag.agent == agent);
        }
    }
    state.macvlan = tag.map(|tag| Macvlan { parent, before: tag.before });
    !state.name.is_empty() && interfaces.set(link.header.index, state)
}

fn address_of(message: &AddressMessage, agent: AgentNumber) -> Option<(u32, InterfaceAddress)> {
    let listed = address_table::parse(message, agent)?;
    let net = IpNet::new(listed.at.address, listed.prefix_length).ok()?;
    let marked_secondary = |attribute: &AddressAttribute| matches!(attribute, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Secondary));
    // The same bit says "temporary" of an IPv6 address.
    let secondary = matches!(listed.at.address, IpAddr::V4(_))
        && (message.header.flags.contains(AddressHeaderFlags::Secondary)
            || message.attributes.iter().any(marked_secondary));
    let global = address_table::is_global(message);
    let unproven_flags = |attribute: &AddressAttribute| matches!(attribute, AddressAttribute::Flags(flags) if flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed));
    let unproven = message.attributes.iter().any(unproven_flags);
    Some((listed.at.ifindex, InterfaceAddress { net, ours: listed.ours, secondary, global, unproven }))
}
