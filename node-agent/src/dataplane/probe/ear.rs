//! What hears the neighbours, open only while there is something to find out.

use std::io;

use crate::dataplane::background::Background;
use crate::sys::neighbour_receiver::NeighbourReceiver;
use crate::sys::packet_receiver::ReceivedPacket;

/// How many packets are taken before advertisements have their turn again.
const PACKETS: usize = 256;

/// The sockets, while they are open.
pub(super) struct Ear {
    receiver: Option<NeighbourReceiver>,
    /// More has come than was taken.
    behind: bool,
    closing: Background,
}

impl Ear {
    /// A closed one. What is closed is closed by `closing`.
    pub(super) const fn new(closing: Background) -> Self {
        Self { receiver: None, behind: false, closing }
    }

    /// Opens or closes the sockets.
    pub(super) fn set_open(&mut self, open: bool) -> io::Result<()> {
        match (open, self.receiver.take()) {
            (true, None) => self.receiver = Some(NeighbourReceiver::open()?),
            (false, Some(receiver)) => {
                self.behind = false;
                let sockets = receiver.into_sockets();
                // It is done whether or not anybody waits for it.
                drop(self.closing.run(move || drop(sockets)));
            }
            (_, unchanged) => self.receiver = unchanged,
        }
        Ok(())
    }

    /// Whether there is more than the last [`take`](Self::take) took.
    pub(super) const fn is_behind(&self) -> bool {
        self.behind
    }

    /// Returns once there may be something to [`take`](Self::take); never while it is closed.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.receiver {
            Some(_) if self.behind => Ok(()),
            Some(receiver) => receiver.readable().await,
            None => std::future::pending().await,
        }
    }

    /// Hands what has come to `heed`, which is told which packet and its octets.
    pub(super) fn take(
        &mut self,
        buffer: &mut [u8],
        mut heed: impl FnMut(&ReceivedPacket, &[u8]),
    ) -> io::Result<()> {
        self.behind = false;
        let Some(receiver) = &self.receiver else { return Ok(()) };
        for _ in 0..PACKETS {
            let Some(packet) = receiver.receive(buffer)? else { return Ok(()) };
            heed(&packet, &buffer[..packet.length.min(buffer.len())]);
        }
        self.behind = true;
        Ok(())
    }
}
