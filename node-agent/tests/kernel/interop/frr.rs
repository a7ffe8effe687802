//! FRR's `zebra` and `vrrpd` as another router of the LAN, with files and sockets of their own.
//!
//! FRR manages no addresses. It wants a macvlan with the virtual MAC address and the virtual addresses on it,
//! and takes its carrier (`protodown`) while it is Backup. Over IPv6 it advertises from that macvlan's
//! link-local address.
//!
//! What is sent to that macvlan is taken in without a carrier, too. Over IPv6 the answers leave through it
//! alone, and the kernel solicits the neighbour that they are for once a second whether or not that leaves: as
//! Active, FRR's host would begin to answer at any time within a second. So it is told the client's MAC address.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown};
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::lab::Lab;

const PROGRAMS: &str = "/usr/lib/frr";

/// What FRR takes part in: VRID 51 in version 3, every 100 ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instance {
    pub(crate) priority: u8,
    pub(crate) address: &'static str,
}

/// A running pair of daemons; killed when it is dropped.
pub(crate) struct Frr {
    vrrpd: Child,
    zebra: Child,
    files: TempDir,
}

impl Frr {
    /// Makes the macvlan where there is none yet, and starts the daemons.
    pub(crate) fn start(lab: &Lab, host: u8, instance: Instance) -> Self {
        make_macvlan(lab, host, instance.address);
        let files = tempfile::tempdir().expect("a directory");
        let Instance { priority, address } = instance;
        let word = if address.contains(':') { "ipv6" } else { "ip" };
        let vrrpd = format!(
            "debug vrrp\ninterface eth0\n vrrp 51 version 3\n vrrp 51 priority {priority}\n \
             vrrp 51 advertisement-interval 100\n vrrp 51 {word} {address}\n"
        );
        fs::write(files.path().join("zebra.conf"), "").expect("written");
        fs::write(files.path().join("vrrpd.conf"), vrrpd).expect("written");
        // They drop to this user, who makes their sockets.
        let user = User::from_name("frr").expect("users").expect("FRR: apt-get install frr");
        chown(files.path(), Some(user.uid), Some(user.gid)).expect("given away");
        let zebra = daemon(lab, host, "zebra", files.path());
        eventually("zebra's socket", || files.path().join("zserv.api").exists(), |exists| *exists);
        let vrrpd = daemon(lab, host, "vrrpd", files.path());
        Self { vrrpd, zebra, files }
    }

    /// The program and its version, as it says itself.
    pub(crate) fn version() -> String {
        let output =
            Command::new(Path::new(PROGRAMS).join("vrrpd")).arg("--version").output().expect("vrrpd runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next().and_then(|line| line.split_whitespace().last());
        format!("FRR {}", version.expect("a version"))
    }

    /// Whether it takes part by now, as Backup or more.
    pub(crate) fn takes_part(&self) -> bool {
        self.log().contains("Initialize -> Backup")
    }

    /// What its `vrrpd` has said.
    fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("vrrpd.log")).unwrap_or_default()
    }

    /// Asks `vrrpd` to stop: it resigns with priority 0 and takes the carrier from its macvlan.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.vrrpd.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("signalled");
        let _status = self.vrrpd.wait().expect("ended");
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        for daemon in [&mut self.vrrpd, &mut self.zebra] {
            let _killed = daemon.kill();
            let _reaped = daemon.wait();
        }
    }
}

fn daemon(lab: &Lab, host: u8, name: &str, files: &Path) -> Child {
    let log = fs::File::create(files.join(format!("{name}.log"))).expect("a log");
    Command::new("ip")
        .args(["netns", "exec", &lab.host(host)])
        .arg(Path::new(PROGRAMS).join(name))
        .arg("-f")
        .arg(files.join(format!("{name}.conf")))
        .arg("-i")
        .arg(files.join(format!("{name}.pid")))
        .arg("-z")
        .arg(files.join("zserv.api"))
        .arg("--vty_socket")
        .arg(files)
        // No port for a console.
        .args(["-P", "0", "--log", "stdout"])
        .stdout(log.try_clone().expect("the log"))
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .expect("FRR runs: apt-get install frr")
}

fn make_macvlan(lab: &Lab, host: u8, address: &str) {
    let ipv6 = address.contains(':');
    let (name, mac) = if ipv6 { ("vrrp6", "00:00:5e:00:02:33") } else { ("vrrp4", "00:00:5e:00:01:33") };
    if lab.ip(host, &["link", "show", "type", "macvlan"]).contains(name) {
        return;
    }
    let link = ["link", "add", name, "link", "eth0", "address", mac, "type", "macvlan", "mode", "bridge"];
    lab.ip(host, &link);
    lab.ip(host, &["link", "set", name, "addrgenmode", "none"]);
    if ipv6 {
        // It advertises from the one that the kernel lists first, which is the last one added.
        lab.ip(host, &["address", "add", &format!("{address}/128"), "dev", name, "nodad"]);
        lab.ip(host, &["address", "add", &format!("fe80::1:{host}/64"), "dev", name, "nodad"]);
        let client = *lab.hosts().end();
        let (address, mac) = (format!("fe80::{client}"), format!("02:00:00:00:00:{client:02x}"));
        lab.ip(host, &["neighbour", "add", &address, "lladdr", &mac, "dev", name, "nud", "permanent"]);
    } else {
        lab.ip(host, &["address", "add", &format!("{address}/32"), "dev", name]);
    }
    // Without a carrier until FRR gives it one.
    lab.ip(host, &["link", "set", name, "protodown", "on", "up"]);
}
