//! A LAN that loses what a host announces (gratuitous ARP), and nothing else of it.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::clock::Moment;
use crate::host::Host;
use crate::lab::Lab;

/// What ARP has to say over Ethernet and IPv4 (RFC 826).
const ARP_OCTETS: usize = 28;

impl Lab {
    /// Loses the next `count` announcements of `address` that the host sends.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn lose_announcements(&self, host: &Host, address: Ipv4Addr, count: usize) -> Result<()> {
        // What is counted begins behind the Ethernet header.
        let octets = count * ARP_OCTETS;
        self.lose("lossy", host, address, &format!("quota until {octets} bytes drop"))
    }

    /// Loses every announcement of `address` that the host sends, until [`Lab::carry_announcements`].
    ///
    /// # Errors
    /// When nft refuses.
    pub fn lose_all_announcements(&self, host: &Host, address: Ipv4Addr) -> Result<()> {
        self.lose("unannounced", host, address, "drop")
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

    fn lose(&self, table: &str, host: &Host, address: Ipv4Addr, verdict: &str) -> Result<()> {
        let (switch, port) = self.port(host);
        switch.nft(&format!(
            "table netdev {table} {{
               chain from_{name} {{
                 type filter hook ingress device {port} priority 0
                 arp saddr ip {address} arp daddr ip {address} {verdict}
               }}
             }}",
            name = host.name,
        ))
    }
}
