//! A stranger on the LAN that keeps asking who has an address; a capture at the same host has the answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::frame::Arp;
use crate::host::Host;
use crate::interrupt::stand_aside;
use crate::wire::Wire;

/// Asks until it is dropped.
#[derive(Debug)]
pub struct ArpProber {
    stopped: Arc<AtomicBool>,
}

impl ArpProber {
    /// Begins to ask from `host` for `target`, once `every`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(host: &Host, target: Ipv4Addr, every: Duration) -> Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (host, stop) = (host.clone(), Arc::clone(&stopped));
        thread::Builder::new().name(format!("arp {target}")).spawn(move || {
            if let Err(error) = host.namespace.join().and_then(|()| ask(&host, target, every, &stop)) {
                stand_aside();
                eprintln!("asking for {target}: {error:#}");
            }
        })?;
        Ok(Self { stopped })
    }
}

impl Drop for ArpProber {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn ask(host: &Host, target: Ipv4Addr, every: Duration, stop: &AtomicBool) -> Result<()> {
    let wire = Wire::open("eth0")?;
    let request = Arp::request(host.mac, host.lan, target);
    while !stop.load(Ordering::Relaxed) {
        wire.send(&request)?;
        thread::sleep(every);
    }
    Ok(())
}
