//! What `ip` shows of the macvlans of virtual routers.

use crate::eventually::eventually;
use crate::lab::Lab;

/// The host's macvlans, and the addresses on them.
pub(crate) fn shown(lab: &Lab, host: u8) -> String {
    let links = lab.ip(host, &["-d", "link", "show", "type", "macvlan"]);
    links + &lab.ip(host, &["address", "show", "type", "macvlan"])
}

/// Whether a macvlan of the host is up, and each of these is on one as a host address.
pub(crate) fn holds(lab: &Lab, host: u8, addresses: &[&str]) -> bool {
    let shown = shown(lab, host);
    let is_there = |address: &&str| match address.contains(':') {
        true => shown.contains(&format!("inet6 {address}/128 ")),
        false => shown.contains(&format!("inet {address}/32 ")),
    };
    addresses.iter().all(is_there) && shown.contains(",UP,LOWER_UP")
}

/// Waits until there are so many that are complete.
pub(crate) fn are_made(lab: &Lab, host: u8, count: usize) {
    let complete = |shown: &String| shown.matches("alias baton-agent").count() == count;
    eventually("the macvlans", || lab.ip(host, &["-d", "link", "show", "type", "macvlan"]), complete);
}
