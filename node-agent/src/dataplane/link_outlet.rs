//! Whether a virtual router's macvlan may send: a queue in front of it that holds some packets or none.
//!
//! All members share its MAC address, and a switch sends what is for that address to the port where it was
//! heard last. A member that lets go must not send from it after its successor has. The kernel would: some 10
//! ms after an IPv6 address has gone it reports that its multicast group was left (RFC 3810 §6.1); when a
//! flag of the interface changes it reports every group again; and it repeats reports for a second. Taking
//! the macvlan down ends all that, but takes the kernel 20 ms. Changing the length of its queue to none takes
//! 0.1 ms, and lets nothing out from then on.

use std::io;

use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::netlink::{Netlink, NetlinkError};

/// The queue that every kernel with queues has (`tc-pfifo(8)`). Its options are a `tc_fifo_qopt` of
/// `linux/pkt_sched.h`.
const KIND: &str = "pfifo";
/// `TCA_OPTIONS` (`linux/rtnetlink.h`).
const OPTIONS: u16 = 2;
/// The number by which it is found again; any would do.
const HANDLE: TcHandle = TcHandle { major: 0x00ba, minor: 0 };
/// Far more than ever wait: an interface that stands on another sends at once.
const OPEN_PACKETS: u32 = 1_000;

/// Lets it send.
pub(super) async fn open(netlink: &Netlink, ifindex: u32) -> Result<(), NetlinkError> {
    limit(netlink, ifindex, OPEN_PACKETS).await
}

/// Lets nothing out any longer.
pub(super) async fn close(netlink: &Netlink, ifindex: u32) -> Result<(), NetlinkError> {
    limit(netlink, ifindex, 0).await
}

/// The message by which nothing is let out any longer, to be sent with `NLM_F_CREATE` and `NLM_F_REPLACE`; `None`
/// where there can be no such interface.
pub(super) fn closing(ifindex: u32) -> Option<RouteNetlinkMessage> {
    limiting(ifindex, 0)
}

async fn limit(netlink: &Netlink, ifindex: u32, packets: u32) -> Result<(), NetlinkError> {
    let no_interface = || NetlinkError::Refused(io::Error::from_raw_os_error(libc::ENODEV));
    let message = limiting(ifindex, packets).ok_or_else(no_interface)?;
    netlink.change(message, NLM_F_CREATE | NLM_F_REPLACE).await
}

fn limiting(ifindex: u32, packets: u32) -> Option<RouteNetlinkMessage> {
    let index = i32::try_from(ifindex).ok()?;
    let mut message = TcMessage::with_index(index);
    message.header.parent = TcHandle::ROOT;
    message.header.handle = HANDLE;
    message.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Other(DefaultNla::new(OPTIONS, packets.to_ne_bytes().to_vec())),
    ];
    Some(RouteNetlinkMessage::NewQueueDiscipline(message))
}
