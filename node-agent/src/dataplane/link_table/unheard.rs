//! Neighbours for which the kernel asked on a macvlan that might not speak yet.
//!
//! To a link-local address packets may come in as soon as it is there, where the switch floods them because its
//! holder is gone. The answers leave through the macvlan itself, for which the kernel first solicits the
//! neighbour; the closed queue swallows that. The kernel keeps the answers and solicits again a second later
//! (`RETRANS_TIMER`, RFC 4861 §10): until then the client is without one. So it is told to begin anew.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use rtnetlink::packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::dataplane::netlink::{Netlink, NetlinkError};

/// Has the kernel solicit every neighbour anew that it waits for on these macvlans.
pub(super) async fn ask_again(netlink: &Netlink, macvlans: &BTreeSet<u32>) -> Result<(), NetlinkError> {
    for neighbour in awaited(netlink, macvlans).await? {
        // First it is no longer waited for, with what is kept for it; then it is used, and solicited at once.
        for flags in [NeighbourFlags::empty(), NeighbourFlags::Use] {
            let mut message = neighbour.clone();
            message.header.flags = flags;
            // It may have answered, or be given up, by now.
            let _gone = netlink.change(RouteNetlinkMessage::NewNeighbour(message), 0).await;
        }
    }
    Ok(())
}

/// The neighbours whose MAC addresses are not known yet, in no state.
async fn awaited(netlink: &Netlink, macvlans: &BTreeSet<u32>) -> Result<Vec<NeighbourMessage>, NetlinkError> {
    let listed = netlink.request(|handle| async move {
        let mut listed = handle.neighbours().get().set_address_family(AddressFamily::Inet6).execute();
        let mut awaited = Vec::new();
        while let Some(neighbour) = listed.next().await {
            let mut neighbour = neighbour?;
            let header = &neighbour.header;
            if header.state == NeighbourState::Incomplete && macvlans.contains(&header.ifindex) {
                neighbour.header.state = NeighbourState::None;
                neighbour.attributes.retain(|one| matches!(one, NeighbourAttribute::Destination(_)));
                awaited.push(neighbour);
            }
        }
        Ok(awaited)
    });
    listed.await
}
