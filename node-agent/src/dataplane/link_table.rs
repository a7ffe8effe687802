//! Makes, raises, lowers and removes the macvlans of virtual routers, over rtnetlink.
//!
//! # A virtual router's macvlan
//! Mode private: virtual routers of one host are no neighbours of each other. It is made DOWN and silent: without an
//! address of its own, without a router solicitation, and with a queue that lets nothing out ([`link_outlet`]), so that
//! nothing leaves a Backup from the MAC address that all members share, which would pull the switch's entry for it to the
//! wrong port.
//!
//! # What is broadcast
//! The kernel hands broadcasts to macvlans by a worker without real-time scheduling. On a busy host that
//! answers an ARP request tens of milliseconds late: when the member has let go, and its answer would draw
//! the switch back; or after the client that asked has given up. With few macvlans on an interface the kernel
//! is told to hand them over at once. With many it is not: each broadcast is as many packets as there are
//! macvlans, all at the same moment.
//!
//! # Who answers ARP
//! The interface below must answer for its own addresses only and the macvlan for the virtual ones only: `arp_ignore` 1 on
//! both. The answers from a virtual address leave through the interface below; when it must first ask for a neighbour,
//! it must not ask in the name of the virtual address, or the neighbour learns its MAC address for it: `arp_announce` 2.
//! With `accept_local` a member that lets go would still answer the announcement of its successor, from the MAC
//! address they share. Packets come in through the macvlan and the answers leave through the interface below, so the
//! macvlan must not filter by the reverse path: `rp_filter` 2, since the kernel uses the larger of this and `all`'s.
//!
//! # Who forwards
//! What is sent to the virtual router's MAC address comes in through the macvlan, so the macvlan forwards
//! where the interface below does (`conf/interface/forwarding`): a new interface would take that from
//! `conf/default`.

mod removal;
mod unheard;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoMacVlan, LinkAttribute, LinkMessage,
    MacVlanMode,
};
use rtnetlink::{LinkMacVlan, LinkMessageBuilder, LinkUnspec};
use thiserror::Error;
use vrrp::Family;

use super::address_table::AgentNumber;
use super::background::Background;
use super::host;
use super::link_outlet;
use super::netlink::{Netlink, NetlinkError};
use super::virtual_link::{ArpSettings, LinkKey, Tag};

/// Values of `IFLA_MACVLAN_BC_CUTOFF` (`ip-link(8)`: `bccutoff`; kernels before 6.4 do not know it): whoever
/// is below gets broadcasts as they come in, or when a worker of the kernel comes to it, which is the
/// kernel's default.
const AT_ONCE: i32 = -1;
const IN_TURN: i32 = 1;

/// Numbers of the kernel's `linux/ip.h`.
const FORWARDING: u16 = 1;
const ARP_FILTER: u16 = 13;
const ARP_ANNOUNCE: u16 = 18;
const ARP_IGNORE: u16 = 19;
const ACCEPT_LOCAL: u16 = 23;
const RP_FILTER: u16 = 8;
/// `IFLA_INET_CONF` with `NLA_F_NESTED` (`linux/if_link.h`, `linux/netlink.h`).
const INET_CONF: u16 = 1 | 0x8000;

/// Why a macvlan could not be made or changed.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// Something else has its name.
    #[error("there is an interface {0} already, which this agent has not made")]
    NameTaken(String),
    /// The kernel refused.
    #[error("the kernel refused to {step}: {source}")]
    Refused {
        /// What was asked of it.
        step: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A macvlan that is to be made.
#[derive(Debug)]
pub(super) struct Blueprint {
    /// Which.
    pub(super) key: LinkKey,
    /// The name of the interface below.
    pub(super) below: String,
    /// What its alias is to say.
    pub(super) tag: Tag,
    /// Whether the interface below has no other of this agent yet.
    pub(super) is_first: bool,
    /// Whether it is to have so few that each can be given what is broadcast as it comes in.
    pub(super) is_of_few: bool,
}

/// Brings the macvlans of virtual routers up and down. The seam at which a test can put something else in the kernel's
/// place.
pub(super) trait LinkSwitch: Send + Sync {
    /// Brings it up, if it is not. It takes packets in; one that was down says nothing yet.
    fn raise(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Lets it speak: from now on the switch may hear its MAC address here.
    fn unmute(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Stops it from answering for its addresses, which are about to be removed.
    fn hush(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Takes it down.
    fn lower(&self, ifindex: u32) -> BoxFuture<'static, Result<(), LinkError>>;
}

/// The real macvlans.
pub(super) struct NetlinkLinks {
    netlink: Netlink,
    background: Background,
    /// Those that may speak by now and on which the kernel may have asked before.
    unheard: Arc<Mutex<BTreeSet<u32>>>,
}

impl NetlinkLinks {
    /// Connects to the kernel. Needs a tokio runtime, which then also carries the connection.
    pub(super) fn connect(background: Background) -> io::Result<Self> {
        Ok(Self { netlink: Netlink::connect()?, background, unheard: Arc::default() })
    }

    /// Makes macvlans as they must be and leaves them DOWN; those that an earlier attempt has left unfinished
    /// are finished. What one fails at leaves nothing of it behind.
    pub(super) fn make(
        &self,
        blueprints: Vec<Blueprint>,
    ) -> BoxFuture<'static, Vec<(LinkKey, Result<(), LinkError>)>> {
        let keys: Vec<_> = blueprints.iter().map(|blueprint| blueprint.key).collect();
        let done = self.background.run(move || {
            on_own_connection(|netlink| async move {
                let mut outcomes = Vec::with_capacity(blueprints.len());
                for blueprint in &blueprints {
                    outcomes.push((blueprint.key, make(&netlink, blueprint).await));
                }
                Ok(outcomes)
            })
        });
        Box::pin(async move {
            let failed = |text: String| {
                keys.into_iter().map(move |key| {
                    let source = io::Error::other(text.clone());
                    (key, Err(LinkError::Refused { step: format!("make {}", key.name()), source }))
                })
            };
            match done.await {
                Some(Ok(outcomes)) => outcomes,
                Some(Err(error)) => failed(error.to_string()).collect(),
                None => failed(ENDED.to_owned()).collect(),
            }
        })
    }

    /// Removes macvlans; one that is gone is no error. `restore` says how interfaces below are to answer ARP
    /// again.
    pub(super) fn remove(
        &self,
        macvlans: BTreeSet<u32>,
        restore: Vec<(u32, ArpSettings)>,
    ) -> BoxFuture<'static, Result<(), LinkError>> {
        self.in_background("remove macvlans".to_owned(), move |netlink| async move {
            for (parent, before) in restore {
                // The interface below may be gone.
                let _gone = set_arp(&netlink, parent, before).await;
            }
            removal::remove(&netlink, &macvlans).await.map_err(refused("remove macvlans"))
        })
    }

    /// Has the kernel ask again for what it asked in vain, in the background: the advertisements go first.
    fn ask_again(&self, ifindex: u32) {
        let all = Arc::clone(&self.unheard);
        all.lock().unwrap_or_else(PoisonError::into_inner).insert(ifindex);
        let _begun = self.background.run(move || {
            let macvlans = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
            if macvlans.is_empty() {
                return;
            }
            // Without this it asks again by itself, later.
            let _later = on_own_connection(|netlink| async move {
                let asked = unheard::ask_again(&netlink, &macvlans).await;
                asked.map_err(refused("ask for neighbours again"))
            });
        });
    }

    fn in_background<F>(
        &self,
        step: String,
        work: impl FnOnce(Netlink) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<(), LinkError>>
    where
        F: Future<Output = Result<(), LinkError>>,
    {
        let done = self.background.run(move || on_own_connection(work));
        Box::pin(async move {
            let lost = || LinkError::Refused { step, source: io::Error::other(ENDED) };
            done.await.unwrap_or_else(|| Err(lost()))
        })
    }
}

const ENDED: &str = "the thread that asked has ended";

impl LinkSwitch for NetlinkLinks {
    fn raise(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        let message = LinkUnspec::new_with_index(ifindex).up().build();
        Box::pin(
            async move { set_link(&self.netlink, message).await.map_err(refused("bring the macvlan up")) },
        )
    }

    fn unmute(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move {
            let opened = link_outlet::open(&self.netlink, ifindex).await;
            self.ask_again(ifindex);
            opened.map_err(refused("let the macvlan speak"))
        })
    }

    fn hush(&self, ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move {
            let closed = link_outlet::close(&self.netlink, ifindex).await;
            closed.map_err(refused("silence the macvlan"))
        })
    }

    fn lower(&self, ifindex: u32) -> BoxFuture<'static, Result<(), LinkError>> {
        let message = LinkUnspec::new_with_index(ifindex).down().build();
        self.in_background("take the macvlan down".to_owned(), move |netlink| async move {
            // An earlier life of the agent may have left it open.
            let _gone = link_outlet::close(&netlink, ifindex).await;
            match set_link(&netlink, message).await {
                Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
                outcome => outcome.map_err(refused("take the macvlan down")),
            }
        })
    }
}

/// On the background thread: what takes the kernel long must not keep another's answer.
fn on_own_connection<T, F>(work: impl FnOnce(Netlink) -> F) -> Result<T, LinkError>
where
    F: Future<Output = Result<T, LinkError>>,
{
    let connect = |source| LinkError::Refused { step: "give a netlink connection".to_owned(), source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(connect)?;
    runtime.block_on(async { work(Netlink::connect_here().map_err(connect)?).await })
}

async fn make(netlink: &Netlink, blueprint: &Blueprint) -> Result<(), LinkError> {
    let key = blueprint.key;
    let name = key.name();
    let message = LinkMacVlan::new(&name, key.parent, MacVlanMode::Private)
        .address(key.mac().to_vec())
        .append_info_data(InfoMacVlan::BcCutoff(if blueprint.is_of_few { AT_ONCE } else { IN_TURN }))
        .build();
    match netlink.request(|handle| handle.link().add(message.clone()).execute()).await {
        Err(error) if error.errno() == Some(libc::EEXIST) => {}
        outcome => outcome.map_err(refused(&format!("make the macvlan {name}")))?,
    }
    let ifindex = find(netlink, key, blueprint.tag.agent).await?;
    let outcome = set_up(netlink, blueprint, ifindex).await;
    if outcome.is_err() {
        // Nobody would know it for ours.
        let _gone = netlink.request(|handle| handle.link().del(ifindex).execute()).await;
        if blueprint.is_first {
            let _gone = set_arp(netlink, key.parent, blueprint.tag.before).await;
        }
    }
    outcome
}

async fn set_up(netlink: &Netlink, blueprint: &Blueprint, ifindex: u32) -> Result<(), LinkError> {
    let Blueprint { key, below, tag, .. } = blueprint;
    let name = key.name();
    link_outlet::close(netlink, ifindex).await.map_err(refused(&format!("keep {name} silent")))?;
    let forwarding = u32::from(host::forwards(Family::Ipv4, below));
    let inet = [
        (ARP_IGNORE, 1),
        (ARP_FILTER, 0),
        (ARP_ANNOUNCE, 0),
        (ACCEPT_LOCAL, 0),
        (RP_FILTER, 2),
        (FORWARDING, forwarding),
    ];
    set_inet(netlink, ifindex, &inet).await.map_err(refused(&format!("set up {name}")))?;
    set_up_ipv6(&name, key.family, below).map_err(|source| LinkError::Refused {
        step: format!("keep {name} from configuring IPv6 by itself"),
        source,
    })?;
    let silent = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    // A host without IPv6 does not know the word.
    let _without_ipv6 = set_link(netlink, with_af_spec(ifindex, silent)).await;
    set_arp(netlink, key.parent, ArpSettings { ignore: 1, announce: 2 })
        .await
        .map_err(refused("have the interface answer and ask by ARP for its own addresses only"))?;
    // The kernel tells nobody of the alias of an interface that is down, but of its queue. It has none to be long.
    let alias = LinkUnspec::new_with_index(ifindex).alias(tag.to_alias()).txqueuelen(0).build();
    set_link(netlink, alias).await.map_err(refused(&format!("mark {name} as this agent's")))
}

async fn set_arp(netlink: &Netlink, ifindex: u32, settings: ArpSettings) -> Result<(), NetlinkError> {
    let ArpSettings { ignore, announce } = settings;
    set_inet(netlink, ifindex, &[(ARP_IGNORE, ignore), (ARP_ANNOUNCE, announce)]).await
}

/// The index of the macvlan that has the name now, if it is one that this agent may have made.
async fn find(netlink: &Netlink, key: LinkKey, agent: AgentNumber) -> Result<u32, LinkError> {
    let name = key.name();
    let shown = netlink.request(|handle| {
        let mut found = handle.link().get().match_name(name.clone()).execute();
        async move { found.next().await.transpose() }
    });
    let link = shown.await.map_err(refused(&format!("show {name}")))?;
    let Some(link) = link else { return Err(LinkError::NameTaken(name)) };
    let has = |wanted: &LinkAttribute| link.attributes.contains(wanted);
    let is_strangers = |attribute: &LinkAttribute| {
        let tag = |alias: &str| Tag::from_alias(alias).is_none_or(|tag| tag.agent != agent);
        matches!(attribute, LinkAttribute::IfAlias(alias) if tag(alias))
    };
    let fits = has(&LinkAttribute::Address(key.mac().to_vec())) && has(&LinkAttribute::Link(key.parent));
    if !fits || link.attributes.iter().any(is_strangers) {
        Err(LinkError::NameTaken(name))
    } else {
        Ok(link.header.index)
    }
}

async fn set_link(netlink: &Netlink, message: LinkMessage) -> Result<(), NetlinkError> {
    netlink.request(|handle| handle.link().set(message.clone()).execute()).await
}

async fn set_inet(netlink: &Netlink, ifindex: u32, settings: &[(u16, u32)]) -> Result<(), NetlinkError> {
    let octets = settings.iter().flat_map(|(kind, value)| {
        let length = 8_u16.to_ne_bytes();
        [length.to_vec(), kind.to_ne_bytes().to_vec(), value.to_ne_bytes().to_vec()].concat()
    });
    let conf = AfSpecUnspec::Inet(vec![AfSpecInet::Other(DefaultNla::new(INET_CONF, octets.collect()))]);
    set_link(netlink, with_af_spec(ifindex, conf)).await
}

fn with_af_spec(ifindex: u32, spec: AfSpecUnspec) -> LinkMessage {
    let builder: LinkMessageBuilder<LinkUnspec> = LinkUnspec::new_with_index(ifindex);
    builder.append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![spec])).build()
}

/// There is no netlink message for these. Without them an Active member would take addresses and routes from a router's
/// advertisements for the macvlan.
fn set_up_ipv6(name: &str, family: Family, below: &str) -> io::Result<()> {
    let directory = format!("/proc/sys/net/ipv6/conf/{name}");
    if !fs::exists(&directory)? {
        return Ok(());
    }
    let forwarding = if host::forwards(Family::Ipv6, below) { "1" } else { "0" };
    let settings: &[(&str, &str)] = match family {
        Family::Ipv4 => &[("disable_ipv6", "1")],
        Family::Ipv6 => &[
            ("disable_ipv6", "0"),
            ("accept_ra", "0"),
            ("autoconf", "0"),
            ("router_solicitations", "0"),
            ("dad_transmits", "0"),
            ("forwarding", forwarding),
        ],
    };
    settings.iter().try_for_each(|(name, value)| fs::write(format!("{directory}/{name}"), value))
}

fn refused(step: &str) -> impl FnOnce(NetlinkError) -> LinkError {
    let step = step.to_owned();
    move |error| LinkError::Refused { step, source: error.into() }
}
