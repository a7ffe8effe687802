//! What renews the leases and keeps their rules, while others interfere and settings change.

use super::*;
use crate::switchover::boost;

#[test]
fn a_flushed_ruleset_is_there_again_within_a_bound_and_no_packet_is_lost_nor_a_foreign_mark() {
    const FOREIGN: &str = "add table netdev foreign
        add chain netdev foreign in { type filter hook ingress device \"eth0\" priority -10; }
        add rule netdev foreign in icmp type echo-request meta mark set 0x42
        add chain netdev foreign out { type filter hook egress device \"eth0\" priority 10; }
        add rule netdev foreign out icmp type echo-reply meta mark 0x43 counter
        add rule netdev foreign out icmp type echo-reply meta mark != 0x43 counter
        add table inet foreign
        add chain inet foreign in { type filter hook input priority 0; }
        add rule inet foreign in icmp type echo-request meta mark 0x42 counter
        add rule inet foreign in icmp type echo-request meta mark != 0x42 counter
        add chain inet foreign out { type route hook output priority 0; }
        add rule inet foreign out icmp type echo-reply meta mark set 0x43";
    let lab = Lab::alone_with_ipv6(2);
    let router = router(&lab, 1);
    router.apply(1, both(240, MacMode::Interface));
    router.reaches(State::Active, 2);
    is_armed(&router);
    let written = rules(&lab, 1);
    let clients = pingers(&lab, 2);
    clients[0].asks(20);
    nft(&lab, 1, "flush ruleset");
    within(Duration::from_secs(5), "it is there again", || rules(&lab, 1), |shown| *shown == written);
    let said = |notices: &Vec<String>| notices.iter().any(|text| text.contains("silences virtual addresses"));
    eventually("it is said", || router.notices(), said);
    clients[0].asks(100);
    lose_nothing(clients);
    assert_eq!(router.transitions().len(), 4, "{:?}", router.transitions());

    nft(&lab, 1, FOREIGN);
    let client = Pinger::start(&lab, 2, VIP, 0);
    client.asks(20);
    let outcome = client.finish();
    let counted = nft(&lab, 1, "list ruleset");
    let count = |mark: &str| {
        let rule = counted.lines().find(|line| line.contains(mark)).unwrap_or_else(|| panic!("{counted}"));
        let packets = rule.split_whitespace().skip_while(|word| *word != "packets").nth(1);
        packets.and_then(|packets| packets.parse::<u16>().ok()).expect("a counter")
    };
    assert!(outcome.lost.is_empty());
    assert_eq!([count("mark 0x00000042"), count("mark 0x00000043")], [outcome.sent; 2], "{counted}");
    assert_eq!([count("mark != 0x00000042"), count("mark != 0x00000043")], [0, 0], "{counted}");
}

#[test]
fn a_member_that_speaks_to_peers_alone_answers_as_long_as_it_speaks_though_no_peer_is_there() {
    let lab = Lab::alone(2);
    let peer = DesiredPeer {
        name: "away".parse().expect("a name"),
        address: Some("10.66.0.99".parse().expect("an address")),
        priority: Priority::MIN,
        external: false,
    };
    let options = ProtocolOptions { transport: Transport::Unicast, ..ProtocolOptions::default() };
    let unicast = DesiredGroup { options, peers: vec![peer], ..group(240) };
    let mut agent = Agent::start_fenced(&lab, 1, vec![unicast], ALONE, |_, _| {});
    let client = Pinger::start(&lab, 2, VIP, 0);
    eventually("it answers", || client.answered(), |answered| *answered > 20);
    let armed = || agent.status().pointer("/fences/nftables_lease").cloned().unwrap_or_default();
    let armed = eventually("it is armed", armed, |fence| fence["state"] == "armed");
    let from = client.asked();
    client.asks(250);
    let answered = client.answered();
    agent.kill_parent();
    agent.kill_worker();
    are_silent(std::slice::from_ref(&client));
    assert!(lab.has(1, VIP));
    let outcome = client.finish();
    let lost: Vec<_> = outcome.lost.iter().filter(|number| (from..answered).contains(number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {from} to {answered}");
    assert_eq!(armed["lapsed"], 0);
}

#[test]
fn an_interval_that_grows_or_shrinks_loses_nothing_and_its_lease_follows() {
    let lab = Lab::alone(2);
    let router = router(&lab, 1);
    router.apply(1, vec![every(group(240), 60)]);
    router.reaches(State::Active, 1);
    is_armed(&router);
    let client = Pinger::start(&lab, 2, VIP, 0);
    client.asks(20);
    for (revision, interval) in [(2, 1_000), (3, 60), (4, 400)] {
        router.apply(revision, vec![every(group(240), interval)]);
        let lasts = match interval * 3 {
            3_000 => "timeout 3s".to_owned(),
            1_200 => "timeout 1s200ms".to_owned(),
            lasts => format!("timeout {lasts}ms"),
        };
        eventually("the lease follows", || rules(&lab, 1), |shown| shown.contains(&lasts));
        client.asks(80);
    }
    let outcome = client.finish();
    assert!(outcome.lost.is_empty(), "{outcome:?}");
    assert_eq!((status(&router).acted, status(&router).lapsed), (0, 0));
    router.apply(5, vec![every(group(240), 40)]);
    let short = |status: &FenceStatus| {
        status.detail.as_ref().is_some_and(|why| why.contains("web (its interval is 40 ms"))
    };
    let status = eventually("it is said", || status(&router), short);
    assert_eq!((status.state, status.broken), (FenceState::NotArmed, false));
    eventually("no rules", || rules(&lab, 1), String::is_empty);
}

#[test]
fn a_lease_that_a_strangers_rule_keeps_from_being_renewed_is_counted_and_from_then_on_renewed_by_the_agent() {
    let lab = Lab::alone(2);
    let router = router(&lab, 1);
    router.apply(1, vec![group(240)]);
    router.reaches(State::Active, 1);
    is_armed(&router);
    // Advertisements no longer look like the member's own.
    nft(
        &lab,
        1,
        "add table netdev stranger; add chain netdev stranger out { type filter hook egress device \"eth0\" priority -10; }; add rule netdev stranger out ip protocol 112 ip saddr set 10.66.0.77",
    );
    let lapsed = eventually("it is counted", || status(&router), |status| status.lapsed == 1);
    assert_eq!((lapsed.state, lapsed.acted), (FenceState::Armed, 0));
    let said = |notices: &Vec<String>| notices.iter().any(|text| text.contains("had silenced web although"));
    eventually("it is said", || router.notices(), said);
    let client = Pinger::start(&lab, 2, VIP, 0);
    client.asks(250);
    assert!(client.finish().lost.is_empty());
    assert_eq!(status(&router).lapsed, 1);
}

#[test]
fn rules_that_cannot_be_written_leave_the_address_without_a_lease_and_the_status_says_why() {
    let lab = Lab::alone(2);
    // A table that only the program which made it may change, for as long as it runs.
    let mut owner = Command::new("ip")
        .args(["netns", "exec", &lab.host(1), "nft", "-i"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("nft runs");
    let mut commands = owner.stdin.take().expect("its input");
    std::io::Write::write_all(
        &mut commands,
        format!("add table netdev {TABLE} {{ flags owner; }}\n").as_bytes(),
    )
    .expect("told");
    eventually("the table", || rules(&lab, 1), |shown| shown.contains(TABLE));
    let router = router(&lab, 1);
    router.apply(1, vec![group(240)]);
    router.reaches(State::Active, 1);
    let refused =
        |status: &FenceStatus| status.detail.as_ref().is_some_and(|why| why.contains("not permitted"));
    let refused = eventually("it is said", || status(&router), refused);
    assert_eq!((refused.state, refused.broken), (FenceState::NotArmed, true));
    let client = Pinger::start(&lab, 2, VIP, 0);
    client.asks(100);
    drop(commands);
    owner.wait().expect("it ends");
    is_armed(&router);
    client.asks(100);
    assert!(client.finish().lost.is_empty());
}

#[test]
fn a_worker_that_is_replaced_keeps_its_lease_and_what_a_dead_agent_left_goes_at_the_next_start() {
    let lab = Lab::alone(2);
    let mut agent = Agent::start_fenced(&lab, 1, vec![every(group(240), 300)], ALONE, |_, _| {});
    let armed = || agent.status().pointer("/fences/nftables_lease/state").cloned();
    eventually("it is armed", armed, |state| *state == Some("armed".into()));
    let client = Pinger::start(&lab, 2, VIP, 0);
    client.asks(20);
    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    eventually("it is armed", armed, |state| *state == Some("armed".into()));
    client.asks(250);
    assert!(client.finish().lost.is_empty());

    agent.kill_parent();
    agent.kill_worker();
    assert!(rules(&lab, 1).contains("v4_"), "nobody has removed them");
    let lock = std::fs::File::open(agent.directory.path().join("lock")).expect("the lock");
    eventually("both are gone", || lock.try_lock().is_ok(), |free| *free);
    drop(lock);
    let client = Pinger::start(&lab, 2, VIP, 0);
    are_silent(std::slice::from_ref(&client));
    let answered = client.answered();
    agent.start_again(&lab, 1);
    eventually("it answers again", || client.answered(), |now| *now > answered + 20);
    assert!(agent.stop(Signal::SIGTERM).success());
    assert_eq!(rules(&lab, 1), "");
}

#[test]
fn a_member_that_takes_over_again_and_again_answers_each_time() {
    let lab = Lab::alone(3);
    let worse = router(&lab, 2);
    worse.apply(1, vec![every(group(200), 50)]);
    let better = Router::running(&lab, 1, every(group(240), 50));
    better.reaches(State::Active, 1);
    is_armed(&worse);
    let pinger = Pinger::start(&lab, 3, VIP, 0);
    pinger.asks(20);
    let before = worse.transitions().iter().filter(|transition| transition.to == State::Active).count();
    for turn in 1..=8 {
        worse.boost(vec![boost(turn)]);
        let turn = usize::try_from(turn).expect("a few");
        worse.reaches(State::Active, before + turn);
        pinger.asks(10);
        worse.boost(Vec::new());
        better.reaches(State::Active, turn + 1);
        // Its lease ends meanwhile, and the kernel has not tidied up yet.
        pinger.asks(35);
    }
    let outcome = pinger.finish();
    assert_eq!(outcome.lost, [0; 0], "of {}", outcome.sent);
    assert_eq!((status(&worse).acted, status(&worse).lapsed), (0, 0));
}
