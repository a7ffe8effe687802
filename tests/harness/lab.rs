//! The laboratory: a switch with two bridges, and one namespace for each host that is plugged into it.
//!
//! ```text
//!            switch namespace                       host namespaces
//!   bridge lan  ── port lan-n1  ═══ veth ═══  eth0  10.77.0.11/24   node n1
//!   bridge mgmt ── port mgmt-n1 ═══ veth ═══  mgmt0 10.99.0.11/24
//! ```
//!
//! The LAN carries adverts, ARP and clients; the management bridge what agents and server say to each other.
//! Nothing is outside the namespaces. Laboratories take turns, of all checkouts: they share a machine's time.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::capture::Capture;
use crate::clock::Moment;
use crate::command::output_of;
use crate::evidence;
use crate::frame::Mac;
use crate::host::Host;
use crate::interrupt::{self, stand_aside};
use crate::leftovers;
use crate::link::set_link;
use crate::namespace::Namespace;

const LAN: &str = "lan";
const MANAGEMENT: &str = "mgmt";
const OBSERVER: &str = "observer";
/// A directory that every machine has once, whatever checkouts there are.
const TURNS: &str = "/run";

/// Drops what enters from and what would leave to the ports in the set, with their carrier kept.
const SWITCH_RULES: &str = "
table bridge switch {
  set cut_ports {
    type ifname
  }
  chain from_port {
    type filter hook prerouting priority -300
    iifname @cut_ports drop
  }
  chain to_port {
    type filter hook postrouting priority 300
    oifname @cut_ports drop
  }
}
";

/// The subnets of a laboratory: the first three octets of the LAN's /24 and of the management network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnets {
    /// Where adverts, virtual addresses and clients live.
    pub lan: [u8; 3],
    /// Where agents and the server talk.
    pub management: [u8; 3],
}

impl Default for Subnets {
    fn default() -> Self {
        Self { lan: [10, 77, 0], management: [10, 99, 0] }
    }
}

/// Which of the two bridges a host is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// `eth0` on the LAN and `mgmt0` on the management bridge.
    Both,
    /// `eth0` only.
    Lan,
    /// `mgmt0` only.
    Management,
}

/// See the module. Everything it made is removed when it is dropped.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    directory: PathBuf,
    subnets: Subnets,
    switch: Namespace,
    /// The namespaces that hold addresses, for [`Lab::holders`].
    hosts: RefCell<Vec<Host>>,
    captures: RefCell<Vec<Capture>>,
    _turn: Flock<File>,
}

impl Lab {
    /// Runs an incident in a fresh laboratory. When it fails or panics, logs and captures are kept under
    /// `target/e2e/` and the tail of each is printed.
    ///
    /// # Errors
    /// What the incident answers, or why there could be no laboratory.
    pub fn run(incident: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        Self::run_on(Subnets::default(), incident)
    }

    /// [`Lab::run`] on other subnets; answers what the incident answers.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub fn run_on<T>(subnets: Subnets, incident: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let lab = Self::new(subnets)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| incident(&lab)))
            .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", evidence::panic_message(&*panic))));
        stand_aside();
        if outcome.is_err() {
            evidence::keep(&lab.directory, &lab.captures.borrow());
        }
        outcome
    }

    /// Waits for its turn, removes what dead runs left, and builds the switch.
    ///
    /// # Errors
    /// Without root, `ip` or `nft`.
    fn new(subnets: Subnets) -> Result<Self> {
        interrupt::watch(leftovers::sweep_live);
        let turn = take_turn()?;
        let (prefix, directory) = leftovers::claim()?;
        let built = build_switch(&prefix);
        let switch = built.inspect_err(|_| leftovers::sweep(&prefix))?;
        Ok(Self {
            prefix,
            directory,
            subnets,
            switch,
            hosts: RefCell::default(),
            captures: RefCell::default(),
            _turn: turn,
        })
    }

    /// Where its hosts keep their files and logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address of the LAN that ends in `last`.
    #[must_use]
    pub const fn lan_address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.subnets.lan;
        Ipv4Addr::new(a, b, c, last)
    }

    /// Plugs in a host whose addresses end in `last`.
    ///
    /// # Errors
    /// When its name or number is taken.
    pub fn host(&self, name: &str, last: u8, ports: Ports) -> Result<Host> {
        let namespace = Namespace::add(&format!("{}{name}", self.prefix))?;
        let [a, b, c] = self.subnets.management;
        let host = Host {
            name: name.to_owned(),
            namespace,
            lan: self.lan_address(last),
            management: Ipv4Addr::new(a, b, c, last),
            mac: Mac([0x02, 0x77, 0, 0, 0, last]),
            directory: self.directory.join(name),
        };
        fs::create_dir(&host.directory)?;
        if ports != Ports::Management {
            self.plug(&host, "eth0", LAN, host.lan, host.mac)?;
        }
        if ports != Ports::Lan {
            self.plug(&host, "mgmt0", MANAGEMENT, host.management, Mac([0x02, 0x99, 0, 0, 0, last]))?;
        }
        self.hosts.borrow_mut().push(host.clone());
        Ok(host)
    }

    fn plug(&self, host: &Host, interface: &str, bridge: &str, address: Ipv4Addr, mac: Mac) -> Result<()> {
        let port = format!("{bridge}-{}", host.name);
        let (host, switch) = (host.namespace.name(), self.switch.name());
        let mac = mac.to_string();
        let ip = |arguments: &[&str]| output_of(Command::new("ip").args(arguments)).map(drop);
        ip(&[
            "link", "add", interface, "netns", host, "address", &mac, "type", "veth", "peer", "name", &port,
            "netns", switch,
        ])?;
        ip(&["-n", switch, "link", "set", &port, "master", bridge, "up"])?;
        ip(&["-n", host, "address", "add", &format!("{address}/24"), "dev", interface])?;
        ip(&["-n", host, "link", "set", interface, "up"])
    }

    /// Cuts the host off: the switch drops everything from and to its ports, whose carrier stays. Answers
    /// from when on nothing of the host arrives; up to then it goes on advertising and announcing.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn cut(&self, host: &Host) -> Result<Moment> {
        self.switch.nft(&format!("add element bridge switch cut_ports {{ {} }}", ports_of(host)))?;
        Ok(Moment::now())
    }

    /// Ends [`Lab::cut`].
    ///
    /// # Errors
    /// When it was not cut off.
    pub fn heal(&self, host: &Host) -> Result<()> {
        self.switch.nft(&format!("delete element bridge switch cut_ports {{ {} }}", ports_of(host)))
    }

    /// Cuts the host off from the LAN only: it goes on speaking with the server.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn cut_lan(&self, host: &Host) -> Result<Moment> {
        self.switch.nft(&format!("add element bridge switch cut_ports {{ \"{}\" }}", lan_port(host)))?;
        Ok(Moment::now())
    }

    /// Ends [`Lab::cut_lan`]. Answers a moment before which everything of the host was still dropped.
    ///
    /// # Errors
    /// When it was not cut off.
    pub fn heal_lan(&self, host: &Host) -> Result<Moment> {
        let before = Moment::now();
        self.switch.nft(&format!("delete element bridge switch cut_ports {{ \"{}\" }}", lan_port(host)))?;
        Ok(before)
    }

    /// Cuts the host off from the management network only: no agent on it reaches the server.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn cut_management(&self, host: &Host) -> Result<()> {
        self.switch.nft(&format!("add element bridge switch cut_ports {{ \"{MANAGEMENT}-{}\" }}", host.name))
    }

    /// Ends [`Lab::cut_management`].
    ///
    /// # Errors
    /// When it was not cut off.
    pub fn heal_management(&self, host: &Host) -> Result<()> {
        self.switch
            .nft(&format!("delete element bridge switch cut_ports {{ \"{MANAGEMENT}-{}\" }}", host.name))
    }

    /// Takes the carrier from the host's interface on the LAN, or gives it back. Answers a moment before.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_carrier(&self, host: &Host, on: bool) -> Result<Moment> {
        set_link(&self.switch, &lan_port(host), on)
    }

    /// The host's port of the switch on the LAN: a namespace and an interface in it.
    pub(crate) fn port(&self, host: &Host) -> (Namespace, String) {
        (self.switch.clone(), lan_port(host))
    }

    /// Makes the LAN one that carries no multicast: what routers send to the multicast groups of VRRP reaches
    /// nobody but the [`Lab::observer`].
    ///
    /// # Errors
    /// When nft refuses.
    pub fn carry_no_multicast(&self) -> Result<()> {
        self.switch.nft(&format!(
            "add rule bridge switch to_port oifname != {LAN}-{OBSERVER} \
             ether daddr {{ 01:00:5e:00:00:12, 33:33:00:00:00:12 }} drop"
        ))
    }

    /// The hosts that have `address` on one of their interfaces, by asking each one's kernel.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn holders(&self, address: Ipv4Addr) -> Result<Vec<String>> {
        let mut holders = Vec::new();
        for host in self.hosts.borrow().iter() {
            if host.has_address(address)? {
                holders.push(host.name.clone());
            }
        }
        Ok(holders)
    }

    /// [`Lab::holders`], as a look for [`eventually`](crate::eventually()).
    ///
    /// # Errors
    /// Says who holds it when `host` is not the one and only holder.
    pub fn only_holder(&self, address: Ipv4Addr, host: &str) -> Result<()> {
        match self.holders(address)?.as_slice() {
            [only] if only == host => Ok(()),
            others => Err(anyhow!("{address} is held by {others:?}")),
        }
    }

    /// The host of that name.
    ///
    /// # Errors
    /// When none was plugged in.
    pub fn plugged_in(&self, name: &str) -> Result<Host> {
        let hosts = self.hosts.borrow();
        hosts.iter().find(|host| host.name == name).cloned().with_context(|| format!("no host {name}"))
    }

    /// Plugs in a stranger that records adverts and ARP on the LAN.
    ///
    /// # Errors
    /// When it cannot be plugged in or may not capture.
    pub fn observer(&self) -> Result<(Host, Capture)> {
        let host = self.host(OBSERVER, 60, Ports::Lan)?;
        let capture = self.capture(&host)?;
        Ok((host, capture))
    }

    /// Records adverts and ARP as `host` sees them on `eth0`.
    ///
    /// # Errors
    /// When it may not capture.
    pub fn capture(&self, host: &Host) -> Result<Capture> {
        let capture = Capture::start(&host.name, &host.namespace)?;
        self.captures.borrow_mut().push(capture.clone());
        Ok(capture)
    }

    /// [`Lab::capture`], but for what `silent` says.
    ///
    /// # Errors
    /// As [`Lab::capture`].
    pub fn capture_without(&self, host: &Host, silent: &Host) -> Result<Capture> {
        let capture = Capture::start_without(&host.name, &host.namespace, silent.mac)?;
        self.captures.borrow_mut().push(capture.clone());
        Ok(capture)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        stand_aside();
        for capture in self.captures.borrow().iter() {
            capture.stop();
        }
        leftovers::sweep(&self.prefix);
    }
}

fn lan_port(host: &Host) -> String {
    format!("{LAN}-{}", host.name)
}

fn ports_of(host: &Host) -> String {
    format!("\"{LAN}-{0}\", \"{MANAGEMENT}-{0}\"", host.name)
}

/// A turn is a lock on [`TURNS`] itself, so that no file is left behind.
fn take_turn() -> Result<Flock<File>> {
    let directory = File::open(TURNS).with_context(|| format!("{TURNS} cannot be opened"))?;
    let waiting = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(turn) => return Ok(turn),
        Err((directory, Errno::EWOULDBLOCK)) => directory,
        Err((_, error)) => bail!("cannot ask for a turn: {error}"),
    };
    eprintln!("another laboratory is running; waiting for its turn");
    Flock::lock(waiting, FlockArg::LockExclusive)
        .map_err(|(_, error)| anyhow!("cannot wait for other laboratories: {error}"))
}

fn build_switch(prefix: &str) -> Result<Namespace> {
    let switch = Namespace::add(&format!("{prefix}switch"))?;
    for bridge in [LAN, MANAGEMENT] {
        let plain = ["type", "bridge", "mcast_snooping", "0", "stp_state", "0", "forward_delay", "0"];
        output_of(Command::new("ip").args(["-n", switch.name(), "link", "add", bridge]).args(plain))?;
        output_of(Command::new("ip").args(["-n", switch.name(), "link", "set", bridge, "up"]))?;
    }
    switch.nft(SWITCH_RULES)?;
    Ok(switch)
}
