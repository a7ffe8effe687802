//! Macvlans, routes and rules that come and go with addresses.

use super::*;

fn rule(preference: u32) -> Attachment {
    Attachment::Rule(Rule { family: vrrp::Family::Ipv4, from: None, to: None, table: 7, preference })
}

fn accompanied(lasts: &[u8], preference: u32) -> Wish {
    Wish { link: Some(3), attachments: [rule(preference)].into(), ..wish(lasts) }
}

/// Drives the binder for a while in which it has nothing to say but that macvlans are down.
async fn rest(binder: &mut Binder) {
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(300), binder.next()).await {
        assert!(matches!(event, Event::LinkLeft), "{event:?}");
    }
}

#[tokio::test]
async fn a_macvlan_comes_up_first_and_speaks_last_and_in_the_other_order_all_goes() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, accompanied(&[1], 9));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    let rule = "the ipv4 rule with preference 9";
    assert_eq!(table.take_done(), ["up", "add 192.0.2.1", &format!("attach {rule}"), "unmute"]);
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.take_done(), ["hush", &format!("detach {rule}"), "remove 192.0.2.1"]);
    assert!(binder.is_idle(), "nobody waits for the macvlan");
    rest(&mut binder).await;
    assert_eq!(table.take_done(), ["down"]);
}

#[tokio::test]
async fn a_group_that_holds_again_keeps_its_macvlan_up() {
    let (table, mut binder) = binder(&[]);
    for _ in 0..3 {
        binder.hold(0, accompanied(&[1], 9));
        next(&mut binder).await;
        binder.release(0);
        next(&mut binder).await;
    }
    binder.hold(0, accompanied(&[1], 9));
    next(&mut binder).await;
    rest(&mut binder).await;
    let done = table.take_done();
    assert!(!done.contains(&"down".to_owned()), "{done:?}");
    let answers = done.iter().rfind(|what| ["unmute", "hush"].contains(&what.as_str()));
    assert_eq!(answers.map(String::as_str), Some("unmute"), "it answers: {done:?}");
}

#[tokio::test]
async fn a_macvlan_that_was_raised_in_vain_is_silent_until_all_is_there() {
    let (table, mut binder) = binder(&[]);
    table.refuses_to_add.lock().unwrap().insert(address(1));
    binder.hold(0, accompanied(&[1], 9));
    assert!(matches!(next(&mut binder).await, Event::HoldFailed { group: 0, .. }));
    assert_eq!(table.take_done(), ["up"]);
    table.refuses_to_add.lock().unwrap().clear();
    binder.hold(0, accompanied(&[1], 9));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    let rule = "the ipv4 rule with preference 9";
    assert_eq!(table.take_done(), ["up", "add 192.0.2.1", &format!("attach {rule}"), "unmute"]);
}

#[tokio::test]
async fn a_macvlan_whose_successor_was_heard_is_silent_at_once_and_goes_with_the_addresses() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, accompanied(&[1], 9));
    next(&mut binder).await;
    table.take_done();
    assert!(binder.hush(0));
    binder.doubt_attachments();
    assert!(matches!(next(&mut binder).await, Event::Hushed { group: 0 }));
    tokio::time::timeout(Duration::from_millis(20), binder.next()).await.expect_err("nothing to say");
    assert_eq!(table.take_done(), ["hush"], "and the addresses stay");
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    rest(&mut binder).await;
    assert_eq!(table.take_done(), ["detach the ipv4 rule with preference 9", "remove 192.0.2.1", "down"]);
}

#[tokio::test]
async fn macvlans_go_down_one_at_a_time() {
    let (table, mut binder) = binder(&[]);
    for group in 0..3 {
        let last = u8::try_from(group).unwrap();
        binder.hold(group, Wish { link: Some(10 + u32::from(last)), ..wish(&[last]) });
        next(&mut binder).await;
    }
    (0..3).for_each(|group| binder.release(group));
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(matches!(next(&mut binder).await, Event::Released { .. }));
    }
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    rest(&mut binder).await;
    assert_eq!(table.take_done().iter().filter(|what| *what == "down").count(), 3);
    let links = binder.links();
    assert!(links.held.is_empty() && links.lowering.is_empty(), "{links:?}");
}

#[tokio::test]
async fn a_rule_that_another_group_wants_too_stays_until_that_goes() {
    let (table, mut binder) = binder(&[]);
    for (group, last) in [(0, 1), (1, 2)] {
        binder.hold(group, Wish { attachments: [rule(9)].into(), ..wish(&[last]) });
        next(&mut binder).await;
    }
    binder.release(0);
    next(&mut binder).await;
    assert_eq!(*table.attachments.lock().unwrap(), [rule(9)].into());
    binder.release(1);
    next(&mut binder).await;
    assert!(table.attachments.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_rule_that_a_stranger_removed_is_added_again_and_this_is_said() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, Wish { attachments: [rule(8), rule(9)].into(), ..wish(&[1]) });
    next(&mut binder).await;
    table.attachments.lock().unwrap().remove(&rule(9));
    binder.doubt_attachments();
    let event = next(&mut binder).await;
    assert!(matches!(event, Event::Reattached { attachment } if attachment == rule(9)), "{event:?}");
    assert_eq!(table.attachments.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_macvlan_that_a_stranger_took_down_comes_up_again() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, accompanied(&[1], 9));
    next(&mut binder).await;
    table.take_done();
    binder.notice_lowered(3);
    assert!(binder.next().now_or_never().is_none());
    tokio::time::timeout(Duration::from_millis(20), binder.next()).await.expect_err("nothing to say");
    assert_eq!(table.take_done(), ["up", "unmute"]);
}

#[tokio::test]
async fn whoever_takes_macvlans_down_hears_when_nothing_of_an_earlier_life_is_left_on_them() {
    let (table, mut binder) = binder(&[3]);
    assert_eq!(binder.remove_leftovers(), 1);
    assert!(!binder.links().held.is_empty());
    assert!(matches!(next(&mut binder).await, Event::LinkLeft));
    assert!(binder.links().held.is_empty() && table.all().is_empty());
}

#[tokio::test]
async fn what_is_handed_over_falls_silent_at_once_and_goes_a_moment_later() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, accompanied(&[1], 9));
    next(&mut binder).await;
    table.take_done();
    assert!(binder.hush(0));
    binder.hand_over(0);
    assert!(matches!(next(&mut binder).await, Event::Hushed { group: 0 }));
    assert_eq!(table.take_done(), ["hush"], "and the addresses stay");
    assert!(!binder.is_at_rest() && !binder.is_idle());
    let silent = std::time::Instant::now();
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert!(silent.elapsed() >= Duration::from_millis(7), "{:?}", silent.elapsed());
    assert_eq!(table.take_done(), ["detach the ipv4 rule with preference 9", "remove 192.0.2.1"]);
    assert!(binder.is_at_rest() && binder.is_idle());
}

#[tokio::test]
async fn what_is_handed_over_goes_at_once_when_it_must_and_stays_when_it_is_wished_for_again() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    assert!(!binder.hush(0), "there is no macvlan that could speak");
    binder.hand_over(0);
    binder.release(0);
    let told = std::time::Instant::now();
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());

    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    binder.hand_over(0);
    binder.hold(0, wish(&[1]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    tokio::time::timeout(Duration::from_millis(50), binder.next()).await.expect_err("nothing to say");
    assert_eq!(table.all(), [address(1)]);
}
