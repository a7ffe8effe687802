//! Routes and policy rules that come and go with the addresses.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions, VirtualRoute, VirtualRule};
use api_types::transition::{State, TransitionReason};

use crate::agent::Agent;
use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::router::{GLOBAL, Router, VIP, group, group_ipv6};

fn route(destination: &str, gateway: Option<&str>, table: Option<u32>) -> VirtualRoute {
    VirtualRoute {
        destination: destination.parse().expect("a prefix"),
        gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
        metric: None,
        table,
    }
}

fn routed(priority: u8) -> DesiredGroup {
    let rule = VirtualRule {
        from: Some(format!("{VIP}/32").parse().expect("a prefix")),
        to: None,
        table: 1_000,
        preference: 99,
    };
    let options = ProtocolOptions {
        virtual_routes: vec![
            route("198.51.100.0/24", Some("10.66.0.9"), None),
            route("0.0.0.0/0", Some("10.66.0.9"), Some(1_000)),
        ],
        virtual_rules: vec![rule],
        ..ProtocolOptions::default()
    };
    DesiredGroup { options, ..group(priority) }
}

fn routed_ipv6(priority: u8, mac_mode: MacMode) -> DesiredGroup {
    let rule = VirtualRule {
        from: Some(format!("{GLOBAL}/128").parse().expect("a prefix")),
        to: None,
        table: 1_000,
        preference: 99,
    };
    let options = ProtocolOptions {
        virtual_routes: vec![
            route("2001:db8:98::/48", Some("fe80::9"), None),
            route("::/0", Some("2001:db8:66::9"), Some(1_000)),
        ],
        virtual_rules: vec![rule],
        mac_mode,
        ..ProtocolOptions::default()
    };
    DesiredGroup { options, ..group_ipv6(priority) }
}

/// What `ip` shows of what the group over IPv6 brought: its routes, its rule, and the way to link-local
/// neighbours that a macvlan needs.
fn shown_ipv6(lab: &Lab) -> Vec<String> {
    let all = lab.ip(1, &["-6", "route", "show", "table", "all"]) + &lab.ip(1, &["-6", "rule", "show"]);
    let ours = |line: &&str| line.contains("::9 ") || line.contains("99:") || line.contains(" dev bv6-");
    let lines = all.lines().filter(|line| !line.contains("table local"));
    lines.filter(ours).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What `ip` shows of the group's two routes and its rule.
fn shown(lab: &Lab) -> String {
    let all = lab.ip(1, &["route", "show", "table", "all"]) + &lab.ip(1, &["rule", "show"]);
    all.lines()
        .filter(|line| line.contains("10.66.0.9") || line.contains("99:"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn has_all(shown: &str) -> bool {
    [
        "198.51.100.0/24 via 10.66.0.9 dev eth0",
        "default via 10.66.0.9 dev eth0 table 1000",
        &format!("from {VIP} lookup 1000"),
    ]
    .iter()
    .all(|words| shown.contains(words))
}

#[test]
fn routes_and_rules_are_there_while_the_address_is() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, routed(200));
    router.reaches(State::Active, 1);
    assert!(has_all(&shown(&lab)), "{}", shown(&lab));
    let better = Router::running(&lab, 2, group(240));
    better.reaches(State::Active, 1);
    router.reaches(State::Backup, 2);
    eventually("they go", || shown(&lab), String::is_empty);
    better.stop();
    router.reaches(State::Active, 2);
    assert!(has_all(&shown(&lab)), "{}", shown(&lab));
    router.stop();
    assert_eq!(shown(&lab), "");
}

#[test]
fn ipv6_routes_and_rules_are_there_while_the_address_is() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::with_ipv6(2);
        let router = Router::running(&lab, 1, routed_ipv6(200, mac_mode));
        router.reaches(State::Active, 1);
        let has_all = || {
            let shown = shown_ipv6(&lab).join("\n");
            let words = [
                "2001:db8:98::/48 via fe80::9 dev eth0",
                "default via 2001:db8:66::9 dev eth0 table 1000",
                "from 2001:db8:66::51 lookup 1000",
            ];
            assert!(words.iter().all(|words| shown.contains(words)), "{shown}");
        };
        has_all();
        lab.ip(1, &["route", "del", "2001:db8:98::/48"]);
        within(
            Duration::from_secs(3),
            "all again",
            || shown_ipv6(&lab),
            |shown| shown.iter().any(|line| line.starts_with("2001:db8:98::/48")),
        );
        let better = Router::running(
            &lab,
            2,
            DesiredGroup {
                options: ProtocolOptions { mac_mode, ..ProtocolOptions::default() },
                ..group_ipv6(240)
            },
        );
        better.reaches(State::Active, 1);
        router.reaches(State::Backup, 2);
        eventually("they go", || shown_ipv6(&lab), Vec::is_empty);
        better.stop();
        router.reaches(State::Active, 2);
        has_all();
        router.stop();
        assert_eq!(shown_ipv6(&lab), Vec::<String>::new());
    }
}

#[test]
fn a_changed_list_changes_the_routes_of_a_holder() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, routed(240));
    router.reaches(State::Active, 1);
    router.apply(2, vec![group(240)]);
    eventually("they go", || shown(&lab), String::is_empty);
    router.apply(3, vec![routed(240)]);
    eventually("they come", || shown(&lab), |shown| has_all(shown));
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}

#[test]
fn what_a_stranger_deletes_is_there_again_within_three_seconds_and_this_is_said() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, routed(240));
    router.reaches(State::Active, 1);
    lab.ip(1, &["route", "del", "198.51.100.0/24"]);
    lab.ip(1, &["rule", "del", "preference", "99"]);
    within(Duration::from_secs(3), "all again", || shown(&lab), |shown| has_all(shown));
    let said = |notices: &Vec<String>| {
        ["198.51.100.0/24", "rule with preference 99"]
            .iter()
            .all(|what| notices.iter().any(|text| text.contains(what) && text.contains("there again")))
    };
    eventually("it is said", || router.notices(), said);
}

#[test]
fn a_strangers_route_to_the_same_place_stays() {
    let lab = Lab::new(1);
    lab.ip(1, &["route", "add", "198.51.100.0/24", "via", "10.66.0.8"]);
    let router = Router::running(&lab, 1, routed(240));
    router.reaches(State::Active, 1);
    assert!(has_all(&shown(&lab)), "{}", shown(&lab));
    router.stop();
    assert_eq!(shown(&lab), "");
    assert!(lab.ip(1, &["route", "show"]).contains("198.51.100.0/24 via 10.66.0.8"));
}

#[test]
fn a_route_that_the_kernel_refuses_is_a_fault_that_names_it_and_leaves_nothing() {
    let lab = Lab::new(1);
    let mut group = routed(240);
    group.options.virtual_routes.push(route("203.0.113.0/24", Some("192.0.2.1"), None));
    let router = Router::running(&lab, 1, group);
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::BindFailed);
    let fault = eventually("it says why", || router.group().and_then(|group| group.fault), Option::is_some);
    let words = "the route to 203.0.113.0/24 via 192.0.2.1 in table 254: the kernel refused";
    assert!(fault.as_deref().is_some_and(|fault| fault.contains(words)), "{fault:?}");
    let told = |notices: &Vec<String>| notices.iter().any(|text| text.contains(words));
    eventually("the log has it", || router.notices(), told);
    eventually("nothing is left", || (lab.has(1, VIP), shown(&lab)), |(has, shown)| !has && shown.is_empty());
}

#[test]
fn every_member_is_out_of_fault_once_a_route_that_the_kernel_refused_is_no_longer_asked_for() {
    let lab = Lab::new(2);
    let routers = [(1, 240), (2, 200)].map(|(host, priority)| Router::running(&lab, host, group(priority)));
    routers[0].reaches(State::Active, 1);
    routers[1].reaches(State::Backup, 1);
    for (router, priority) in routers.iter().zip([240, 200]) {
        let mut refused = group(priority);
        refused.options.virtual_routes.push(route("203.0.113.0/24", Some("192.0.2.1"), None));
        router.apply(2, vec![refused]);
    }
    routers.iter().for_each(|router| drop(router.reaches(State::Fault, 1)));
    for (router, priority) in routers.iter().zip([240, 200]) {
        router.apply(3, vec![group(priority)]);
    }
    for (router, state) in routers.iter().zip([State::Active, State::Backup]) {
        let stands = || router.group().map(|group| (group.state, group.fault));
        eventually("it takes part again", stands, |stands| *stands == Some((state, None)));
    }
}

#[test]
fn what_an_earlier_life_left_is_removed() {
    let lab = Lab::new(2);
    let mut agent = Agent::start_group(&lab, 1, routed(200), |_, _| {});
    eventually("it holds", || shown(&lab), |shown| has_all(shown));
    agent.kill_parent();
    agent.kill_worker();
    assert!(has_all(&shown(&lab)));
    let better = Router::running(&lab, 2, group(240));
    better.reaches(State::Active, 1);
    agent.start_again(&lab, 1);
    eventually(
        "a Backup has none",
        || (lab.has(1, VIP), shown(&lab)),
        |(has, shown)| !has && shown.is_empty(),
    );
}
