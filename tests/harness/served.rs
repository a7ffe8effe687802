//! A group whose addresses a client uses.
//!
//! Where it advertises once a second, no timer moves an address in less than three seconds from one
//! advertisement to the next holder's: what moves within one second of a fault was told to.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::capture::Capture;
use crate::clock::Moment;
use crate::eventually::eventually;
use crate::frame::Mac;
use crate::lab::Lab;
use crate::node::Node;
use crate::site::{BOUND, Site, VIP, VRID};
use crate::timeline::Timeline;
use crate::udp_echo::UdpEcho;
use crate::udp_prober::UdpProber;

const SLOW_MS: u32 = 1_000;
const PROBE_EVERY: Duration = Duration::from_millis(1);

/// See the module.
pub struct Served<'lab> {
    /// Where it runs.
    pub site: Site<'lab>,
    /// The specification of the group.
    pub group: Value,
    _echoes: Vec<UdpEcho>,
}

/// How an address moved.
#[derive(Debug)]
pub struct Move {
    /// From what made it move to the new holder's first advertisement.
    pub advertised: Duration,
    /// From what made it move to the new holder's first announcement.
    pub announced: Duration,
    /// What a client saw of it.
    pub timeline: Timeline,
    /// What made it move was then.
    pub since: Moment,
}

impl<'lab> Served<'lab> {
    /// Starts a node for each member, with a service on it, and waits until the first one holds and all
    /// others are ready. The group advertises every 100 ms.
    ///
    /// # Errors
    /// When something does not come up; says what.
    pub fn start(lab: &'lab Lab, members: &[(&str, u8)]) -> Result<Self> {
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        let site = Site::start(lab, &names)?;
        let group = Site::group(members);
        site.settle(&group, names.first().context("a group without members")?)?;
        let echoes = site
            .nodes
            .iter()
            .map(|node| UdpEcho::start(&node.host, Ipv4Addr::UNSPECIFIED))
            .collect::<Result<_>>()?;
        let served = Self { site, group, _echoes: echoes };
        for name in names {
            served.until_ready(name)?;
        }
        Ok(served)
    }

    /// [`Served::start`], and from then on the group advertises once a second.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub fn start_slow(lab: &'lab Lab, members: &[(&str, u8)]) -> Result<Self> {
        let mut served = Self::start(lab, members)?;
        served.group = served.site.slow_down(&served.group, SLOW_MS)?;
        Ok(served)
    }

    /// Waits until the server says that the node holds the address or could take it over.
    ///
    /// # Errors
    /// When it does not; says why not.
    pub fn until_ready(&self, node: &str) -> Result<()> {
        self.site.api.until_ready("web", node)
    }

    /// A client that asks every millisecond, once it is answered.
    ///
    /// # Errors
    /// When it is not answered.
    pub fn prober(&self) -> Result<UdpProber> {
        let prober = UdpProber::start(&self.site.client, &[IpAddr::V4(VIP)], PROBE_EVERY)?;
        prober.warm_up(BOUND)?;
        Ok(prober)
    }

    /// Moves the address to node `to` by `act`, which answers from when on it is to move; waits until the
    /// node alone holds it and serves the client.
    ///
    /// # Errors
    /// When it does not come there.
    pub fn move_by(&self, to: &str, act: impl FnOnce() -> Result<Moment>) -> Result<Move> {
        let (node, lab) = (self.site.node(to)?, self.site.lab);
        let (prober, before) = (self.prober()?, Moment::now());
        let since = act()?;
        ensure!(since >= before, "it was to move before there was a client");
        let [advertised, announced] = first_words(&self.site.capture, node, since)?;
        eventually(&format!("{to} holds {VIP} alone"), BOUND, || lab.only_holder(VIP, to))?;
        prober.warm_up(BOUND)?;
        let timeline = prober.finish()?.pop().context("no timeline")?;
        Ok(Move { advertised: advertised - since, announced: announced - since, timeline, since })
    }
}

impl Move {
    /// How many questions of the client were not answered.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.timeline.lost(self.since).1
    }
}

/// When the node first advertised, and first announced the address, since then.
fn first_words(capture: &Capture, node: &Node, since: Moment) -> Result<[Moment; 2]> {
    eventually(&format!("{} advertises and announces", node.name()), BOUND, || {
        let adverts = capture.adverts_from(VRID, node.host.lan, since);
        let advertised = adverts.iter().find(|(_, advert)| advert.priority > 0);
        let announcements = capture.announcements(VIP, since);
        let announced = announcements.iter().find(|(_, mac): &&(Moment, Mac)| *mac == node.host.mac);
        match (advertised, announced) {
            (Some((advertised, _)), Some((announced, _))) => Ok([*advertised, *announced]),
            _ => Err(anyhow!("{} adverts, {} announcements", adverts.len(), announcements.len())),
        }
    })
}
