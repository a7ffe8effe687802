use api_types::group::Checksum;
use api_types::transition::State;
use vrrp::AdvertisementInterval;

use super::*;
use crate::domain::holder::tests::{external, node};
use crate::domain::peers::tests::peer;

const FACTS: GroupFacts<'_> = GroupFacts {
    members: &[],
    interval: AdvertisementInterval::DEFAULT_V3,
    transport: Transport::Multicast,
    is_authenticated: false,
    switchover: None,
    is_tracking: false,
    has_hooks: false,
};

fn says(number: u8, details: MemberDetails) -> ObservedNode {
    ObservedNode { details: Some(Box::new(details)), ..node(number, true, Some(State::Backup)) }
}

fn hears(number: u8, heard: Vec<Peer>) -> ObservedNode {
    says(number, MemberDetails { heard, ..MemberDetails::default() })
}

fn odd(peer: Peer, word: &str) -> Peer {
    Peer { discrepancies: vec![word.into()], ..peer }
}

/// What is found in a group of these nodes and a keepalived at 192.0.2.9.
fn found(nodes: &[ObservedNode]) -> Vec<(ConditionKind, String)> {
    let mut members: Vec<_> = nodes.iter().cloned().map(Observed::Node).collect();
    members.push(external());
    of_group(&members, &FACTS).into_iter().map(|finding| (finding.kind, finding.detail)).collect()
}

#[test]
fn members_that_agree_have_no_condition() {
    let usual = peer([192, 0, 2, 1], 240);
    let tie = odd(peer([192, 0, 2, 9], 100), "equal_priority");
    assert_eq!(found(&[node(1, true, Some(State::Active)), hears(2, vec![usual, tie])]), []);
}

#[test]
fn each_disagreement_is_a_condition_that_names_who_and_by_whom() {
    let keepalived = || peer([192, 0, 2, 9], 100);
    let stranger = || peer([192, 0, 2, 77], 100);
    let form = |number, checksum| {
        says(number, MemberDetails { checksum: Some(checksum), ..MemberDetails::default() })
    };
    let drops =
        |word: &str| says(1, MemberDetails { dropping: vec![word.into()], ..MemberDetails::default() });
    let with_form = |peer, checksum| Peer { checksum: Some(checksum), ..peer };
    let cases = [
        (
            vec![hears(1, vec![stranger()]), hears(2, vec![stranger()])],
            ConditionKind::ForeignRouter,
            "192.0.2.77 speaks for the virtual router and is no member; heard by n1 and n2",
        ),
        (
            vec![hears(1, vec![odd(keepalived(), "address_list")])],
            ConditionKind::AddressListMismatch,
            "keepalived (192.0.2.9) advertises other addresses than the group's; heard by n1",
        ),
        (
            vec![hears(1, vec![odd(keepalived(), "interval")])],
            ConditionKind::IntervalMismatch,
            "keepalived (192.0.2.9) advertises at another interval than the group's; heard by n1",
        ),
        (
            vec![drops("interval")],
            ConditionKind::IntervalMismatch,
            "advertisements with another interval are dropped by n1",
        ),
        (
            vec![drops("auth")],
            ConditionKind::AuthenticationMismatch,
            "advertisements with another authentication are dropped by n1",
        ),
        (vec![drops("version")], ConditionKind::MixedDialects, "advertisements of another version reach n1"),
        (
            vec![form(1, Checksum::Rfc5798), form(2, Checksum::Rfc9568)],
            ConditionKind::MixedDialects,
            "two forms of the checksum are sent, rfc5798 by n1 and rfc9568 by n2",
        ),
        (
            vec![says(
                1,
                MemberDetails {
                    checksum: Some(Checksum::Rfc5798),
                    heard: vec![with_form(keepalived(), Checksum::Rfc9568)],
                    ..MemberDetails::default()
                },
            )],
            ConditionKind::MixedDialects,
            "two forms of the checksum are sent, rfc5798 by n1 and rfc9568 by keepalived (192.0.2.9)",
        ),
        (
            vec![hears(1, vec![odd(peer([192, 0, 2, 9], 255), "owners_addresses")])],
            ConditionKind::TwoOwners,
            "keepalived (192.0.2.9) and n1 (192.0.2.1) claim to own the addresses (priority 255)",
        ),
        (
            vec![hears(1, vec![peer([192, 0, 2, 2], 255), peer([192, 0, 2, 9], 255)]), node(2, true, None)],
            ConditionKind::TwoOwners,
            "keepalived (192.0.2.9) and n2 (192.0.2.2) claim to own the addresses (priority 255)",
        ),
        (
            vec![hears(1, vec![odd(peer([192, 0, 2, 1], 100), "duplicate_source")])],
            ConditionKind::DuplicateSource,
            "another router sends from 192.0.2.1, which is n1's",
        ),
    ];
    for (nodes, kind, detail) in cases {
        assert_eq!(found(&nodes), [(kind, detail.to_owned())]);
    }
}

#[test]
fn only_what_is_heard_now_by_who_can_say_so_counts() {
    let silent = Peer { speaking: false, ..odd(peer([192, 0, 2, 77], 255), "address_list") };
    assert_eq!(found(&[hears(1, vec![silent])]), [], "it fell silent");
    let loud = || odd(peer([192, 0, 2, 77], 100), "address_list");
    assert_eq!(found(&[ObservedNode { connected: false, ..hears(1, vec![loud()]) }]), [], "a last word");
    let unknown = ObservedNode { addresses: Vec::new(), ..node(2, false, None) };
    let kinds: Vec<_> = found(&[hears(1, vec![loud()]), unknown]).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [ConditionKind::AddressListMismatch], "it may be n2, whose address is not known");
}

#[test]
fn a_crowd_of_strangers_fits_in_a_sentence() {
    let strangers = (100..116).map(|last| peer([192, 0, 2, last], 100)).collect();
    let said = found(&[hears(1, strangers)]).remove(0).1;
    assert!(
        said.starts_with("192.0.2.100, 192.0.2.101, 192.0.2.102, 192.0.2.103 and 12 more speaks"),
        "{said}"
    );
}

#[test]
fn members_may_disagree_while_a_change_is_on_its_way() {
    let members = [Observed::Node(hears(1, vec![odd(peer([192, 0, 2, 9], 100), "interval")])), external()];
    assert_eq!(of_group(&members, &FACTS)[0].settles_in, Duration::from_secs(5));
}

#[test]
fn unicast_knows_where_every_member_is_or_has_a_condition() {
    let nowhere = ObservedNode { address: None, ..node(2, true, None) };
    let members = [Observed::Node(node(1, true, None)), Observed::Node(nowhere), external()];
    assert_eq!(peer_address_unknown(&members, &FACTS), None, "multicast need not");
    let unicast = GroupFacts { transport: Transport::Unicast, ..FACTS };
    let found = peer_address_unknown(&members, &unicast).unwrap();
    assert_eq!(found.detail, "nothing is sent to n2 on eth0: no address of this family is reported there");
    assert_eq!(peer_address_unknown(&[Observed::Node(node(1, true, None)), external()], &unicast), None);
}
