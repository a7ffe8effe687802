//! Whether a virtual router's macvlan may send: a queue in front of it that holds some packets or none.
//!
//! All members share its MAC address, and a switch sends what is for that address to the port where it was heard last. A
//! member that lets go must not send from it after its successor has. The kernel would: some 10 ms after an IPv6
//! address has gone it reports that its multicast group was left (RFC 3810 §6.1); when a flag of the interface changes it
//! reports every group again; and it repeats reports for a second. Taking the macvlan down ends all that, but takes the
//! kernel 20 ms. Changing the length of its queue to none takes 0.1 ms, and lets nothing out from then on.

use std::io;

use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

/// The queue that every kernel with queues has (`tc-pfifo(8)`). Its options are a `tc_fifo_qopt` of `linux/pkt_sched.h`.
const KIND: &str = "pfifo";
/// `TCA_OPTIONS` (`linux/rtnetlink.h`).
const OPTIONS: u16 = 2;
/// The number by which it is found again; any would do.
const HANDLE: TcHandle = TcHandle { major: 0x00ba, minor: 0 };
/// Far more than ever wait: an interface that stands on another sends at once.
const OPEN_PACKETS: u32 = 1_000;

/// Lets it send. Before it comes up.
pub(super) async fn open(handle: &Handle, ifindex: u32) -> io::Result<()> {
    limit(handle, ifindex, OPEN_PACKETS).await
}

/// Lets nothing out any longer.
pub(super) async fn close(handle: &Handle, ifindex: u32) -> io::Result<()> {
    limit(handle, ifindex, 0).await
}

async fn limit(handle: &Handle, ifindex: u32, packets: u32) -> io::Result<()> {
    let index = i32::try_from(ifindex).map_err(|_large| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut message = TcMessage::with_index(index);
    message.header.parent = TcHandle::ROOT;
    message.header.handle = HANDLE;
    message.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Other(DefaultNla::new(OPTIONS, packets.to_ne_bytes().to_vec())),
    ];
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut handle = handle.clone();
    let mut answers = handle.request(request).map_err(|error| io::Error::other(error.to_string()))?;
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::Error(error) = answer.payload
            && let Some(code) = error.code
        {
            return Err(io::Error::from_raw_os_error(-code.get()));
        }
    }
    Ok(())
}
