//! Records adverts and ARP as one host sees them, with the kernel's time stamps.
//!
//! What a capture shows is the judge of most incidents: it does not depend on what agents or the server say.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result};

use crate::clock::Moment;
use crate::frame::{Advert, Arp, Content, Frame, Mac};
use crate::interrupt::stand_aside;
use crate::namespace::Namespace;
use crate::wire::{Filter, Wire};

/// A running record. Clones share it.
#[derive(Debug, Clone)]
pub struct Capture {
    name: String,
    frames: Arc<Mutex<Vec<Frame>>>,
    stopped: Arc<AtomicBool>,
    dropped: Arc<AtomicU32>,
}

impl Capture {
    /// Starts to record on `eth0` of `namespace`; everything that arrives after the return is recorded.
    ///
    /// # Errors
    /// When there is no `eth0`, or without root.
    pub fn start(name: &str, namespace: &Namespace) -> Result<Self> {
        Self::record_for(name, namespace, Filter::Everything)
    }

    /// [`Capture::start`], but for what `silent` says.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub(crate) fn start_without(name: &str, namespace: &Namespace, silent: Mac) -> Result<Self> {
        Self::record_for(name, namespace, Filter::NotFrom(silent))
    }

    fn record_for(name: &str, namespace: &Namespace, filter: Filter) -> Result<Self> {
        let capture = Self {
            name: name.to_owned(),
            frames: Arc::default(),
            stopped: Arc::default(),
            dropped: Arc::default(),
        };
        let (recorder, namespace) = (capture.clone(), namespace.clone());
        let (ready, opened) = mpsc::sync_channel(1);
        thread::Builder::new().name(format!("capture {name}")).spawn(move || {
            let wire = namespace.join().and_then(|()| Wire::open_for("eth0", filter));
            match wire {
                Ok(wire) => {
                    drop(ready.send(Ok(())));
                    recorder.record(&wire);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        opened.recv().context("the capture ended before it began")??;
        Ok(capture)
    }

    fn record(&self, wire: &Wire) {
        while !self.stopped.load(Ordering::Relaxed) {
            match wire.receive() {
                Ok(received) => {
                    let frame = received.and_then(|(at, octets)| Frame::read(at, &octets));
                    self.lock().extend(frame);
                    self.dropped.store(wire.dropped(), Ordering::Relaxed);
                }
                Err(error) => {
                    stand_aside();
                    if !self.stopped.load(Ordering::Relaxed) {
                        eprintln!("capture {}: {error:#}", self.name);
                    }
                    return;
                }
            }
        }
    }

    /// Ends the record.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Where it listens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything recorded so far, in the order of arrival.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.lock().clone()
    }

    /// How many frames were lost for the record since it began, because the machine was too busy for it.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Forgets everything recorded so far.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// The adverts of a virtual router that arrived after `since`.
    #[must_use]
    pub fn adverts(&self, vrid: u8, since: Moment) -> Vec<(Moment, Advert)> {
        let frames = self.lock();
        let later = frames.iter().filter(|frame| frame.at > since);
        later
            .filter_map(|frame| match &frame.content {
                Content::Advert(advert) if advert.vrid == vrid => Some((frame.at, advert.clone())),
                Content::Advert(_) | Content::Arp(_) | Content::Neighbour(_) => None,
            })
            .collect()
    }

    /// The adverts of a virtual router that `from` sent after `since`.
    #[must_use]
    pub fn adverts_from(&self, vrid: u8, from: impl Into<IpAddr>, since: Moment) -> Vec<(Moment, Advert)> {
        let from = from.into();
        let mut adverts = self.adverts(vrid, since);
        adverts.retain(|(_, advert)| advert.from == from);
        adverts
    }

    /// The announcements (gratuitous ARP) of `address` that arrived after `since`, with the hardware address
    /// that each one claims.
    #[must_use]
    pub fn announcements(&self, address: Ipv4Addr, since: Moment) -> Vec<(Moment, Mac)> {
        self.claims(address, since, Arp::is_gratuitous)
    }

    /// Who claimed to be `address` after `since`, in a reply or an announcement.
    #[must_use]
    pub fn claims(
        &self,
        address: Ipv4Addr,
        since: Moment,
        wanted: impl Fn(&Arp) -> bool,
    ) -> Vec<(Moment, Mac)> {
        let frames = self.lock();
        let later = frames.iter().filter(|frame| frame.at > since);
        later
            .filter_map(|frame| match &frame.content {
                Content::Arp(arp) if arp.sender == address && wanted(arp) => Some((frame.at, arp.sender_mac)),
                Content::Advert(_) | Content::Arp(_) | Content::Neighbour(_) => None,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
