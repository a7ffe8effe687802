//! Many random packets through the real sockets, of agents in this process and of a real one.

use std::time::{Duration, Instant};

use super::frame::{Attacker, GROUP_MAC, GROUP_MAC_V6, Ipv4, Ipv6, covered, ethernet, plain, version_3};
use super::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::real_agent::RealAgent;
use super::site::{GLOBAL, LINK_LOCAL, Site, VIP, VIP_2, VRID, VRID_2, groups};
use crate::eventually::{eventually, within};
use crate::wire::{Capture, backlog};

/// How many packets, unless `BATON_HOSTILE_PACKETS` says another number.
const PACKETS: u64 = 50_000;
/// How many are sent before the agents are given time to take them.
const BURST: u64 = 500;
/// What may wait in a socket's buffer when the next burst is sent, in octets: a quarter of the buffer.
const BACKLOG: u64 = 1024 * 1024;
/// What a process that has just started may still grow by, in octets.
const MAY_GROW: u64 = 2 * 1024 * 1024;
const VRRP: u8 = 112;
/// Where the Ethernet header ends.
const PACKET: usize = 14;

/// xorshift64*: the same packets in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % bound
    }

    fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Valid advertisements that lose, and where their priority stands.
fn valid() -> [(Vec<u8>, usize); 4] {
    let three = version_3(VRID, 1, 1, 100, &[VIP.into()]);
    let mut two = vec![0x21, VRID_2, 1, 1, 0, 1, 0, 0];
    two.extend(VIP_2.octets());
    two.extend([0; 8]);
    let six = Ipv6::of(version_3(VRID, 1, 2, 100, &[LINK_LOCAL.into(), GLOBAL.into()]));
    let six = Ipv6 { payload: covered(six.payload, six.source.into(), six.destination.into()), ..six };
    let header = Ipv4::of(Vec::new());
    let pseudo = covered(three.clone(), header.source.into(), header.destination.into());
    let v4 = |message| (ethernet(GROUP_MAC, ETHERTYPE_IPV4, &Ipv4::of(message).packet()), PACKET + 22);
    [
        v4(plain(three)),
        v4(pseudo),
        v4(plain(two)),
        (ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &six.packet()), PACKET + 42),
    ]
}

/// Purely random octets behind an Ethernet header, or a valid advertisement with some octets changed. The
/// priority stays, or a lucky one would win by right.
fn any_frame(random: &mut Random, valid: &[(Vec<u8>, usize)]) -> Vec<u8> {
    if random.below(2) == 0 {
        let (mac, ethertype, protocol_at) = match random.below(2) {
            0 => (GROUP_MAC, ETHERTYPE_IPV4, 9),
            _ => (GROUP_MAC_V6, ETHERTYPE_IPV6, 6),
        };
        let mut packet: Vec<u8> = (0..random.below(120)).map(|_| random.octet()).collect();
        if let Some(protocol) = packet.get_mut(protocol_at) {
            *protocol = VRRP;
            if random.below(2) == 0 {
                packet[0] = if protocol_at == 9 { 0x45 } else { 0x60 };
            }
        }
        return ethernet(mac, ethertype, &packet);
    }
    let (frame, priority_at) = &valid[random.below(valid.len())];
    let mut frame = frame.clone();
    for _ in 0..random.below(4) {
        let at = PACKET + random.below(frame.len() - PACKET);
        if at != *priority_at {
            frame[at] = random.octet();
        }
    }
    if random.below(8) == 0 {
        frame.truncate(PACKET + random.below(frame.len() - PACKET));
    }
    frame
}

/// Whether the agents' sockets hand it over.
fn is_vrrp(frame: &[u8]) -> bool {
    let protocol_at = if frame[12..14] == ETHERTYPE_IPV4.to_be_bytes() { 9 } else { 6 };
    frame.get(PACKET + protocol_at) == Some(&VRRP)
}

/// The resident set of this process, in which the agents' threads run, in octets.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

#[test]
fn a_flood_of_random_packets_moves_nothing_takes_no_memory_and_is_counted_to_the_last_one() {
    let packets = std::env::var("BATON_HOSTILE_PACKETS")
        .map_or(PACKETS, |number| number.parse().expect("BATON_HOSTILE_PACKETS is a number"));
    let site = Site::start();
    let capture = Capture::start(&site.lab, 2, "src host 10.66.0.1 and dst host 224.0.0.18 and ip[21] == 51");
    let real = RealAgent::start(&site.lab, 4, groups(100), ("backup", 3));
    Attacker::stay_on_one_processor();
    let (valid, mut random) = (valid(), Random(0x9e37_79b9_7f4a_7c15));
    let (active, backup) = (site.active.look().0, site.backup.look().0);
    let (started, mut expected, mut settled) = (Instant::now(), 0, [0; 2]);
    let resident = || [resident(), real.resident()];
    for number in 0..packets {
        let frame = any_frame(&mut random, &valid);
        expected += u64::from(is_vrrp(&frame));
        site.attacker.send(&frame);
        if number % BURST == 0 {
            let waiting =
                || [1, 3, 4].map(|host| backlog(&site.lab, host)).into_iter().max().unwrap_or_default();
            eventually("the agents keep up", waiting, |octets| *octets < BACKLOG);
        }
        if number == packets / 10 {
            settled = resident();
        }
    }
    let seconds = started.elapsed().as_secs_f64();

    let all = |now: &super::site::Counted, before: &super::site::Counted| {
        let dropped = |counted: &super::site::Counted| counted.dropped.values().sum::<u64>();
        dropped(now) - dropped(before) + now.received - before.received
    };
    let look = || all(&site.active.look().0, &active);
    let counted =
        within(Duration::from_secs(20), "each one is accounted for", look, |counted| *counted >= expected);
    assert_eq!(counted, expected, "the Active router hears nobody else");
    // The Backup hears the Active router as well.
    let look = || all(&site.backup.look().0, &backup);
    within(Duration::from_secs(20), "each one is accounted for", look, |counted| *counted >= expected);

    let causes = site.active.look().0.dropped;
    let wanted = causes.iter().map(|(cause, count)| (cause.to_string(), *count)).collect();
    eventually("the real agent has counted the same", || real.dropped(), |dropped| *dropped == wanted);
    let [here, in_worker] = [0, 1].map(|which| resident()[which].saturating_sub(settled[which]));
    site.assert_nothing_moved();
    real.assert_unmoved();
    println!(
        "{packets} packets, {expected} of protocol 112, in {seconds:.0} s; role changes: 0; memory grew by \
         {here} octets in this process and by {in_worker} octets in the worker of the real agent; \
         dropped: {causes:?}"
    );
    assert!(causes.len() >= 8, "the packets were not that random: {causes:?}");
    assert!(here.max(in_worker) <= MAY_GROW, "memory grew by {here} and {in_worker} octets");
    let times: Vec<_> = capture.lines().iter().map(|line| line.at).collect();
    let longest = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().expect("advertisements");
    // A Backup would take over after more than three seconds.
    assert!(longest < Duration::from_secs(2), "{longest:?} between two advertisements");
}
