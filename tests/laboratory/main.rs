//! The laboratory itself, tried on programs whose behaviour is known: Debian's keepalived and HAProxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    ArpProber, Haproxy, Keepalived, Lab, Moment, Namespace, Observer, Ports, Subnets, UdpEcho, UdpProber,
    VrrpInstance, eventually, http_prober, output_of, ping_prober,
};

const BOUND: Duration = Duration::from_secs(15);
const INSTANCE: VrrpInstance = VrrpInstance {
    vrid: 51,
    priority: 200,
    interval_ms: 100,
    preempt: true,
    address: Ipv4Addr::new(10, 77, 0, 100),
};

#[test]
fn a_dead_keepalived_is_seen_by_every_witness() -> Result<()> {
    Lab::run(|lab| {
        let vip = INSTANCE.address;
        let (n1, n2) = (lab.host("n1", 11, Ports::Both)?, lab.host("n2", 12, Ports::Both)?);
        let client = lab.host("client", 50, Ports::Lan)?;
        let (observer, capture) = lab.observer()?;
        let _web = [Haproxy::answering(&n1)?, Haproxy::answering(&n2)?];
        let begun = Moment::now();
        let _first = Keepalived::start(&n1, INSTANCE)?;
        eventually("n1 holds the address", BOUND, || lab.only_holder(vip, "n1"))?;
        let _second = Keepalived::start(&n2, VrrpInstance { priority: 100, ..INSTANCE })?;

        let http = http_prober::start(&client, vip)?;
        let pings = ping_prober::start(&client, vip, Duration::from_millis(5))?;
        let _asking = ArpProber::start(&observer, vip, Duration::from_millis(20))?;
        http.wait_until_answered("n1", 20, begun, BOUND)?;
        pings.wait_until_answered("", 20, begun, BOUND)?;
        ensure!(
            capture.adverts_from(51, n1.lan, begun).iter().all(|(_, advert)| advert.ttl == 255),
            "the capture sees the adverts as they were sent"
        );

        let cut_at = lab.cut(&n1)?;
        http.wait_until_answered("n2", 20, cut_at, BOUND)?;
        pings.wait_until_answered("", 20, cut_at, BOUND)?;
        for outage in [http.outage(cut_at), pings.outage(cut_at)] {
            ensure!(outage.lost > 0 && outage.longest_gap > Duration::from_millis(200), "{outage}");
        }
        ensure!(capture.adverts_from(51, n1.lan, cut_at).is_empty());
        ensure!(capture.announcements(vip, cut_at).iter().any(|(_, mac)| *mac == n2.mac));
        ensure!(capture.claims(vip, cut_at, |arp| arp.is_reply).iter().any(|(_, mac)| *mac == n2.mac));
        ensure!(lab.holders(vip)? == ["n1", "n2"], "a host that is cut off keeps its address");

        lab.heal(&n1)?;
        eventually("n1 holds it alone", BOUND, || lab.only_holder(vip, "n1"))
    })
}

#[test]
fn probes_that_a_cut_lan_drops_are_lost_and_make_a_gap() -> Result<()> {
    const CUT: Duration = Duration::from_millis(200);
    Lab::run(|lab| {
        let (n1, client) = (lab.host("n1", 11, Ports::Lan)?, lab.host("client", 50, Ports::Lan)?);
        let observer = lab.host("observer", 60, Ports::Lan)?;
        n1.add_address(INSTANCE.address)?;
        let _service = UdpEcho::start(&n1, Ipv4Addr::UNSPECIFIED)?;
        let addresses = [n1.lan, INSTANCE.address].map(IpAddr::from);
        let prober = UdpProber::start(&client, &addresses, Duration::from_millis(1))?;
        let asking = Observer::start(lab, &observer, &[&n1], &addresses, Duration::from_millis(5))?;
        prober.warm_up(BOUND)?;

        let cut = lab.cut_lan(&n1)?;
        std::thread::sleep(CUT);
        let healed = lab.heal_lan(&n1)?;
        let lasted = healed - cut;
        prober.warm_up(BOUND)?;
        for (timeline, answers) in prober.finish()?.iter().zip(asking.finish()?) {
            let (sent, lost) = timeline.lost(cut);
            ensure!((100..sent).contains(&lost), "{lost} of {sent} lost");
            let gap = timeline.worst_gap(cut).length;
            ensure!(gap + timeline.worst_stall(cut) >= lasted, "{gap:?} of {lasted:?}");
            ensure!(answers.none_since(cut) >= CUT / 2, "{:?}", answers.none_since(cut));
            ensure!(answers.two(cut) == Duration::ZERO, "{:?}", answers.two(cut));
        }
        Ok(())
    })
}

#[test]
fn two_hosts_that_answer_are_two_also_with_one_mac_address() -> Result<()> {
    Lab::run(|lab| {
        let (n1, n2) = (lab.host("n1", 11, Ports::Lan)?, lab.host("n2", 12, Ports::Lan)?);
        let observer = lab.host("observer", 60, Ports::Lan)?;
        let mac = n1.mac.to_string();
        let mut command = n2.namespace.command("ip");
        output_of(command.args(["link", "set", "eth0", "address", &mac]))?;
        for node in [&n1, &n2] {
            node.add_address(INSTANCE.address)?;
        }
        let addresses = [INSTANCE.address, n2.lan].map(IpAddr::from);
        let begun = Moment::now();
        let asking = Observer::start(lab, &observer, &[&n1, &n2], &addresses, Duration::from_millis(5))?;
        std::thread::sleep(Duration::from_millis(500));
        let answers = asking.finish()?;
        ensure!(answers[0].two(begun) >= Duration::from_millis(100), "{:?}", answers[0].two(begun));
        ensure!(answers[1].two(begun) == Duration::ZERO, "only n2 has it: {:?}", answers[1].two(begun));
        Ok(())
    })
}

#[test]
fn over_ipv6_answers_and_lost_probes_are_seen_as_well() -> Result<()> {
    Lab::run(|lab| {
        let (n1, n2) = (lab.host("n1", 11, Ports::Lan)?, lab.host("n2", 12, Ports::Lan)?);
        let (client, observer) = (lab.host("client", 50, Ports::Lan)?, lab.host("observer", 60, Ports::Lan)?);
        let address = |last| Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, last);
        for (host, last) in [(&n1, 11), (&n2, 12), (&client, 50), (&observer, 60)] {
            host.speak_ipv6()?;
            host.add_ipv6_address(address(last))?;
        }
        n1.add_ipv6_address(address(0x100))?;
        n2.add_ipv6_address(address(0x101))?;
        let _services =
            [UdpEcho::start(&n1, Ipv6Addr::UNSPECIFIED)?, UdpEcho::start(&n2, Ipv6Addr::UNSPECIFIED)?];
        let addresses = [address(0x100), address(0x101)].map(IpAddr::from);
        let prober = UdpProber::start(&client, &addresses, Duration::from_millis(1))?;
        let asking = Observer::start(lab, &observer, &[&n1, &n2], &addresses, Duration::from_millis(5))?;
        prober.warm_up(BOUND)?;

        let both = Moment::now();
        n2.add_ipv6_address(address(0x100))?;
        std::thread::sleep(Duration::from_millis(300));
        lab.cut_lan(&n2)?;
        std::thread::sleep(Duration::from_millis(300));
        let (answers, timelines) = (asking.finish()?, prober.finish()?);
        ensure!(answers[0].two(both) >= Duration::from_millis(100), "{:?}", answers[0].two(both));
        ensure!(answers[1].two(both) == Duration::ZERO, "only n2 has it: {:?}", answers[1].two(both));
        ensure!(answers[1].none_since(both) >= Duration::from_millis(100), "it is cut off");
        let (sent, lost) = timelines[1].lost(both);
        ensure!((50..sent).contains(&lost), "{lost} of {sent} lost");
        Ok(())
    })
}

#[test]
fn nothing_of_a_laboratory_is_left_after_it() -> Result<()> {
    let mut prefix = String::new();
    let failed = Lab::run(|lab| {
        let host = lab.host("n1", 11, Ports::Both)?;
        prefix = host.namespace.name().trim_end_matches("n1").to_owned();
        let sleeper = host.namespace.command("sleep").arg("1000").spawn()?;
        eventually("the sleeper runs", BOUND, || {
            let runs = host.namespace.processes().len() == 1;
            ensure!(runs, "{} of {}", host.namespace.processes().len(), sleeper.id());
            Ok(())
        })?;
        ensure!(lab.directory().exists());
        panic!("on purpose");
    });
    ensure!(failed.is_err_and(|error| error.to_string().contains("on purpose")), "the panic is the failure");
    ensure!(Namespace::with_prefix(&prefix).is_empty(), "namespaces are left");
    ensure!(!std::env::temp_dir().join(&prefix).exists(), "files are left");
    Ok(())
}

#[test]
fn laboratories_of_one_machine_take_turns_whatever_checkout_they_are_of() -> Result<()> {
    // Another process than this one, in another directory.
    let ask = || Command::new("flock").args(["--nonblock", "/run", "true"]).current_dir("/").status();
    let free_for_others = Lab::run_on(Subnets::default(), |_| Ok(ask()?.success()))?;
    ensure!(!free_for_others, "another laboratory could have been built at the same time");
    Ok(())
}
