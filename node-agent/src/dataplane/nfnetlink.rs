//! What is asked of nftables without starting a program: that an element of a set lives on, whether it is
//! there, which sets a table has, and that a table goes (`linux/netfilter/nf_tables.h`,
//! `linux/netfilter/nfnetlink.h`).
//!
//! The kernel answers within the system call, but waits first until whoever changes other tables has done:
//! that can take a tenth of a second, so nobody asks on the dataplane's thread.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::nft::TableName;

const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const DELETE_TABLE: u16 = NEW_TABLE | 2;
const NEW_SET: u16 = NEW_TABLE | 9;
const GET_SET: u16 = NEW_TABLE | 10;
const NEW_ELEMENT: u16 = NEW_TABLE | 12;
const GET_ELEMENT: u16 = NEW_TABLE | 13;
const DELETE_ELEMENT: u16 = NEW_TABLE | 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// What an answer is that tells of an error, or of none (`linux/netlink.h`).
const ERROR: u16 = 2;
/// The last of several answers.
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const NESTED: u16 = 0x8000;
const NETDEV: u8 = 5;
const HEADER_OCTETS: usize = 16;
/// The kernel fills no more than that with answers at a time.
const DUMP_OCTETS: usize = 32 * 1024;
/// How many elements one batch renews.
const BATCH: usize = 64;

/// The only element of a set: an interface, by its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The set.
    pub(super) set: String,
    /// The interface.
    pub(super) ifindex: u32,
}

/// An element that is to live on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renewal {
    /// Which.
    pub(super) element: Element,
    /// For how long.
    pub(super) lifetime: Duration,
}

/// A connection to nftables. Its calls block.
#[derive(Debug)]
pub(super) struct Nfnetlink {
    socket: OwnedFd,
    sequence: u32,
}

/// Removes the table, which need not be there.
///
/// # Errors
/// What the kernel says.
pub(super) fn remove_table(table: &TableName) -> io::Result<()> {
    let family =
        if table.family == "netdev" { NETDEV } else { return Err(io::ErrorKind::Unsupported.into()) };
    let mut netlink = Nfnetlink::open()?;
    let name = attribute(1, &text(&table.name));
    // Made first, so that it is there.
    let requests = [(NEW_TABLE, CREATE, family, name.clone()), (DELETE_TABLE, 0, family, name)];
    netlink.batch(&requests)
}

impl Nfnetlink {
    /// Opens the connection, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Has elements live for a time from now on, whether or not they are there. One whose set is not there is
    /// left out.
    pub(super) fn renew(&mut self, table: &TableName, renewals: &[Renewal]) {
        for portion in renewals.chunks(BATCH) {
            if self.batch(&portion.iter().flat_map(|one| renewal(table, one)).collect::<Vec<_>>()).is_ok() {
                continue;
            }
            // The kernel carries out all of a batch or nothing.
            for one in portion {
                let _not_there = self.batch(&renewal(table, one));
            }
        }
    }

    /// Whether the element lives; one whose set is not there does not.
    ///
    /// # Errors
    /// What else the kernel says.
    pub(super) fn lives(&mut self, table: &TableName, element: &Element) -> io::Result<bool> {
        let body = elements(table, element, &[]);
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&message(GET_ELEMENT, REQUEST | ACKNOWLEDGE, self.sequence, NETDEV, 0, &body))?;
        let mut lives = false;
        loop {
            match self.answer(MsgFlags::empty())? {
                Some(Answer { sequence, .. }) if sequence != self.sequence => {}
                Some(Answer { error: None, .. }) => lives = true,
                Some(Answer { error: Some(0), .. }) | None => return Ok(lives),
                Some(Answer { error: Some(libc::ENOENT), .. }) => return Ok(false),
                Some(Answer { error: Some(error), .. }) => return Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// The names of the sets of a table; none when it is not there.
    ///
    /// # Errors
    /// What else the kernel says.
    pub(super) fn sets(&mut self, table: &TableName) -> io::Result<Vec<String>> {
        let body = attribute(1, &text(&table.name));
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&message(GET_SET, REQUEST | DUMP, self.sequence, NETDEV, 0, &body))?;
        let mut names = Vec::new();
        let mut buffer = vec![0; DUMP_OCTETS];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for octets in messages(&buffer[..length]) {
                match (kind(octets), Answer::parse(octets)) {
                    (_, Some(Answer { sequence, .. })) if sequence != self.sequence => {}
                    (_, Some(Answer { error: Some(libc::ENOENT), .. })) | (Some(DONE), _) => {
                        return Ok(names);
                    }
                    (_, Some(Answer { error: Some(error), .. })) => {
                        return Err(io::Error::from_raw_os_error(error));
                    }
                    (Some(NEW_SET), _) => names.extend(name_of_set(octets)),
                    _ => {}
                }
            }
        }
    }

    /// Has the kernel carry out all of the requests, or none of them.
    fn batch(&mut self, requests: &[(u16, u16, u8, Vec<u8>)]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut octets = message(BATCH_BEGIN, REQUEST, self.sequence, 0, SUBSYSTEM.to_be(), &[]);
        let last = requests.len().saturating_sub(1);
        for (index, (kind, flags, family, body)) in requests.iter().enumerate() {
            let acknowledge = if index == last { ACKNOWLEDGE } else { 0 };
            let flags = REQUEST | acknowledge | flags;
            octets.extend(message(*kind, flags, self.sequence, *family, 0, body));
        }
        octets.extend(message(BATCH_END, REQUEST, self.sequence, 0, SUBSYSTEM.to_be(), &[]));
        self.send(&octets)?;
        // The answers are there by now: the acknowledgement of the last, or what the kernel has against any.
        let mut outcome = Err(io::Error::other("nftables has not answered"));
        while let Some(Answer { sequence, error }) = self.answer(MsgFlags::MSG_DONTWAIT)? {
            match error {
                Some(0) if sequence == self.sequence && outcome.is_err() => outcome = Ok(()),
                Some(error) if sequence == self.sequence && error != 0 => {
                    outcome = Err(io::Error::from_raw_os_error(error));
                }
                Some(_) | None => {}
            }
        }
        outcome
    }

    fn send(&self, octets: &[u8]) -> io::Result<()> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), octets, &kernel, MsgFlags::empty())?;
        Ok(())
    }

    /// The next answer; `None` when there is none yet.
    fn answer(&self, flags: MsgFlags) -> io::Result<Option<Answer>> {
        let mut buffer = [0; 8192];
        match recv(self.socket.as_raw_fd(), &mut buffer, flags) {
            Ok(length) => Ok(Answer::parse(&buffer[..length])),
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the kernel has answered.
#[derive(Debug)]
struct Answer {
    sequence: u32,
    /// The error, 0 for none; `None` when it is not about errors.
    error: Option<i32>,
}

impl Answer {
    fn parse(octets: &[u8]) -> Option<Self> {
        let word = |at: usize| octets.get(at..at + 4)?.try_into().ok();
        let error =
            if kind(octets)? == ERROR { Some(-i32::from_ne_bytes(word(HEADER_OCTETS)?)) } else { None };
        Some(Self { sequence: u32::from_ne_bytes(word(8)?), error })
    }
}

/// The kind of a message.
fn kind(octets: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(octets.get(4..6)?.try_into().ok()?))
}

/// The messages that the kernel has handed out together.
fn messages(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*octets.first_chunk()?)).ok()?;
        let message = octets.get(..length).filter(|_| length >= HEADER_OCTETS)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The name of the set that a message tells of: its second attribute, by kind.
fn name_of_set(message: &[u8]) -> Option<String> {
    let mut attributes = message.get(HEADER_OCTETS + 4..)?;
    loop {
        let (length, rest) = attributes.split_first_chunk::<2>()?;
        let (kind, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes(*kind) == 2 {
            return Some(String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// An element that is there keeps its end when it is added again, on most kernels: so it is removed and
/// added. It is never missing in between, since all of that takes effect at once.
fn renewal(table: &TableName, Renewal { element, lifetime }: &Renewal) -> [(u16, u16, u8, Vec<u8>); 3] {
    let milliseconds = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
    let lives = [attribute(4, &milliseconds), attribute(5, &milliseconds)].concat();
    let added = (NEW_ELEMENT, CREATE, NETDEV, elements(table, element, &lives));
    [added.clone(), (DELETE_ELEMENT, 0, NETDEV, elements(table, element, &[])), added]
}

fn elements(table: &TableName, element: &Element, lives: &[u8]) -> Vec<u8> {
    let key = attribute(1 | NESTED, &attribute(1, &element.ifindex.to_ne_bytes()));
    let one = attribute(1 | NESTED, &[&key, lives].concat());
    [attribute(1, &text(&table.name)), attribute(2, &text(&element.set)), attribute(3 | NESTED, &one)]
        .concat()
}

fn text(words: &str) -> Vec<u8> {
    [words.as_bytes(), &[0]].concat()
}

/// An attribute, padded to words of 4 octets.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// A message: the header of netlink, that of nfnetlink, and the attributes.
fn message(kind: u16, flags: u16, sequence: u32, family: u8, resource: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_OCTETS + 4 + body.len()).unwrap_or(u32::MAX);
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &sequence.to_ne_bytes(),
        &[0; 4],
        &[family, 0],
        &resource.to_ne_bytes(),
        body,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_and_says_its_length_without_the_padding() {
        let octets = attribute(2, &text("four"));
        assert_eq!(octets.len(), 12);
        assert_eq!(octets[..4], [9_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    }

    #[test]
    fn the_names_of_sets_are_read_from_answers_that_come_together_and_damage_ends_them() {
        let set = |name: &str| {
            let body = [attribute(1, &text("table")), attribute(2, &text(name)), attribute(3, &[0; 4])];
            message(NEW_SET, 0, 7, NETDEV, 0, &body.concat())
        };
        let octets = [set("v4_3_51"), set("v6_3_5"), message(DONE, 0, 7, NETDEV, 0, &[0; 4])].concat();
        let names = |octets: &[u8]| messages(octets).filter_map(name_of_set).collect::<Vec<_>>();
        assert_eq!(names(&octets), ["v4_3_51", "v6_3_5"]);
        assert_eq!(messages(&octets).filter_map(kind).collect::<Vec<_>>(), [NEW_SET, NEW_SET, DONE]);
        for cut in 0..octets.len() {
            assert!(names(&octets[..cut]).len() <= 2, "{cut}");
        }
        assert_eq!(messages(&[0; 40]).count(), 0, "a message without a length leads nowhere");
        let endless = message(NEW_SET, 0, 7, NETDEV, 0, &[0; 8]);
        assert_eq!(name_of_set(&endless), None, "neither does an attribute");
    }

    #[test]
    fn an_answer_tells_of_the_error() {
        let mut octets = message(ERROR, 0, 7, 0, 0, &[]);
        octets[16..20].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
        let Answer { sequence, error } = Answer::parse(&octets).unwrap();
        assert_eq!((sequence, error), (7, Some(libc::ENOENT)));
        let Answer { error, .. } = Answer::parse(&message(GET_ELEMENT, 0, 7, 0, 0, &[0; 8])).unwrap();
        assert_eq!(error, None);
        assert!(Answer::parse(&[0; 10]).is_none());
    }
}
