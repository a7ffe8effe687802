//! Which MAC address a neighbour has for the virtual address.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::lab::{Lab, ip};

/// Looks every few milliseconds which MAC address a host has for the virtual address.
pub(crate) struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Neighbour {
    /// Looks for what a host knows of `address`.
    pub(crate) fn start(lab: &Lab, host: u8, address: &'static str) -> Self {
        let (stop, name) = (Arc::new(AtomicBool::new(false)), lab.host(host));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !told.load(Ordering::Relaxed) && Path::new("/run/netns").join(&name).exists() {
                let entry = ip(&["-n", &name, "neighbour", "show", address]);
                let mac = entry.split_whitespace().skip_while(|word| *word != "lladdr").nth(1);
                seen.extend(mac.map(str::to_owned));
                std::thread::sleep(Duration::from_millis(2));
            }
            seen
        });
        Self { stop, thread }
    }

    /// Every MAC address that was seen.
    pub(crate) fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the looker ends well").into_iter().collect()
    }
}
