//! A dataplane that stood still, and is about to believe in a silence while packets wait to be read.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use api_types::channel::DesiredGroup;
use api_types::transition::State;
use baton_agent::dataplane::{Announcement, AnnouncementFrame, Announcer, NeighbourAnnouncer, Seams};

use super::{VALID, boottime, ipv4};
use crate::eventually::{BOUND, eventually};
use crate::hostile::frame::{Attacker, GROUP_MAC, Ipv4, ethernet, plain, version_3};
use crate::lab::Lab;
use crate::monitor::Monitor;
use crate::router::Router;
use crate::wire::backlog;

/// A question is repeated, and then silence believed, so long after it was asked.
const SETTLE: Duration = Duration::from_millis(15);
/// What waits in a socket when it is read again, in octets: more than one turn takes, of advertisements as of
/// ARP packets, and half of what there is room for.
const BACKLOG: u64 = 2 * 1024 * 1024;
/// How many packets are sent before that is looked at.
const BURST: usize = 500;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
/// How often to try to have the dataplane stand still in time.
const ATTEMPTS: usize = 20;

/// Announces as usual, but stands still whenever more addresses are announced than ever before.
struct StandsStill {
    most: Cell<usize>,
    stands: SyncSender<()>,
    goes_on: Receiver<()>,
}

impl Announcer for StandsStill {
    fn frames(&self, announcement: &Announcement) -> Vec<AnnouncementFrame> {
        let count = announcement.addresses.len();
        if self.most.replace(self.most.get().max(count)) < count {
            // Where the test is over already nobody waits.
            let _over = self.stands.send(()).is_ok() && self.goes_on.recv().is_ok();
        }
        NeighbourAnnouncer.frames(announcement)
    }
}

/// A dataplane on host 1 that holds an address, and stands still each time that it gets one more.
struct Standing {
    router: Router,
    holder: DesiredGroup,
    stands: Receiver<()>,
    goes_on: SyncSender<()>,
    revision: i64,
}

impl Standing {
    /// It has listened for three intervals by the time that it holds the address.
    fn start(lab: &Lab) -> Self {
        let ((stands_in, stands), (goes_on, goes_on_out)) = (sync_channel(1), sync_channel(1));
        let announcer = StandsStill { most: Cell::new(1), stands: stands_in, goes_on: goes_on_out };
        let seams = Seams { announcer: Box::new(announcer), ..Seams::real() };
        let holder = ipv4(60);
        let router = Router::start_with(lab, 1, seams);
        router.apply(1, vec![holder.clone()]);
        Attacker::on(lab).send(&ethernet(GROUP_MAC, ETHERTYPE_IPV4, &advertisement(99)));
        router.reaches(State::Active, 1);
        Self { router, holder, stands, goes_on, revision: 1 }
    }

    /// Has it run this group beside the holder.
    fn run(&mut self, group: &DesiredGroup) {
        self.revision += 1;
        self.router.tell(self.revision, vec![self.holder.clone(), group.clone()]);
    }

    /// The same, and gives the holder one more address, with which it stands still. Which one that is.
    fn run_and_stand(&mut self, group: &DesiredGroup) -> String {
        let address = format!("10.66.8.{}", self.holder.virtual_addresses.len());
        self.holder.generation += 1;
        self.holder.virtual_addresses.push(format!("{address}/16").parse().expect("an address"));
        self.run(group);
        address
    }

    fn until_it_stands(&self) {
        self.stands.recv_timeout(BOUND).expect("it stands still");
    }

    fn let_go_on(&self) {
        self.goes_on.send(()).expect("it stands still");
    }

    /// Whether it stands still now, has asked for the addresses of a new group twice, and was told that the
    /// group may begin, which it would have done by the time that this returns.
    fn stands_before_it_believes(&mut self, group: &DesiredGroup) -> bool {
        let told = Instant::now();
        self.run(group);
        self.run_and_stand(group);
        self.until_it_stands();
        let has_asked_once = told.elapsed() < SETTLE;
        self.router.fast_start(group, group.generation, boottime() + VALID);
        self.run_and_stand(group);
        sleep(SETTLE);
        let asks_again = Instant::now();
        self.let_go_on();
        self.until_it_stands();
        let has_not_concluded = asks_again.elapsed() < SETTLE;
        sleep(SETTLE);
        has_asked_once && has_not_concluded
    }
}

/// An advertisement for 10.66.1.`vrid` that no member here would win against.
fn advertisement(vrid: u8) -> Vec<u8> {
    let message = version_3(vrid, 250, 1, 100, &[[10, 66, 1, vrid].into()]);
    ethernet(GROUP_MAC, ETHERTYPE_IPV4, &Ipv4::of(plain(message)).packet())
}

/// Host 2 says that it has 10.66.1.`last`.
fn arp_reply(last: u8) -> Vec<u8> {
    let (macs, fixed) = ([[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]], [0, 1, 8, 0, 6, 4, 0, 2]);
    let body = [&fixed[..], &macs[0], &[10, 66, 1, last], &macs[1], &[10, 66, 0, 1]].concat();
    ethernet(macs[1], ETHERTYPE_ARP, &body)
}

#[test]
fn nobody_is_taken_to_be_silent_while_packets_wait_to_be_read() {
    let lab = Lab::new(2);
    let mut standing = Standing::start(&lab);
    let (monitor, attacker) = (Monitor::start(&lab, 1), Attacker::on(&lab));
    let mut vrids = 100..200;
    for frame_for in [advertisement, arp_reply] {
        let in_time = vrids.by_ref().take(ATTEMPTS).find(|vrid| {
            let in_time = standing.stands_before_it_believes(&ipv4(*vrid));
            if in_time {
                let send = || (0..BURST).for_each(|_| attacker.send(&frame_for(99)));
                let sent = || (send(), backlog(&lab, 1)).1;
                eventually("packets wait", sent, |octets| *octets >= BACKLOG);
                attacker.send(&frame_for(*vrid));
            }
            standing.let_go_on();
            in_time
        });
        let vrid = in_time.expect("it stands still in time");
        // It gets the next address after all that was waiting has been read.
        let last = standing.run_and_stand(&ipv4(vrid));
        standing.until_it_stands();
        standing.let_go_on();
        let is_bound = |seen: &Vec<String>, address: &str| {
            let address = format!(" {address}/");
            seen.iter().any(|line| line.contains(&address))
        };
        let seen = eventually("it gets it", || monitor.seen(), |seen| is_bound(seen, &last));
        assert!(!is_bound(&seen, &format!("10.66.1.{vrid}")), "somebody has it: {seen:#?}");
    }
}
