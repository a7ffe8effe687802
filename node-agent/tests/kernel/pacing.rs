//! What the announcements of many addresses do to the advertisements, and the other way round.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::transition::State;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Version, Vrid};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::recording::{Recorded, Recording};
use crate::router::{Router, group};

/// The groups that are Active before the others come.
const EARLY: u8 = 5;
const LATE: u8 = 250;
/// How many addresses each of the late ones has.
const ADDRESSES: u8 = 8;
/// How often the early ones advertise.
const INTERVAL_MS: u32 = 10;
/// How many frames of announcements an interface carries in a millisecond.
const FRAMES_PER_MS: usize = 64;

fn many(vrid: u8, addresses: u8, interval_ms: u32) -> DesiredGroup {
    DesiredGroup {
        id: Uuid::from_u128(vrid.into()),
        name: format!("group-{vrid}").parse().expect("a name"),
        vrid: Vrid::new(vrid).expect("a VRID"),
        advertisement_interval_ms: AdvertisementInterval::from_millis(Version::V3, interval_ms)
            .expect("an interval"),
        virtual_addresses: (0..addresses)
            .map(|number| format!("10.66.{}.{vrid}/16", 10 + number).parse().expect("an address"))
            .collect(),
        ..group(240)
    }
}

/// What a frame is: an advertisement of a VRID, or an announcement.
enum Kind {
    Advertisement(u8),
    Announcement { address: Ipv4Addr, is_reply: bool },
}

fn kind(frame: &Recorded) -> Option<Kind> {
    let octets = &frame.octets;
    match octets.get(12..14)? {
        [8, 0] => octets.get(35).map(|vrid| Kind::Advertisement(*vrid)),
        [8, 6] => {
            let sender: [u8; 4] = octets.get(28..32)?.try_into().ok()?;
            let target: [u8; 4] = octets.get(38..42)?.try_into().ok()?;
            let kind = Kind::Announcement { address: sender.into(), is_reply: octets[21] == 2 };
            (sender == target).then_some(kind)
        }
        _ => None,
    }
}

/// What the frames of a recording tell.
#[derive(Default)]
struct Told {
    announcements: Vec<Duration>,
    /// How often each address was announced, by requests and by replies.
    times: BTreeMap<Ipv4Addr, [usize; 2]>,
    /// The addresses as they were announced first.
    first: Vec<Ipv4Addr>,
    /// The longest time between two advertisements of the same early group, and the most announcements.
    longest: Duration,
    most_between: usize,
}

fn told(frames: &[Recorded]) -> Told {
    let mut told = Told::default();
    let mut last_sent = BTreeMap::new();
    for frame in frames {
        match kind(frame) {
            Some(Kind::Advertisement(vrid)) if vrid <= EARLY => {
                let announced = told.announcements.len();
                if let Some((at, before)) = last_sent.insert(vrid, (frame.at, announced)) {
                    told.longest = told.longest.max(frame.at - at);
                    told.most_between = told.most_between.max(announced - before);
                }
            }
            Some(Kind::Announcement { address, is_reply }) => {
                told.announcements.push(frame.at);
                let times = told.times.entry(address).or_default();
                if *times == [0, 0] {
                    told.first.push(address);
                }
                times[usize::from(is_reply)] += 1;
            }
            Some(Kind::Advertisement(_)) | None => {}
        }
    }
    told
}

impl Told {
    fn is_paced(&self, when: &str) {
        let Self { announcements, longest, most_between, .. } = self;
        // An agent that does not run for a while sends neither, so this holds on a busy machine too.
        let per_interval = FRAMES_PER_MS * (usize::try_from(INTERVAL_MS).expect("small") + 2);
        assert!(
            *most_between <= per_interval,
            "{when}: {most_between} announcements between two advertisements"
        );
        assert!(*longest < Duration::from_secs(1), "{when}: {longest:?} in silence");
        // A busy kernel notes several frames at once a little later than they left: that is little of this.
        let window = 100 * FRAMES_PER_MS;
        let times = announcements.windows(window + 1).map(|times| times[window] - times[0]);
        let fastest = times.min().expect("more than one window");
        assert!(fastest >= Duration::from_millis(80), "{when}: {window} announcements within {fastest:?}");
    }

    fn is_complete(&self, when: &str) {
        let late = || self.times.iter().filter(|(address, _)| address.octets()[3] > EARLY);
        assert_eq!(late().count(), usize::from(LATE) * usize::from(ADDRESSES), "{when}");
        let rarely: Vec<_> = late().filter(|(_, times)| times.iter().any(|times| *times < 3)).collect();
        assert!(rarely.is_empty(), "{when}: announced less than three times: {rarely:?}");
    }
}

/// How many announcements of each group have left, by VRID.
fn sent(router: &Router) -> BTreeMap<Vrid, u64> {
    let groups = router.groups();
    groups.iter().map(|group| (group.desired.vrid, group.counters.announcements_sent)).collect()
}

/// Waits until every late group has been announced three times since `before`.
fn announced(router: &Router, before: &BTreeMap<Vrid, u64>) {
    let enough = |vrid| before.get(&vrid).unwrap_or(&0) + 2 * 3 * u64::from(ADDRESSES);
    let rest = || {
        let groups = router.groups();
        let lacking = groups.iter().filter(|group| group.desired.vrid.get() > EARLY);
        let lacking =
            lacking.filter(|group| group.counters.announcements_sent < enough(group.desired.vrid)).count();
        (groups.len(), lacking)
    };
    eventually("everything is announced three times", rest, |rest| *rest == (255, 0));
}

#[test]
fn two_thousand_addresses_that_come_at_once_are_announced_in_order_and_delay_no_advertisement() {
    let lab = Lab::alone(2);
    let early: Vec<_> = (1..=EARLY).map(|vrid| many(vrid, 1, INTERVAL_MS)).collect();
    let late = (EARLY + 1..=EARLY + LATE).map(|vrid| many(vrid, ADDRESSES, 100));
    let all: Vec<_> = early.iter().cloned().chain(late).collect();
    let router = Router::start(&lab, 1);
    router.apply(1, early);
    router.reaches(State::Active, EARLY.into());

    let recording = Recording::start(&lab, 2, "(proto 112 or arp) and ether src 02:00:00:00:00:01");
    router.apply(2, all);
    router.reaches(State::Active, usize::from(EARLY + LATE));
    announced(&router, &BTreeMap::new());
    let taken_over = told(&recording.finish());
    println!("{} announcements, {:?} in silence", taken_over.announcements.len(), taken_over.longest);
    taken_over.is_paced("after a takeover");
    taken_over.is_complete("after a takeover");
    for vrid in EARLY + 1..=EARLY + LATE {
        let of_group = taken_over.first.iter().filter(|address| address.octets()[3] == vrid);
        assert!(of_group.is_sorted(), "VRID {vrid}: {:?}", taken_over.first);
    }

    // Nothing is bound any more, so that all has to be said in the same instant.
    let before = sent(&router);
    let recording = Recording::start(&lab, 2, "(proto 112 or arp) and ether src 02:00:00:00:00:99");
    lab.ip(1, &["link", "set", "eth0", "address", "02:00:00:00:00:99"]);
    announced(&router, &before);
    let moved = told(&recording.finish());
    println!("{} announcements, {:?} in silence", moved.announcements.len(), moved.longest);
    moved.is_paced("with another MAC address");
    moved.is_complete("with another MAC address");
    let in_order = |address: &Ipv4Addr| (address.octets()[3], address.octets()[2]);
    assert!(moved.first.is_sorted_by_key(in_order), "group by group: {:?}", moved.first);
}
