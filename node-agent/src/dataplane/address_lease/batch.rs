//! Many changes to addresses in one system call.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

/// How long the kernel may take for one batch.
const ANSWER_WITHIN_S: i64 = 2;
/// Room for the answers of one system call.
const ANSWER_OCTETS: usize = 64 * 1024;

/// A netlink connection that changes addresses, many at a time. It blocks.
pub(crate) struct BatchSocket {
    socket: Socket,
    sequence: u32,
}

impl BatchSocket {
    /// Connects to the kernel, in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_WITHIN_S))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Has all of these replace what there is; only the last is confirmed, but each that is refused is told. Returns the
    /// first refusal.
    pub(crate) fn replace(&mut self, messages: Vec<AddressMessage>) -> io::Result<()> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(()) };
        let mut octets = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | NLM_F_REPLACE | if index == last { NLM_F_ACK } else { 0 };
            header.sequence_number = self.sequence;
            let payload = NetlinkPayload::from(RouteNetlinkMessage::NewAddress(message));
            let mut message = NetlinkMessage::new(header, payload);
            message.finalize();
            let start = octets.len();
            octets.resize(start + message.buffer_len(), 0);
            message.serialize(&mut octets[start..]);
        }
        self.socket.send(&octets, 0)?;
        self.confirmed()
    }

    fn confirmed(&self) -> io::Result<()> {
        let mut refusal = None;
        loop {
            let mut buffer = Vec::with_capacity(ANSWER_OCTETS);
            self.socket.recv(&mut buffer, 0)?;
            let mut rest = &buffer[..];
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
                let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
                rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
                if let NetlinkPayload::Error(outcome) = answer.payload {
                    if outcome.code.is_some() {
                        refusal.get_or_insert_with(|| outcome.to_io());
                    }
                    if answer.header.sequence_number == self.sequence {
                        return refusal.map_or(Ok(()), Err);
                    }
                }
            }
        }
    }
}
