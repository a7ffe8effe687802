//! A LAN that loses what a host announces (gratuitous ARP, unsolicited neighbour advertisements), and nothing
//! else of it.

use std::net::IpAddr;

use anyhow::Result;

use crate::clock::Moment;
use crate::host::Host;
use crate::lab::Lab;

/// What ARP has to say over Ethernet and IPv4 (RFC 826).
const ARP_OCTETS: usize = 28;
/// A neighbour advertisement with a MAC address in it, over IPv6 (RFC 4861 §4.4).
const NEIGHBOUR_ADVERTISEMENT_OCTETS: usize = 40 + 32;

impl Lab {
    /// Loses the next `count` announcements of `address` that the host sends.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn lose_announcements(&self, host: &Host, address: impl Into<IpAddr>, count: usize) -> Result<()> {
        let address = address.into();
        // What is counted begins behind the Ethernet header.
        let each = if address.is_ipv4() { ARP_OCTETS } else { NEIGHBOUR_ADVERTISEMENT_OCTETS };
        self.lose("lossy", host, address, &format!("quota until {} bytes drop", count * each))
    }

    /// Loses every announcement of `address` that the host sends, until [`Lab::carry_announcements`].
    ///
    /// # Errors
    /// When nft refuses.
    pub fn lose_all_announcements(&self, host: &Host, address: impl Into<IpAddr>) -> Result<()> {
        self.lose("unannounced", host, address.into(), "drop")
    }

    /// Ends [`Lab::lose_all_announcements`]. Answers a moment before which all were lost.
    ///
    /// # Errors
    /// When none was to be lost.
    pub fn carry_announcements(&self, host: &Host) -> Result<Moment> {
        let (switch, _) = self.port(host);
        let before = Moment::now();
        switch.nft("delete table netdev unannounced")?;
        Ok(before)
    }

    fn lose(&self, table: &str, host: &Host, address: IpAddr, verdict: &str) -> Result<()> {
        let (switch, port) = self.port(host);
        let announcement = match address {
            IpAddr::V4(address) => format!("arp saddr ip {address} arp daddr ip {address}"),
            // Who is asked answers to the one that asked.
            IpAddr::V6(address) => {
                format!("ip6 saddr {address} ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert")
            }
        };
        switch.nft(&format!(
            "table netdev {table} {{
               chain from_{name} {{
                 type filter hook ingress device {port} priority 0
                 {announcement} {verdict}
               }}
             }}",
            name = host.name,
        ))
    }
}
