//! Two groups on two interfaces of two hosts: what moves one of them moves both.

use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use baton_agent::messages::GroupSnapshot;
use uuid::Uuid;
use vrrp::BoostedPriority;

use crate::eventually::eventually;
use crate::lab::{Lab, ip};
use crate::router::{Router, VIP, group};

const OTHER_VIP: &str = "10.67.1.51";

/// `web` on `eth0`, `db` on `eth1`.
fn groups(priority: u8) -> Vec<DesiredGroup> {
    let web = DesiredGroup { sync_group: Some("edge".parse().expect("a name")), ..group(priority) };
    let db = DesiredGroup {
        id: Uuid::from_u128(52),
        name: "db".parse().expect("a name"),
        interface: "eth1".to_owned(),
        virtual_addresses: vec![format!("{OTHER_VIP}/16").parse().expect("an address")],
        ..web.clone()
    };
    vec![web, db]
}

/// The port of a host's `eth1`.
fn port(host: u8) -> String {
    format!("q{host}")
}

/// Hosts with `eth1` on another LAN beside `eth0`; host 1 is Active in both groups.
fn pair(lab: &Lab) -> [Router; 2] {
    let switch = lab.switch();
    ip(&["-n", &switch, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0"]);
    ip(&["-n", &switch, "link", "set", "br1", "up"]);
    for host in lab.hosts() {
        let (port, name) = (port(host), lab.host(host));
        ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth1", "netns", &name]);
        ip(&["-n", &switch, "link", "set", &port, "master", "br1", "up"]);
        ip(&["-n", &name, "address", "add", &format!("10.67.0.{host}/16"), "dev", "eth1"]);
        ip(&["-n", &name, "link", "set", "eth1", "up"]);
    }
    let routers = [(1, 240), (2, 200)].map(|(host, priority)| {
        let router = Router::start(lab, host);
        router.apply(1, groups(priority));
        router
    });
    hold(lab, [1, 1]);
    routers
}

/// Waits until these hosts, and no others, hold the addresses of `web` and `db`.
fn hold(lab: &Lab, hosts: [u8; 2]) {
    let holders = || {
        [("eth0", VIP), ("eth1", OTHER_VIP)].map(|(interface, address)| {
            let has_it = |host: &u8| {
                lab.ip(*host, &["address", "show", "dev", interface]).contains(&format!("{address}/"))
            };
            lab.hosts().filter(has_it).collect::<Vec<_>>()
        })
    };
    eventually("both addresses on one host", holders, |holders| *holders == hosts.map(|host| vec![host]));
}

fn reasons(router: &Router, to: State) -> Vec<(String, TransitionReason)> {
    let mut reasons: Vec<_> = router
        .transitions()
        .into_iter()
        .filter(|transition| transition.to == to)
        .map(|transition| (transition.group, transition.reason))
        .collect();
    reasons.sort();
    reasons
}

#[test]
fn an_interface_that_goes_down_moves_both_groups_and_so_does_a_switchover_and_a_worker_moves_none() {
    let lab = Lab::new(2);
    let [first, second] = pair(&lab);
    assert_eq!(reasons(&second, State::Active), []);

    lab.ip(1, &["link", "set", "eth1", "down"]);
    hold(&lab, [2, 2]);
    first.reaches(State::Fault, 2);
    let faults = [("db", TransitionReason::InterfaceDown), ("web", TransitionReason::SyncGroup)];
    assert_eq!(reasons(&first, State::Fault), faults.map(|(group, reason)| (group.to_owned(), reason)));
    let fault = |groups: &Vec<GroupSnapshot>| {
        groups.iter().find(|group| group.desired.name.as_str() == "web").and_then(|group| group.fault.clone())
    };
    let told = eventually("the fault", || first.groups(), |groups| fault(groups).is_some());
    assert_eq!(fault(&told).as_deref(), Some("group db of its sync group is in fault"));

    lab.ip(1, &["link", "set", "eth1", "up"]);
    hold(&lab, [1, 1]);
    assert_eq!(
        reasons(&second, State::Backup)
            .iter()
            .filter(|(_, why)| *why == TransitionReason::HigherPriorityHeard)
            .count(),
        2
    );

    let boost = |sequence, group: DesiredGroup| Boost {
        group_id: group.id,
        switchover_id: Uuid::from_u128(9),
        sequence,
        boot_id: Uuid::from_u128(2),
        priority: BoostedPriority::LOWEST,
    };
    second.boost(groups(200).into_iter().map(|group| boost(1, group)).collect());
    hold(&lab, [2, 2]);
    let moved =
        reasons(&second, State::Active).into_iter().filter(|(_, why)| *why == TransitionReason::Switchover);
    assert_eq!(moved.count(), 2);
    second.boost(Vec::new());
    hold(&lab, [1, 1]);

    let before = first.transitions().len();
    let first = first.succeeded_by(&lab, 1, groups(240));
    lab.cut_off(2);
    std::thread::sleep(std::time::Duration::from_millis(500));
    lab.put_back(2);
    hold(&lab, [1, 1]);
    assert_eq!((first.transitions().len(), before > 0), (0, true), "the next worker goes on");
}

#[test]
fn a_host_that_falls_silent_is_replaced_in_both_groups_and_one_lan_alone_moves_nothing() {
    let lab = Lab::new(2);
    let [_first, second] = pair(&lab);
    ip(&["-n", &lab.switch(), "link", "set", &port(1), "nomaster"]);
    let waits = |groups: &Vec<GroupSnapshot>| groups.iter().any(|group| group.waits_for.is_some());
    let told = eventually("one waits", || second.groups(), waits);
    let text = told.iter().find_map(|group| group.waits_for.clone());
    assert_eq!(text.as_deref(), Some("waits for group web of sync group edge: 10.66.0.1 is heard there"));
    hold(&lab, [1, 1]);

    lab.cut_off(1);
    second.reaches(State::Active, 2);
    assert_eq!(
        reasons(&second, State::Active),
        ["db", "web"].map(|group| (group.to_owned(), TransitionReason::NoResponse))
    );
}
