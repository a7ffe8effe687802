//! What a group makes of the rules about yielding, announcing and preempting.

use api_types::channel::DesiredPeer;

use super::*;

/// Lets a group live as the driver would, from `from` to `until`, and returns when it wanted to announce.
fn announces(group: &mut Group, from: u64, until: u64) -> Vec<u64> {
    let mut announced = Vec::new();
    for now in (from..=until).step_by(10) {
        let mut effects = Effects::default();
        group.handle_timeout(at(now), &mut effects);
        announced.extend(effects.announcements.iter().map(|_| now));
    }
    announced
}

#[test]
fn whoever_yields_says_so_from_the_interfaces_own_mac_address_and_with_the_winners_interval() {
    let shared = [0, 0, 0x5e, 0, 1, 51];
    let mut group = Group::new(0, desired(240), at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(Footing { mac: shared, holder: Some(9), ..FOOTING }), at(0), &mut effects);
    group.handle_timeout(at(307), &mut effects);
    group.handle_held(at(308), &mut effects);
    let (_, frame) = group.frame(Claim::from_octet(240).into()).expect("a frame");
    assert_eq!(frame[6..12], shared, "an ordinary one keeps the switch's entry fresh");

    let mut effects = Effects::default();
    let slower = AdvertisementInterval::from_millis(Version::V3, 250).unwrap();
    let winner = Advertisement { interval: slower, ..advertisement(250) };
    group
        .handle_advertisement(&winner, None, at(400), &mut effects)
        .expect("it is about this virtual router");
    let [(0, saying)] = effects.advertisements[..] else { panic!("{:?}", effects.advertisements) };
    assert_eq!((saying.claim, saying.interval), (Claim::from_octet(240), Some(slower)));
    let (_, frame) = group.frame(saying).expect("a frame");
    assert_eq!(frame[6..12], FOOTING.own_mac, "the switch must not send the winner's frames here");
    assert!(effects.announcements.is_empty(), "only a holder announces");
}

#[test]
fn a_holder_announces_every_ten_seconds_beside_a_router_without_an_agent_and_only_there() {
    assert!(announces(&mut active(), 400, 25_000).is_empty(), "beside none");

    let mut group = active();
    let mut effects = Effects::default();
    let stranger = DesiredPeer {
        name: "keepalived".parse().unwrap(),
        address: Some("192.0.2.9".parse().unwrap()),
        priority: vrrp::Priority::MIN,
        external: true,
    };
    let beside = DesiredGroup { peers: vec![stranger], ..desired(240) };
    group.change(beside, Ok(FOOTING), at(400), &mut effects);
    assert_eq!(announces(&mut group, 400, 25_000), [10_400, 20_400]);
}

#[test]
fn a_groups_preempt_delay_is_waited_for() {
    let mut delayed = desired(240);
    delayed.options.preempt_delay_ms = 1_000.try_into().unwrap();
    let mut group = Group::new(0, delayed, at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(FOOTING), at(0), &mut effects);
    for now in (50..2_000).step_by(100) {
        group.handle_advertisement(&advertisement(200), None, at(now), &mut effects).expect("heard");
        group.handle_timeout(at(now), &mut effects);
        if !effects.wishes.is_empty() {
            // A second from the first that was heard, then what a Backup waits for after the last that it
            // obeyed.
            assert!((1_050..=1_350).contains(&now), "took over after {now} ms");
            return;
        }
    }
    panic!("it never preempts");
}

#[test]
fn what_is_odd_about_a_router_is_told_with_its_group_and_its_address_and_is_no_reason_not_to_obey() {
    let interval = AdvertisementInterval::from_millis(Version::V3, 250).unwrap();
    let other = vec!["192.0.2.99".parse().unwrap()];
    let usual = || advertisement(250);
    let cases = [
        (240, usual(), None),
        (240, Advertisement { interval, ..usual() }, Some("192.0.2.9 advertises another interval than ours")),
        (
            240,
            Advertisement { addresses: other, ..usual() },
            Some("192.0.2.9 lists other addresses than ours"),
        ),
        (250, usual(), Some("192.0.2.9 has our priority")),
        (240, Advertisement { source: FOOTING.source, ..usual() }, Some("192.0.2.1 sends from our address")),
        (255, usual(), Some("192.0.2.9 claims addresses that we own")),
    ];
    for (priority, heard, said) in cases {
        let mut group = Group::new(0, desired(priority), at(0));
        let mut effects = Effects::default();
        group.set_footing(Ok(FOOTING), at(0), &mut effects);
        for now in [10, 110, 210] {
            group.handle_advertisement(&heard, None, at(now), &mut effects).expect("heard");
        }
        let wanted: Vec<_> = said.iter().map(|said| format!("group web on interface eth0: {said}")).collect();
        assert_eq!(effects.notices, wanted, "once, although it is heard three times");
        assert_eq!(group.active_source(), (priority < 255).then_some(heard.source));
    }
}

#[test]
fn nothing_is_sent_before_there_is_a_macvlan_and_the_addresses_are_on_it() {
    let mut group = Group::new(0, desired(240), at(0));
    let mut effects = Effects::default();
    let mac = [0, 0, 0x5e, 0, 1, 51];
    group.set_footing(Ok(Footing { mac, holder: None, ..FOOTING }), at(0), &mut effects);
    group.handle_timeout(at(307), &mut effects);
    assert!(effects.wishes.is_empty(), "there is nothing to hold them on");
    group.set_footing(Ok(Footing { mac, holder: Some(9), ..FOOTING }), at(320), &mut effects);
    assert_eq!(effects.wishes.len(), 1);
    assert!(effects.advertisements.is_empty() && effects.announcements.is_empty());
    assert_eq!(group.state(), State::Backup);
    group.handle_held(at(330), &mut effects);
    assert_eq!((effects.advertisements.len(), effects.announcements.len()), (1, 1));
    assert_eq!(group.state(), State::Active);
}
