//! The addresses of the kernel's interfaces, as far as the binder needs them: list, add, remove.
//!
//! What the agent adds carries its mark, so that a later life of the same agent knows its own leftovers:
//! the protocol number [`MARK`] (`IFA_PROTO`, kernel 5.18 and newer; recent `ip address` shows `proto 0xba`), and the
//! number of the agent in the route metric, which the kernel does not use for a host address without a prefix
//! route. The second tells the agents of one host apart.

use std::io;
use std::net::IpAddr;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use thiserror::Error;

use super::address_lease::Lifetime;
use super::address_lease::renewals::Renewals;
use super::address_use;
use super::netlink::{Netlink, NetlinkError};

/// The protocol number of the addresses that the agent adds.
pub const MARK: u8 = 0xba;

/// Which agent of a host an address belongs to: a number that each life of the same agent shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentNumber(pub u32);

/// An address on an interface, bound as a host address (/32, /128).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostAddress {
    /// The interface.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
}

/// An address that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedAddress {
    /// Where.
    pub at: HostAddress,
    /// The length of its prefix.
    pub prefix_length: u8,
    /// Whether it carries the mark of this agent.
    pub ours: bool,
}

/// What an add found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The address was not there.
    New,
    /// It was there, with our mark.
    AlreadyOurs,
    /// It was there without our mark; it stays as it is, and nobody here may remove it.
    Foreign,
}

/// Why the kernel would not change or show its addresses.
#[derive(Debug, Error)]
pub enum AddressError {
    /// There is no such interface (any more).
    #[error("the interface does not exist")]
    NoInterface,
    /// An owner's address is not on its interface.
    #[error("the interface does not have the address")]
    NotThere,
    /// It is there and does not answer.
    #[error("the kernel has not taken the address into use within a second")]
    NotInUse,
    /// It refused.
    #[error("the kernel refused: {0}")]
    Refused(#[source] io::Error),
    /// The netlink connection broke.
    #[error("the netlink connection failed: {0}")]
    Netlink(String),
}

/// The kernel's addresses. The seam at which a test can put something else in the kernel's place.
pub trait AddressTable: Send + Sync {
    /// Every address of every interface.
    fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>>;

    /// Adds the address with our mark, unless it is there.
    fn add(&self, address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>>;

    /// The same, and has the kernel keep it this long.
    fn add_for(
        &self,
        address: HostAddress,
        _lifetime: Lifetime,
    ) -> BoxFuture<'_, Result<Added, AddressError>> {
        self.add(address)
    }

    /// Whether an address that was added answers.
    fn is_in_use(&self, _address: HostAddress) -> BoxFuture<'_, Result<bool, AddressError>> {
        Box::pin(async { Ok(true) })
    }

    /// Has the kernel keep these addresses, which are there and ours, this long from now on. Returns at once.
    fn renew(&self, _addresses: &[HostAddress], _lifetime: Lifetime) {}

    /// Whether the kernel was to keep the address for a while, and that is over.
    fn has_run_out(&self, _address: HostAddress) -> bool {
        false
    }

    /// Why the last renewal failed, if it did.
    fn renewal_failure(&self) -> Option<String> {
        None
    }

    /// Removes the address; one that is not there is no error.
    fn remove(&self, address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>>;
}

/// The real one, over rtnetlink.
pub struct NetlinkAddressTable {
    netlink: Netlink,
    renewals: Renewals,
    agent: AgentNumber,
}

impl NetlinkAddressTable {
    /// Connects to the kernel. Needs a tokio runtime, which then also carries the connection.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn connect(agent: AgentNumber) -> io::Result<Self> {
        let renewals = Renewals::start(Box::new(move |address, lifetime| kept(address, agent, lifetime)))?;
        Ok(Self { netlink: Netlink::connect()?, renewals, agent })
    }

    async fn dump(&self) -> Result<Vec<ListedAddress>, AddressError> {
        let listed = self.netlink.request(|handle| async move {
            let mut answer = handle.address().get().execute();
            let mut listed = Vec::new();
            while let Some(message) = answer.next().await {
                listed.extend(parse(&message?, self.agent));
            }
            Ok(listed)
        });
        Ok(listed.await?)
    }
}

impl AddressTable for NetlinkAddressTable {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>> {
        Box::pin(self.dump())
    }

    fn add(&self, address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>> {
        self.add_for(address, Lifetime::Forever)
    }

    fn add_for(
        &self,
        address: HostAddress,
        lifetime: Lifetime,
    ) -> BoxFuture<'_, Result<Added, AddressError>> {
        Box::pin(async move {
            let added = self.netlink.request(|handle| {
                let mut request =
                    handle.address().add(address.ifindex, address.address, host_prefix(address.address));
                let attributes = attributes(address.address, self.agent, lifetime);
                request.message_mut().attributes.extend(attributes);
                request.execute()
            });
            let is_new = match added.await {
                Ok(()) => true,
                Err(error) if error.errno() == Some(libc::EEXIST) => false,
                Err(error) => return Err(error.into()),
            };
            if is_new {
                return Ok(Added::New);
            }
            let ours = |listed: &ListedAddress| listed.at == address && is_host(listed) && listed.ours;
            let found = self.dump().await?.iter().any(ours);
            Ok(if found { Added::AlreadyOurs } else { Added::Foreign })
        })
    }

    fn is_in_use(&self, address: HostAddress) -> BoxFuture<'_, Result<bool, AddressError>> {
        Box::pin(async move {
            let delivers = |handle: Handle| async move { address_use::is_delivered(&handle, address).await };
            Ok(self.netlink.request(delivers).await?)
        })
    }

    fn renew(&self, addresses: &[HostAddress], lifetime: Lifetime) {
        self.renewals.renew(addresses, lifetime);
    }

    fn has_run_out(&self, address: HostAddress) -> bool {
        self.renewals.has_run_out(address)
    }

    fn renewal_failure(&self) -> Option<String> {
        self.renewals.failure()
    }

    fn remove(&self, address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>> {
        Box::pin(async move {
            self.renewals.withdraw(address).await;
            let message = removal(address);
            match self.netlink.request(|handle| handle.address().del(message.clone()).execute()).await {
                Err(error) if error.errno() == Some(libc::EADDRNOTAVAIL) => Ok(()),
                outcome => Ok(outcome?),
            }
        })
    }
}

/// The message that names an address that is to be removed.
pub(super) fn removal(address: HostAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: match address.address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        prefix_len: host_prefix(address.address),
        index: address.ifindex,
        ..AddressHeader::default()
    };
    message.attributes =
        vec![AddressAttribute::Local(address.address), AddressAttribute::Address(address.address)];
    message
}

/// The message that gives an address of ours this lifetime.
fn kept(address: HostAddress, agent: AgentNumber, lifetime: Lifetime) -> AddressMessage {
    let mut message = removal(address);
    message.attributes.extend(attributes(address.address, agent, lifetime));
    message
}

/// What makes an address ours. In IPv6 it is also there at once, without a probe that would keep it from answering for a
/// second and a half, and is never chosen as a source by itself: it is deprecated from the beginning (RFC 4862 §5.5.4).
fn attributes(address: IpAddr, agent: AgentNumber, lifetime: Lifetime) -> Vec<AddressAttribute> {
    let mut flags = AddressFlags::Noprefixroute;
    let mut attributes = vec![
        AddressAttribute::Protocol(AddressProtocol::Other(MARK)),
        AddressAttribute::RoutePriority(agent.0),
    ];
    if address.is_ipv6() {
        flags |= AddressFlags::Nodad;
    }
    let mut kept = CacheInfo::default();
    kept.ifa_valid = lifetime.seconds();
    kept.ifa_preferred = if address.is_ipv6() { 0 } else { lifetime.seconds() };
    attributes.push(AddressAttribute::CacheInfo(kept));
    attributes.push(AddressAttribute::Flags(flags));
    attributes
}

/// What one message of the kernel says, `None` when it names no address.
pub(super) fn parse(message: &AddressMessage, agent: AgentNumber) -> Option<ListedAddress> {
    let mut local = None;
    let mut peer = None;
    let mut marked = false;
    let mut metric = 0;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            peer = Some(*address);
        } else if let AddressAttribute::Protocol(protocol) = attribute {
            marked = u8::from(*protocol) == MARK;
        } else if let AddressAttribute::RoutePriority(number) = attribute {
            metric = *number;
        }
    }
    Some(ListedAddress {
        at: HostAddress { ifindex: message.header.index, address: local.or(peer)? },
        prefix_length: message.header.prefix_len,
        ours: marked && metric == agent.0,
    })
}

/// Whether other hosts can reach it: not an address of the loopback or link scope.
pub(super) fn is_global(message: &AddressMessage) -> bool {
    message.header.scope == AddressScope::Universe
}

fn is_host(listed: &ListedAddress) -> bool {
    listed.prefix_length == host_prefix(listed.at.address)
}

const fn host_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl From<NetlinkError> for AddressError {
    fn from(error: NetlinkError) -> Self {
        match error {
            NetlinkError::Refused(error)
                if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) =>
            {
                Self::NoInterface
            }
            NetlinkError::Refused(error) => Self::Refused(error),
            NetlinkError::Broken(why) => Self::Netlink(why),
        }
    }
}
