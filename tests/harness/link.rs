//! Sets an interface up or down by one netlink message (rtnetlink(7)): a program would take milliseconds to
//! start, and what is measured from the loss of a link must not begin before it.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use nix::libc::{AF_UNSPEC, IFF_UP, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, RTM_SETLINK};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::clock::Moment;
use crate::namespace::Namespace;

/// Of `nlmsghdr` and of `ifinfomsg`.
const HEADER: usize = 16;

/// Sets the interface up or down, and answers a moment just before.
///
/// # Errors
/// When there is no such interface, or without root.
pub(crate) fn set_link(namespace: &Namespace, interface: &str, up: bool) -> Result<Moment> {
    namespace.enter(|| {
        let index =
            if_nametoindex(interface).with_context(|| format!("there is no interface {interface}"))?;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        let before = Moment::now();
        sendto(socket.as_raw_fd(), &request(index, up), &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut answer = [0; 512];
        let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        ensure!(length >= HEADER + 4 && i32::from(kind) == NLMSG_ERROR, "an answer of kind {kind}");
        let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        ensure!(error == 0, "cannot set {interface}: {}", nix::errno::Errno::from_raw(-error));
        Ok(before)
    })?
}

fn request(index: u32, up: bool) -> Vec<u8> {
    let up_flag = u32::try_from(IFF_UP).unwrap_or_default();
    let flags = u16::try_from(NLM_F_REQUEST | NLM_F_ACK).unwrap_or_default();
    let length = u32::try_from(2 * HEADER).unwrap_or_default();
    let mut message = Vec::with_capacity(2 * HEADER);
    message.extend(length.to_ne_bytes());
    message.extend(RTM_SETLINK.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([u8::try_from(AF_UNSPEC).unwrap_or_default(), 0, 0, 0]);
    message.extend(index.to_ne_bytes());
    message.extend(if up { up_flag } else { 0 }.to_ne_bytes());
    message.extend(up_flag.to_ne_bytes());
    message
}
