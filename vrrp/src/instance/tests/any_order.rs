//! Calls in any order, at any time, the caller's mistakes included.

use std::time::Duration;

use proptest::prelude::*;

use super::super::Standing;
use super::support::*;
use crate::{
    Action, Advertisement, BoostedPriority, Change, Claim, Config, Instance, Instant, Role, Settings, SyncSet,
};

#[derive(Debug, Clone)]
enum Call {
    Start,
    Adopt { sent_ago: Duration },
    Stop,
    Fault,
    Hear { last: u8, octet: u8, interval_ms: u32, other_list: bool, sequence: Option<u16> },
    Timeout,
    Held,
    HoldFailed,
    Boost { number: u8 },
    Unboost,
    Assist { last: u8, sequence: u16, rank: u32 },
    HoldOff { ms: u64 },
    BeginAtOnce,
    Settle { alone: bool },
    LeaveSet,
    Reconfigure { number: u8, interval_ms: u32, preempt: bool, addresses: u8 },
}

fn any_call() -> impl Strategy<Value = Call> {
    let interval = (1..=300_u32).prop_map(|steps| steps * 10);
    prop_oneof![
        2 => Just(Call::Start),
        1 => (0..9_000_u64).prop_map(|ms| Call::Adopt { sent_ago: milliseconds(ms) }),
        1 => Just(Call::Stop),
        1 => Just(Call::Fault),
        8 => (
            OUR_HOST - 1..=OUR_HOST + 1, any::<u8>(), interval.clone(), any::<bool>(), prop::option::of(0..3_u16)
        ).prop_map(|(last, octet, interval_ms, other_list, sequence)| {
            Call::Hear { last, octet, interval_ms, other_list, sequence }
        }),
        8 => Just(Call::Timeout),
        4 => Just(Call::Held),
        1 => Just(Call::HoldFailed),
        2 => (BoostedPriority::MIN..=BoostedPriority::MAX).prop_map(|number| Call::Boost { number }),
        1 => Just(Call::Unboost),
        2 => (OUR_HOST - 1..=OUR_HOST + 1, 0..3_u16, 0..4_u32)
            .prop_map(|(last, sequence, rank)| Call::Assist { last, sequence, rank }),
        1 => (0..9_000_u64).prop_map(|ms| Call::HoldOff { ms }),
        2 => Just(Call::BeginAtOnce),
        2 => any::<bool>().prop_map(|alone| Call::Settle { alone }),
        1 => Just(Call::LeaveSet),
        2 => (1..=255_u8, interval, any::<bool>(), 1..4_u8).prop_map(|(number, interval_ms, preempt, addresses)| {
            Call::Reconfigure { number, interval_ms, preempt, addresses }
        }),
    ]
}

fn call(router: &mut Instance, call: &Call, now: Instant) {
    match *call {
        Call::Start => router.start(now),
        Call::Adopt { sent_ago } => router.adopt(now, now - sent_ago),
        Call::Stop => router.stop(now),
        Call::Fault => router.fault(),
        Call::Hear { last, octet, interval_ms, other_list, sequence } => {
            let addresses = vec![host(if other_list { 101 } else { 100 })];
            let interval = interval(interval_ms);
            let said = Advertisement { interval, addresses, ..says(last, Claim::from_octet(octet)) };
            router.handle_numbered(&said, sequence, now).unwrap();
        }
        Call::Timeout => router.handle_timeout(now),
        Call::Held => router.handle_held(now),
        Call::HoldFailed => router.handle_hold_failed(now),
        Call::Boost { number } => {
            let _refused = router.boost(BoostedPriority::new(number).unwrap(), now);
        }
        Call::Unboost => router.unboost(now),
        Call::Assist { last, sequence, rank } => {
            let _obeyed = router.handle_assist(host(last), sequence, rank, now);
        }
        Call::HoldOff { ms } => router.hold_off(now + milliseconds(ms)),
        Call::BeginAtOnce => {
            let _begun = router.begin_at_once(now);
        }
        Call::Settle { alone: true } => SyncSet::new().settle(&mut [Some(router)], now),
        Call::Settle { alone: false } => SyncSet::new().settle(&mut [Some(router), None], now),
        Call::LeaveSet => router.leave_set(now),
        Call::Reconfigure { number, interval_ms, preempt, addresses } => {
            let addresses = (0..addresses).map(|n| host(100 + n)).collect();
            let edited = Settings { interval: interval(interval_ms), preempt, addresses, ..settings(number) };
            router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn no_order_of_calls_breaks_a_promise(
        calls in prop::collection::vec((any_call(), 0..4_000_u64, prop::bool::weighted(0.05)), 0..80),
    ) {
        let mut router = Instance::new(Config::new(settings(100)).unwrap());
        let mut now = start();
        let mut wanted = false;

        for (called, later_ms, clock_goes_back) in calls {
            now = if clock_goes_back { now - milliseconds(later_ms) } else { now + milliseconds(later_ms) };
            let before = router.role();
            call(&mut router, &called, now);
            let after = router.role();
            let done = actions(&mut router);

            let adopted = before == Role::Initialize && !wanted && matches!(called, Call::Adopt { .. });
            let mut role = if adopted { Role::Active } else { before };
            wanted |= adopted;
            for action in &done {
                match *action {
                    Action::Hold => wanted = true,
                    Action::Release | Action::HandOver => wanted = false,
                    Action::Advertise(_) | Action::Concede(_) | Action::Announce | Action::Hush => {
                        prop_assert!(wanted, "{:?} without the addresses", action);
                        prop_assert!(role == Role::Active || after == Role::Active, "{:?} as {:?}", action, role);
                    }
                    Action::Report(Change { from, to, .. }) => {
                        prop_assert_eq!(from, role);
                        prop_assert_ne!(from, to);
                        role = to;
                    }
                }
            }
            prop_assert_eq!(role, after, "every change is reported, once");
            prop_assert_eq!(router.wants_addresses(), wanted, "Hold and Release tell the level");
            prop_assert!(done.len() <= 5, "{:?}", done);
            prop_assert!(after != Role::Active || wanted, "Active wants the addresses");

            if matches!(called, Call::Timeout) {
                let next = router.poll_timeout();
                prop_assert!(next.is_none_or(|next| next > now), "woken in vain at {:?} for {:?}", now, next);
            }
            let is_idle = after == Role::Initialize || (wanted && after != Role::Active);
            let is_idle = is_idle || router.standing(now) == Standing::Willing;
            prop_assert_eq!(router.poll_timeout().is_none(), is_idle, "there is a deadline unless it is the caller's turn");
        }
    }
}
