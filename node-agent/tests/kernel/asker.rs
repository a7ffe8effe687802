//! A host that keeps asking who has the virtual address; a capture has the answers.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::bind;
use socket2::{Domain, Socket, Type};

use crate::lab::{Lab, own_address};

/// How often it asks.
const EVERY: Duration = Duration::from_millis(5);

/// Asks every 5 ms until it is dropped.
pub(crate) struct Asker(Arc<AtomicBool>);

impl Asker {
    /// Asks everybody from a host.
    pub(crate) fn start(lab: &Lab, host: u8, address: &str) -> Self {
        let request = request(host, address.parse().expect("an address"));
        let socket = lab.inside(host, || {
            let socket = Socket::new(Domain::PACKET, Type::RAW, None).expect("a packet socket");
            let interface = getifaddrs().expect("interfaces").find_map(|interface| {
                (interface.interface_name == "eth0").then_some(interface.address?)?.as_link_addr().copied()
            });
            bind(socket.as_raw_fd(), &interface.expect("an Ethernet interface")).expect("bound");
            socket
        });
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) && socket.send(&request).is_ok() {
                std::thread::sleep(EVERY);
            }
        });
        Self(stop)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// RFC 826, to everybody.
fn request(host: u8, target: Ipv4Addr) -> Vec<u8> {
    let mac = [2, 0, 0, 0, 0, host];
    let own: Ipv4Addr = own_address(host).parse().expect("an address");
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    [&[0xff; 6][..], &mac, &[8, 6], &head, &mac, &own.octets(), &[0; 6], &target.octets()].concat()
}
