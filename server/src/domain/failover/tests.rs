use api_types::transition::TransitionReason;

use super::*;
use api_types::transition::AdvertisementHeard;
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use vrrp::{Family, Vrid};

const GROUP: Uuid = Uuid::from_u128(0x6_0000);

/// A node with its own two clocks: its wall clock is `skew_ms` ahead of the true time.
#[derive(Clone, Copy)]
struct Node {
    number: u8,
    skew_ms: i64,
}

const N1: Node = Node { number: 1, skew_ms: 0 };
const N2: Node = Node { number: 2, skew_ms: 0 };
const N3: Node = Node { number: 3, skew_ms: 0 };

const KEEPALIVED: &str = "192.0.2.9";
const STRANGER: &str = "192.0.2.77";

impl Node {
    fn id(self) -> Uuid {
        Uuid::from_u128(u128::from(self.number))
    }

    fn name(self) -> String {
        format!("n{}", self.number)
    }

    fn address(self) -> String {
        format!("192.0.2.{}", self.number)
    }

    const fn ahead(self, skew_ms: i64) -> Self {
        Self { skew_ms, ..self }
    }

    /// A transition at `at_ms` of the true time.
    fn moves(self, at_ms: u64, from: State, to: State, reason: TransitionReason) -> Report {
        let boottime = self.boottime(at_ms);
        let active = to == State::Active;
        Report(Recorded {
            id: Uuid::from_u128(u128::from(self.number) << 64 | u128::from(at_ms)),
            node_id: self.id(),
            node: self.name(),
            record: TransitionRecord {
                boot_id: Uuid::from_u128(u128::from(self.number) << 32),
                sequence: at_ms + 1,
                group_id: GROUP,
                group: "web".into(),
                family: Family::Ipv4,
                vrid: Vrid::new(51).unwrap(),
                interface: "eth0".into(),
                from,
                to,
                reason,
                priority: Priority::new(100).unwrap(),
                at: self.wall(at_ms),
                at_boottime_ns: boottime,
                last_advertisement: None,
                bound_at_boottime_ns: active.then_some(boottime - 2_000_000),
                announced_at_boottime_ns: active.then_some(boottime),
                released_at_boottime_ns: (from == State::Active).then_some(boottime),
            },
        })
    }

    fn takes_over(self, at_ms: u64, reason: TransitionReason) -> Report {
        let from = if reason == TransitionReason::OwnerStarted { State::Initialize } else { State::Backup };
        self.moves(at_ms, from, State::Active, reason)
    }

    fn yields(self, at_ms: u64) -> Report {
        self.moves(at_ms, State::Active, State::Backup, TransitionReason::HigherPriorityHeard)
    }

    fn stops(self, at_ms: u64) -> Report {
        self.moves(at_ms, State::Active, State::Initialize, TransitionReason::Stopped)
    }

    /// Each node counts its boot time from another origin.
    fn boottime(self, at_ms: u64) -> u64 {
        (at_ms + 10_000_000 * u64::from(self.number)) * 1_000_000
    }

    fn wall(self, at_ms: u64) -> Timestamp {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = TimeDelta::milliseconds(i64::try_from(at_ms).unwrap() + self.skew_ms);
        (start + at).into()
    }
}

struct Report(Recorded);

impl Report {
    /// After an advertisement from `source` at `at_ms` of the true time.
    fn having_heard(self, source: &str, priority: u8, at_ms: u64) -> Recorded {
        let Self(mut recorded) = self;
        let number = u8::try_from(recorded.node_id.as_u128()).unwrap();
        let node = Node { number, skew_ms: 0 };
        recorded.record.last_advertisement = Some(AdvertisementHeard {
            source: source.parse().unwrap(),
            priority,
            at_boottime_ns: node.boottime(at_ms),
        });
        recorded
    }

    fn having_heard_nothing(self) -> Recorded {
        self.0
    }
}

impl Recorded {
    fn in_boot(mut self, number: u128) -> Self {
        self.record.boot_id = Uuid::from_u128(self.node_id.as_u128() << 32 | number);
        self
    }
}

fn addresses() -> Addresses {
    let mut addresses = Addresses::default();
    for node in [N1, N2, N3] {
        addresses.add_node(node.address().parse().unwrap(), node.id(), &node.name());
    }
    addresses.add_external(KEEPALIVED.parse().unwrap(), "keepalived");
    addresses
}

fn joined(transitions: &[Recorded]) -> Vec<Move> {
    join(&[], transitions, &addresses())
}

fn summary(moves: &[Move]) -> Vec<(&str, &str, FailoverCause)> {
    moves.iter().map(|each| (each.from.as_str(), each.to.as_str(), each.cause)).collect()
}

use FailoverCause as Cause;
use TransitionReason as Reason;

/// n1 is elected, dies at 10 s, and n2 takes over.
fn a_death() -> Vec<Recorded> {
    vec![
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
    ]
}

#[test]
fn a_first_election_is_no_failover() {
    assert_eq!(joined(&a_death()[..1]), []);
}

#[test]
fn the_silence_of_the_holder_is_measured_on_the_clock_of_its_successor() {
    let moves = joined(&a_death());
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
    let failover = &moves[0];
    assert_eq!(failover.gap_ms, Some(320.0));
    assert_eq!(failover.gap_method, GapMethod::LastAdvertisementToAnnouncement);
    assert_eq!(failover.last_advertisement_at, Some(N2.wall(10_000)));
    assert_eq!(failover.bound_at, Some(N2.wall(10_318)));
    assert_eq!(failover.announced_at, Some(N2.wall(10_320)));
}

#[test]
fn the_dead_holder_need_not_report_for_its_name_to_be_known() {
    let moves = joined(&a_death()[1..]);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn a_node_that_comes_back_and_preempts_is_a_failover_without_a_gap() {
    let mut transitions = a_death();
    transitions
        .push(N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2));
    transitions.push(N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001));
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse), ("n2", "n1", Cause::Preempting)]);
    assert_eq!(moves[1].gap_ms, Some(0.0));
    assert_eq!(moves[1].gap_method, GapMethod::ReleaseToAnnouncement);
    assert_eq!(moves[1].transitions, [transitions[3].id, transitions[2].id], "both reports of the one move");
}

#[test]
fn a_move_is_measured_before_the_report_of_the_old_holder_has_come() {
    let mut transitions = a_death();
    transitions
        .push(N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2));
    let moves = joined(&transitions);
    assert_eq!(moves[1].gap_ms, Some(50.0));
    assert_eq!(moves[1].gap_method, GapMethod::LastAdvertisementToAnnouncement);
}

#[test]
fn a_holder_that_stops_hands_over_to_its_successor() {
    for (reason, released_at, gap_ms) in
        [(Reason::Stopped, 20_030, 0.0), (Reason::Removed, 20_030, 0.0), (Reason::Stopped, 20_000, 10.0)]
    {
        let transitions = [
            N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
            N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
            N1.moves(released_at, State::Active, State::Initialize, reason).having_heard(
                "192.0.2.2",
                200,
                20_009,
            ),
        ];
        let moves = joined(&transitions);
        assert_eq!(summary(&moves), [("n1", "n2", Cause::PriorityZero)]);
        assert_eq!(moves[0].gap_ms, Some(gap_ms), "released at {released_at} ms");
        assert_eq!(moves[0].gap_method, GapMethod::ReleaseToAnnouncement);
    }
}

#[test]
fn clocks_that_disagree_do_not_stretch_a_gap_beyond_what_one_clock_allows() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.ahead(-5_000).stops(20_030).having_heard("192.0.2.2", 200, 20_009),
        N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
    ];
    let moves = joined(&transitions);
    assert_eq!(moves[0].gap_ms, Some(20.0));
    assert_eq!(moves[0].gap_method, GapMethod::LastAdvertisementToAnnouncement);
}

#[test]
fn the_restart_of_a_holder_without_a_successor_is_no_failover() {
    let restarts = [
        N1.stops(5_000).having_heard_nothing(),
        N1.moves(5_000, State::Active, State::Fault, Reason::InterfaceDown).having_heard_nothing(),
    ];
    for stop in restarts {
        let transitions = [
            N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
            stop,
            N1.takes_over(9_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
        ];
        assert_eq!(joined(&transitions), []);
    }
    let killed = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(9_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
    ];
    assert_eq!(joined(&killed), []);
}

#[test]
fn an_advertisement_from_before_its_own_reign_names_no_predecessor() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N2.moves(20_000, State::Active, State::Fault, Reason::InterfaceDown).having_heard(
            "192.0.2.1",
            240,
            10_000,
        ),
        N2.takes_over(25_000, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn a_holder_that_dies_right_after_it_was_yielded_to_is_still_the_predecessor() {
    let transitions = [
        N2.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.yields(20_001).having_heard("192.0.2.1", 240, 20_000),
        N2.takes_over(20_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 20_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn an_owner_that_heard_nobody_takes_over_from_the_holder_of_that_time() {
    let transitions = [
        N2.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(9_000, Reason::OwnerStarted).having_heard_nothing(),
        N2.yields(9_003).having_heard("192.0.2.1", 255, 9_002),
    ];
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n2", "n1", Cause::OwnerStarted)]);
    assert_eq!(moves[0].last_advertisement_at, None);
    assert_eq!((moves[0].gap_ms, moves[0].gap_method), (Some(0.0), GapMethod::ReleaseToAnnouncement));
    let alone = joined(&transitions[..2]);
    assert_eq!((alone[0].gap_ms, alone[0].gap_method), (None, GapMethod::Unknown));
}

#[test]
fn a_successor_of_a_successor_that_nobody_heard_is_placed_by_wall_clock() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.stops(5_000).having_heard_nothing(),
        N2.takes_over(5_100, Reason::PriorityZero).having_heard("192.0.2.1", 0, 5_000),
        N2.stops(50_000).having_heard_nothing(),
        N1.takes_over(90_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
    ];
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::PriorityZero), ("n2", "n1", Cause::NoResponse)]);
    assert_eq!((moves[1].gap_ms, moves[1].gap_method), (Some(40_000.0), GapMethod::ReleaseToAnnouncement));
}

#[test]
fn an_advertisement_of_long_ago_gives_way_to_a_holder_since() {
    let transitions = [
        N3.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(400_000, Reason::NoResponse).having_heard("192.0.2.3", 100, 399_000),
        N2.takes_over(900_000, Reason::NoResponse).having_heard("192.0.2.3", 100, 300_000),
    ];
    assert_eq!(
        summary(&joined(&transitions)),
        [("n3", "n1", Cause::NoResponse), ("n1", "n2", Cause::NoResponse)]
    );
}

#[test]
fn a_split_that_heals_is_no_move_to_the_holder_that_never_ceased() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N2.yields(30_000).having_heard("192.0.2.1", 240, 30_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn an_external_member_is_seen_both_ways_round() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.yields(5_000).having_heard(KEEPALIVED, 250, 5_000),
        N1.takes_over(9_000, Reason::NoResponse).having_heard(KEEPALIVED, 250, 8_700),
        N1.stops(20_020).having_heard(KEEPALIVED, 250, 20_000),
    ];
    let moves = joined(&transitions);
    assert_eq!(
        summary(&moves),
        [
            ("n1", "keepalived", Cause::Preempting),
            ("keepalived", "n1", Cause::NoResponse),
            ("n1", "keepalived", Cause::PriorityZero),
        ]
    );
    assert_eq!(moves[0].evidence, Evidence::ExternalHeard);
    assert_eq!((moves[0].bound_at, moves[0].announced_at, moves[0].gap_ms), (None, None, None));
    assert_eq!(moves[1].gap_ms, Some(300.0));
}

#[test]
fn an_external_owner_that_returns_is_named_as_such() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard(KEEPALIVED, 255, 700),
        N1.yields(5_000).having_heard(KEEPALIVED, 255, 5_000),
    ];
    assert_eq!(
        summary(&joined(&transitions)),
        [("keepalived", "n1", Cause::NoResponse), ("n1", "keepalived", Cause::OwnerStarted)]
    );
}

#[test]
fn an_external_member_that_took_over_unseen_is_known_once_it_loses_again() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(60_000, Reason::Preempting).having_heard(KEEPALIVED, 100, 59_990).in_boot(2),
    ];
    let moves = joined(&transitions);
    assert_eq!(
        summary(&moves),
        [("n1", "keepalived", Cause::NoResponse), ("keepalived", "n1", Cause::Preempting)]
    );
    assert_eq!(moves[0].transition, moves[1].transition);
    assert_ne!(moves[0].evidence, moves[1].evidence, "each move has its own key");
}

#[test]
fn a_losing_advertisement_of_an_external_member_is_no_move() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.stops(20_000).having_heard(KEEPALIVED, 100, 5_000),
        N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::PriorityZero)]);
}

#[test]
fn a_router_that_is_no_member_is_named_by_its_address() {
    let transitions = [N1.takes_over(1_000, Reason::Preempting).having_heard(STRANGER, 10, 990)];
    assert_eq!(summary(&joined(&transitions)), [(STRANGER, "n1", Cause::Preempting)]);
}

#[test]
fn an_unknown_address_is_the_holder_of_that_time_if_there_is_one() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard(STRANGER, 240, 10_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn an_address_that_moved_between_nodes_is_never_the_one_that_heard_it() {
    let mut addresses = Addresses::default();
    for node in [N2, N1] {
        addresses.add_node("192.0.2.1".parse().unwrap(), node.id(), &node.name());
    }
    let moves = join(&[], &a_death(), &addresses);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn what_happened_before_is_remembered_and_not_reported_again() {
    let transitions = a_death();
    let (earlier, rest) = transitions.split_at(1);
    let mut rest = rest.to_vec();
    rest[0].record.last_advertisement = None;
    assert_eq!(summary(&join(earlier, &rest, &addresses())), [("n1", "n2", Cause::NoResponse)]);
    assert_eq!(join(&transitions, &[], &addresses()), []);
}

#[test]
fn a_wall_clock_that_is_set_back_does_not_turn_a_boot_round() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.ahead(-60_000).stops(5_000).having_heard_nothing(),
        N2.takes_over(5_100, Reason::PriorityZero).having_heard("192.0.2.1", 0, 5_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::PriorityZero)]);
}

/// A long history in which everything happens once.
fn a_history() -> Vec<Recorded> {
    vec![
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2),
        N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001),
        N1.yields(90_000).having_heard(KEEPALIVED, 250, 90_000).in_boot(2),
        N2.takes_over(120_000, Reason::NoResponse).having_heard(KEEPALIVED, 250, 119_700),
        N2.stops(150_020).having_heard("192.0.2.3", 100, 150_000),
        N3.takes_over(150_000, Reason::PriorityZero).having_heard("192.0.2.2", 0, 149_990),
        N1.takes_over(200_000, Reason::OwnerStarted).having_heard_nothing().in_boot(3),
        N3.yields(200_002).having_heard("192.0.2.1", 255, 200_001),
    ]
}

proptest! {
    #[test]
    fn the_order_of_arrival_changes_nothing(shuffled in Just(a_history()).prop_shuffle()) {
        let wanted = joined(&a_history());
        prop_assert_eq!(wanted.len(), 6);
        prop_assert_eq!(joined(&shuffled), wanted);
    }

    #[test]
    fn no_report_makes_two_records_of_one_move(kept in proptest::sample::subsequence(a_history(), 0..10)) {
        let moves = joined(&kept);
        let mut keys: Vec<_> = moves.iter().map(|each| (each.transition, each.evidence)).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), moves.len());
        for each in &moves {
            prop_assert_ne!(&each.from, &each.to);
        }
    }
}
