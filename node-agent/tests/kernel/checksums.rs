//! Which checksum a group's packets carry, by a sum of the test's own.

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::group::Checksum;
use api_types::transition::State;

use vrrp::Priority;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, group};
use crate::wire::Receiver;

/// The Internet checksum (RFC 1071) over these parts, each an even number of octets. Over a message with its
/// checksum it is zero when that is right.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        sum += part.chunks(2).map(|pair| u64::from(pair[0]) * 256 + u64::from(pair[1])).sum::<u64>();
    }
    // 2^16 is 1 modulo 0xffff, which a sum that is not zero is folded by.
    0xffff - u16::try_from(((sum - 1) % 0xffff) + 1).expect("folded")
}

/// The pseudo-header of IPv4 that TCP uses too, which RFC 5798 §5.2.8 took over and RFC 9568 §5.2.8 did not.
fn pseudo_header(packet: &[u8], message: &[u8]) -> [u8; 12] {
    let mut header = [0; 12];
    header[..8].copy_from_slice(&packet[12..20]);
    header[9] = packet[9];
    header[10..].copy_from_slice(&u16::try_from(message.len()).expect("short").to_be_bytes());
    header
}

/// Whether the checksum of a packet is right without the pseudo-header, and whether it is right with it.
pub(crate) fn right_forms(packet: &[u8]) -> (bool, bool) {
    let message = &packet[usize::from(packet[0] & 0x0f) * 4..];
    (sum(&[message]) == 0, sum(&[&pseudo_header(packet, message), message]) == 0)
}

/// The agent of another host.
fn member(host: u8) -> DesiredPeer {
    DesiredPeer {
        name: format!("host-{host}").parse().expect("a name"),
        address: Some(own_address(host).parse().expect("an address")),
        priority: Priority::MIN,
        external: false,
    }
}

#[test]
fn a_group_carries_the_checksum_that_it_is_told_to() {
    for (checksum, without, with) in [
        (Checksum::Rfc9568, true, false),
        (Checksum::Rfc5798, false, true),
        // keepalived knows no other.
        (Checksum::Auto, false, true),
    ] {
        let lab = Lab::new(2);
        let router = Router::running(&lab, 1, DesiredGroup { checksum, ..group(240) });
        router.reaches(State::Active, 1);
        let mut receiver = Receiver::on(&lab, 2);
        let active = receiver.next();
        assert_eq!(right_forms(&active), (without, with), "{checksum:?}: {active:02x?}");

        // Priority 0 is another frame.
        router.ask_to_stop();
        let resignation = std::iter::repeat_with(|| receiver.next()).find(|packet| packet[22] == 0);
        let resignation = resignation.expect("it comes before the receiver gives up");
        assert_eq!(right_forms(&resignation), (without, with), "{checksum:?}: {resignation:02x?}");
    }
}

#[test]
fn a_group_that_may_choose_speaks_the_form_that_all_its_members_speak() {
    let lab = Lab::new(2);
    let with =
        |priority, checksum, host| DesiredGroup { checksum, peers: vec![member(host)], ..group(priority) };
    // It does not know the other yet: it begins with the form that everybody understands.
    let chooses = Router::running(&lab, 1, with(200, Checksum::Auto, 2));
    chooses.reaches(State::Active, 1);
    let mut receiver = Receiver::on(&lab, 2);
    assert_eq!(right_forms(&receiver.next()), (false, true));

    let insists = Router::running(&lab, 2, with(240, Checksum::Rfc9568, 1));
    insists.reaches(State::Active, 1);
    chooses.reaches(State::Backup, 2);
    eventually(
        "it tells what the other speaks",
        || chooses.group().and_then(|group| group.heard.first()?.checksum),
        |form| *form == Some(Checksum::Rfc9568),
    );
    insists.stop();
    chooses.reaches(State::Active, 2);
    let mut receiver = Receiver::on(&lab, 2);
    assert_eq!(right_forms(&receiver.next()), (true, false));
}

#[test]
fn an_agent_that_begins_anew_speaks_the_form_that_its_members_understood() {
    let lab = Lab::new(2);
    let insists = DesiredGroup { checksum: Checksum::Rfc9568, peers: vec![member(1)], ..group(240) };
    let other = Router::running(&lab, 2, insists);
    other.reaches(State::Active, 1);
    let mut agent =
        Agent::start_group(&lab, 1, DesiredGroup { peers: vec![member(2)], ..group(200) }, |_, _| {});
    let file = agent.directory.path().join("spoken-checksums.json");
    let kept = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("it is kept", kept, |text| text.contains("10.66.0.2") && text.contains("rfc9568"));
    // From here on nobody tells it again: a Backup is silent.
    other.stop();
    let speaks_it = |when: &str| {
        let mut receiver = Receiver::on(&lab, 2);
        let packet = std::iter::repeat_with(|| receiver.next()).find(|packet| packet[22] == 200);
        let packet = packet.expect("it comes before the receiver gives up");
        assert_eq!(right_forms(&packet), (true, false), "{when}: {packet:02x?}");
    };
    speaks_it("without a restart");

    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    speaks_it("another worker");

    agent.kill_parent();
    agent.kill_worker();
    eventually("it is dead", || agent.worker(), Option::is_none);
    agent.start_again(&lab, 1);
    speaks_it("another life");
}
