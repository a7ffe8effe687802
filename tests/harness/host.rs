//! A host of the laboratory: a namespace with its addresses, and what its kernel says of them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::clock::Moment;
use crate::command::output_of;
use crate::frame::Mac;
use crate::link::set_link;
use crate::namespace::Namespace;

/// A host of the laboratory.
#[derive(Debug, Clone)]
pub struct Host {
    /// What the laboratory calls it.
    pub name: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// The address of `eth0`.
    pub lan: Ipv4Addr,
    /// The address of `mgmt0`.
    pub management: Ipv4Addr,
    /// The hardware address of `eth0`.
    pub mac: Mac,
    /// Where its programs keep their files.
    pub directory: PathBuf,
}

impl Host {
    /// Whether its kernel has `address` on one of the interfaces.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn has_address(&self, address: Ipv4Addr) -> Result<bool> {
        let wanted = address.to_string();
        let links: serde_json::Value =
            serde_json::from_str(&output_of(self.namespace.command("ip").args(["-j", "-4", "address"]))?)?;
        let links = links.as_array().context("ip answers no list")?;
        let addresses = links.iter().filter_map(|link| link["addr_info"].as_array()).flatten();
        Ok(addresses.filter_map(|one| one["local"].as_str()).any(|local| local == wanted))
    }

    /// Whether some interface has the IPv6 address.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn has_ipv6_address(&self, address: Ipv6Addr) -> Result<bool> {
        let shown = output_of(self.namespace.command("ip").args(["-6", "-o", "address"]))?;
        Ok(shown.contains(&format!(" {address}/")))
    }

    /// Lets `eth0` speak IPv6, from `fe80::` and the last octet of its IPv4 address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn speak_ipv6(&self) -> Result<()> {
        self.namespace.set_sysctl("net/ipv6/conf/eth0/addr_gen_mode", "1")?;
        self.namespace.set_sysctl("net/ipv6/conf/eth0/disable_ipv6", "0")?;
        self.add_ipv6_address(self.link_local())
    }

    /// The address of `eth0` that [`Host::speak_ipv6`] gives it.
    #[must_use]
    pub fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, self.lan.octets()[3].into())
    }

    /// Gives `eth0` an IPv6 address of a /64.
    ///
    /// # Errors
    /// When it has it already.
    pub fn add_ipv6_address(&self, address: Ipv6Addr) -> Result<()> {
        let address = format!("{address}/64");
        output_of(self.namespace.command("ip").args(["address", "add", &address, "dev", "eth0", "nodad"]))
            .map(drop)
    }

    /// Gives `eth0` a further address of its own, as its operator would.
    ///
    /// # Errors
    /// When it has it already.
    pub fn add_address(&self, address: Ipv4Addr) -> Result<()> {
        let address = format!("{address}/24");
        output_of(self.namespace.command("ip").args(["address", "add", &address, "dev", "eth0"])).map(drop)
    }

    /// Sets `eth0` up or down. Answers a moment just before.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_interface(&self, up: bool) -> Result<Moment> {
        set_link(&self.namespace, "eth0", up)
    }

    /// Removes `address` from `eth0`, as a boot does with what a kernel held before.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn flush(&self, address: Ipv4Addr) -> Result<()> {
        let address = format!("{address}/32");
        let mut command = self.namespace.command("ip");
        output_of(command.args(["address", "flush", "dev", "eth0", "to", &address])).map(drop)
    }
}
