//! Removes many macvlans at once.
//!
//! The kernel takes 20 ms to remove an interface, in which nobody can change an address, and hardly more for
//! fifty that it removes together: those of one link group (`ip link delete group`). A group is a number that
//! anybody may use, so the macvlans enter one only now, and are removed one by one when a stranger is in it.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

use crate::dataplane::netlink::{Netlink, NetlinkError};

/// The group. Any number would do but 0, which every interface is in from the beginning.
const GROUP: u32 = 0x00ba_7011;

/// Removes them; one that is gone is no error.
pub(super) async fn remove(netlink: &Netlink, macvlans: &BTreeSet<u32>) -> Result<(), NetlinkError> {
    if macvlans.len() > 1 && remove_together(netlink, macvlans).await.is_ok() {
        return Ok(());
    }
    for &ifindex in macvlans {
        unless_gone(netlink.request(|handle| handle.link().del(ifindex).execute()).await)?;
    }
    Ok(())
}

async fn remove_together(netlink: &Netlink, macvlans: &BTreeSet<u32>) -> Result<(), NetlinkError> {
    for &ifindex in macvlans {
        let mut message = LinkUnspec::new_with_index(ifindex).build();
        message.attributes.push(LinkAttribute::Group(GROUP));
        unless_gone(netlink.request(|handle| handle.link().set(message.clone()).execute()).await)?;
    }
    if !members(netlink).await?.is_subset(macvlans) {
        return Err(NetlinkError::Broken("the link group is in use".to_owned()));
    }
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(GROUP));
    unless_gone(netlink.change(RouteNetlinkMessage::DelLink(message), 0).await)
}

/// Everything that is in the group.
async fn members(netlink: &Netlink) -> Result<BTreeSet<u32>, NetlinkError> {
    let listed = netlink.request(|handle| async move {
        let mut links = handle.link().get().execute();
        let mut members = BTreeSet::new();
        while let Some(link) = links.next().await {
            let link = link?;
            if link.attributes.contains(&LinkAttribute::Group(GROUP)) {
                members.insert(link.header.index);
            }
        }
        Ok(members)
    });
    listed.await
}

fn unless_gone(outcome: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match outcome {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        outcome => outcome,
    }
}
