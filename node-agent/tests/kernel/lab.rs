//! A bridge and one namespace for each host on it.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nix::sched::{CloneFlags, setns};
use nix::unistd::geteuid;

static TURN: RwLock<()> = RwLock::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Hosts on one LAN; removed with all that is in them when it is dropped.
pub(crate) struct Lab {
    prefix: String,
    hosts: u8,
    _turn: Turn,
}

/// Held for the guard's sake: with whom a laboratory shares the machine.
enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
    Any,
}

impl Lab {
    /// A LAN with the hosts 1 to `hosts`, for a test that waits most of its time. Host `n` has `eth0` with
    /// 10.66.0.n/16 and the MAC address 02:00:00:00:00:0n.
    pub(crate) fn new(hosts: u8) -> Self {
        Self::make(hosts, Turn::Shared { _guard: TURN.read().unwrap_or_else(PoisonError::into_inner) })
    }

    /// The same LAN, for a test that keeps the machine busy or measures what another one would disturb.
    pub(crate) fn alone(hosts: u8) -> Self {
        Self::make(hosts, Turn::Alone { _guard: TURN.write().unwrap_or_else(PoisonError::into_inner) })
    }

    /// The same LAN with IPv6: host `n` has fe80::n and 2001:db8:66::n too, for which nobody probes.
    pub(crate) fn with_ipv6(hosts: u8) -> Self {
        Self::new(hosts).speaking_ipv6()
    }

    /// [`Lab::with_ipv6`], as [`Lab::alone`].
    pub(crate) fn alone_with_ipv6(hosts: u8) -> Self {
        Self::alone(hosts).speaking_ipv6()
    }

    fn speaking_ipv6(self) -> Self {
        for host in 1..=self.hosts {
            for own in [format!("fe80::{host}/64"), format!("2001:db8:66::{host}/64")] {
                self.ip(host, &["address", "add", &own, "dev", "eth0", "nodad"]);
            }
        }
        self
    }

    /// The same LAN, for a test that does nothing but wait, and so disturbs nobody at all.
    pub(crate) fn beside_others(hosts: u8) -> Self {
        Self::make(hosts, Turn::Any)
    }

    fn make(hosts: u8, turn: Turn) -> Self {
        assert!(geteuid().is_root(), "the kernel tests need root: they make network namespaces");
        let prefix = format!("btd-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let lab = Self { prefix, hosts, _turn: turn };
        let switch = lab.switch();
        ip(&["netns", "add", &switch]);
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        ip(&["-n", &switch, "link", "set", "br0", "up"]);
        for host in 1..=hosts {
            let name = lab.host(host);
            ip(&["netns", "add", &name]);
            // The number under which `ip monitor all-nsid` shows it in the namespace with the bridge.
            ip(&["-n", &switch, "netns", "set", &name, &host.to_string()]);
            ip(&["-n", &name, "link", "set", "lo", "up"]);
            lab.plug_in(host);
        }
        lab
    }

    /// Gives the host its interface and plugs it into the bridge.
    pub(crate) fn plug_in(&self, host: u8) {
        let (switch, name) = (self.switch(), self.host(host));
        let (port, mac) = (port(host), format!("02:00:00:00:00:{host:02x}"));
        ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        ip(&["-n", &name, "link", "set", "eth0", "address", &mac, "addrgenmode", "none"]);
        ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
        ip(&["-n", &name, "address", "add", &format!("{}/16", own_address(host)), "dev", "eth0"]);
        ip(&["-n", &name, "link", "set", "eth0", "up"]);
    }

    /// The numbers of the hosts.
    pub(crate) fn hosts(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.hosts
    }

    /// The name of a host's namespace.
    pub(crate) fn host(&self, host: u8) -> String {
        format!("{}-h{host}", self.prefix)
    }

    /// Runs `ip` in a host's namespace and returns what it prints.
    pub(crate) fn ip(&self, host: u8, arguments: &[&str]) -> String {
        let name = self.host(host);
        ip(&[&["-n", &name], arguments].concat())
    }

    /// The index of a host's `eth0`, which a link-local address is reached through.
    pub(crate) fn scope(&self, host: u8) -> u32 {
        let shown = self.ip(host, &["-o", "link", "show", "dev", "eth0"]);
        shown.split(':').next().and_then(|index| index.parse().ok()).expect("an index")
    }

    /// Makes a host forward packets of both families.
    pub(crate) fn let_forward(&self, host: u8) {
        let settings = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
        self.inside(host, || settings.map(|path| std::fs::write(path, "1").expect("a sysctl")));
    }

    /// Takes the carrier from a host's interface, or gives it back.
    pub(crate) fn set_carrier(&self, host: u8, up: bool) {
        ip(&["-n", &self.switch(), "link", "set", &port(host), if up { "up" } else { "down" }]);
    }

    /// Takes a host off the bridge, with its carrier kept: to all others it is as if it had died.
    pub(crate) fn cut_off(&self, host: u8) {
        ip(&["-n", &self.switch(), "link", "set", &port(host), "nomaster"]);
    }

    /// Ends [`Lab::cut_off`].
    pub(crate) fn put_back(&self, host: u8) {
        ip(&["-n", &self.switch(), "link", "set", &port(host), "master", "br0"]);
    }

    /// Whether a host's port speaks with no other port of which this is so too.
    pub(crate) fn isolate(&self, host: u8, isolated: bool) {
        let isolated = if isolated { "on" } else { "off" };
        let switch = self.switch();
        ip(&["-n", &switch, "link", "set", &port(host), "type", "bridge_slave", "isolated", isolated]);
    }

    /// Whether `ip address` shows this address on the host's `eth0` as a host address.
    pub(crate) fn has(&self, host: u8, address: &str) -> bool {
        self.addresses(host).contains(&format!("inet {address}/32 "))
    }

    /// What `ip address` shows of the host's `eth0`; nothing when there is none.
    pub(crate) fn addresses(&self, host: u8) -> String {
        let output = Command::new("ip")
            .args(["-n", &self.host(host), "-4", "address", "show", "dev", "eth0"])
            .output();
        String::from_utf8(output.expect("ip runs").stdout).expect("ip prints text")
    }

    /// Runs `work` on a new thread in the host's namespace. What it opens or starts lives there.
    pub(crate) fn inside<T: Send>(&self, host: u8, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.host(host));
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(File::open(path).expect("the namespace"), CloneFlags::CLONE_NEWNET).expect("entered");
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The name of the namespace with the bridge.
    pub(crate) fn switch(&self) -> String {
        format!("{}-s", self.prefix)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in (1..=self.hosts).map(|host| self.host(host)).chain([self.switch()]) {
            let _removed = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}

/// The own address of a host.
pub(crate) fn own_address(host: u8) -> String {
    format!("10.66.0.{host}")
}

fn port(host: u8) -> String {
    format!("port{host}")
}

/// Runs `ip` and returns what it prints.
pub(crate) fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {} failed: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("ip prints text")
}
