//! Hosts that lack what a group asks for: that group says so and never holds its addresses without it, and
//! the other groups of the node go on as if nothing were.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use nix::sys::signal::Signal;
use serde_json::Value;
use uuid::Uuid;
use vrrp::Vrid;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{VIP, group};
use crate::wire::Capture;

/// The address of the group that asks for nothing.
const PLAIN: &str = "10.66.1.52";

/// A group `web` with these options, and a group `plain` without any.
fn beside_a_plain_one(options: ProtocolOptions) -> Vec<DesiredGroup> {
    let plain = DesiredGroup {
        id: Uuid::from_u128(52),
        name: "plain".parse().expect("a name"),
        vrid: Vrid::new(52).expect("a VRID"),
        virtual_addresses: vec![format!("{PLAIN}/16").parse().expect("an address")],
        ..group(240)
    };
    vec![DesiredGroup { options, ..group(240) }, plain]
}

fn shut() -> Vec<DesiredGroup> {
    beside_a_plain_one(ProtocolOptions { accept_mode: false, ..ProtocolOptions::default() })
}

fn virtual_mac() -> Vec<DesiredGroup> {
    beside_a_plain_one(ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() })
}

/// Has the agent run after `script`, in a mount namespace of its own.
fn after(command: &mut Command, script: &str) {
    command.args(["unshare", "--mount", "sh", "-c", &format!("{script} && exec \"$@\""), "sh"]);
}

/// Has the agent find an `nft` that hangs while there is a file `hang` beside it, and refuses while there is
/// `refuse`.
fn with_moody_nft(command: &mut Command, directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let real = "/usr/sbin/nft";
    assert!(Path::new(real).is_file(), "there is {real}");
    let shown = directory.display();
    let script = format!(
        "#!/bin/sh\n[ -e {shown}/hang ] && exec sleep 60\n\
         [ -e {shown}/refuse ] && {{ echo 'Operation not permitted' >&2; exit 1; }}\nexec {real} \"$@\"\n"
    );
    fs::write(directory.join("nft"), script).expect("written");
    fs::set_permissions(directory.join("nft"), fs::Permissions::from_mode(0o755)).expect("may be run");
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{shown}:{path}"));
}

/// State and fault of a group.
fn standing(agent: &Agent, name: &str) -> (String, String) {
    let status = agent.status();
    let groups = status["groups"].as_array().cloned().unwrap_or_default();
    let group = groups.into_iter().find(|group| group["name"] == name).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&group["state"]), text(&group["fault"]))
}

/// Waits until `web` is in this state and says this, or nothing.
fn stands(agent: &Agent, state: &str, fault: &str) {
    let is_it = |(found, said): &(String, String)| {
        found == state && if fault.is_empty() { said.is_empty() } else { said.contains(fault) }
    };
    eventually(&format!("{state} with {fault:?}"), || standing(agent, "web"), is_it);
}

fn plain_is_well(lab: &Lab, agent: &Agent) {
    let well = ("active".to_owned(), String::new());
    eventually("the other group", || standing(agent, "plain"), |standing| *standing == well);
    assert!(lab.has(1, PLAIN));
}

fn table(lab: &Lab) -> String {
    let arguments = ["netns", "exec", &lab.host(1), "nft", "list", "ruleset"];
    let listed = Command::new("ip").args(arguments).output().expect("nft runs");
    String::from_utf8(listed.stdout).expect("text")
}

fn macvlans(lab: &Lab) -> String {
    lab.ip(1, &["-o", "link", "show", "type", "macvlan"])
}

fn arp_ignore(lab: &Lab) -> String {
    lab.inside(1, || fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/arp_ignore")).expect("a sysctl")
}

#[test]
fn without_nft_or_with_one_that_hangs_the_group_that_needs_it_never_holds_and_the_other_does() {
    type Prepare = fn(&mut Command, &Path);
    let missing: Prepare = |command, _| after(command, "mount --bind /dev/null /usr/sbin/nft");
    let hanging: Prepare = |command, directory| {
        File::create(directory.join("hang")).expect("a file");
        with_moody_nft(command, directory);
    };
    for (prepare, reason) in [(missing, "this host has no nft"), (hanging, "nft was stopped after 2 s")] {
        let lab = Lab::new(2);
        let capture = Capture::start(&lab, 2, "proto 112 or arp");
        let mut agent = Agent::start_groups(&lab, 1, shut(), prepare);
        stands(&agent, "fault", reason);
        plain_is_well(&lab, &agent);
        capture.sees(20, &["vrid 52", "prio 240"]);
        assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
        let said = [capture.with(&["vrid 51"]), capture.with(&[VIP])].concat();
        assert!(said.is_empty(), "{said:#?}");
        if agent.directory.path().join("hang").exists() {
            fs::remove_file(agent.directory.path().join("hang")).expect("removed");
            stands(&agent, "active", "");
            assert!(table(&lab).contains(VIP));
        }
        assert!(agent.stop(Signal::SIGTERM).success());
        assert_eq!((table(&lab).as_str(), lab.has(1, VIP)), ("", false));
    }
}

#[test]
fn an_active_group_whose_table_cannot_be_renewed_says_so_and_is_whole_again_by_itself() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "proto 112");
    let agent = Agent::start_groups(&lab, 1, shut(), with_moody_nft);
    stands(&agent, "active", "");
    let mood = |name: &str| agent.directory.path().join(name);

    // Nobody can say what the table has: what was written is taken to be there.
    File::create(mood("hang")).expect("a file");
    stands(&agent, "active", "cannot be shut out: nft was stopped after 2 s");
    assert!(table(&lab).contains(VIP));
    fs::remove_file(mood("hang")).expect("removed");
    stands(&agent, "active", "");

    // It is not there: whoever is Active goes on and says so; nobody takes over without it.
    File::create(mood("refuse")).expect("a file");
    let name = lab.host(1);
    let flushed = Command::new("ip").args(["netns", "exec", &name, "nft", "flush", "ruleset"]).status();
    assert!(flushed.expect("nft runs").success());
    stands(&agent, "active", "cannot be shut out: nft: Operation not permitted");
    plain_is_well(&lab, &agent);
    assert!(capture.with(&["prio 0"]).is_empty(), "nobody has let go");
    lab.set_carrier(1, false);
    eventually("the address is released", || lab.has(1, VIP), |has| !has);
    lab.set_carrier(1, true);
    stands(&agent, "fault", "nft: Operation not permitted");
    plain_is_well(&lab, &agent);
    assert!(!lab.has(1, VIP));
    fs::remove_file(mood("refuse")).expect("removed");
    stands(&agent, "active", "");
    assert!(table(&lab).contains(VIP) && lab.has(1, VIP));
}

#[test]
fn without_the_right_to_make_a_macvlan_nothing_is_made_or_changed() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "proto 112 or arp");
    let mut agent = Agent::start_groups(&lab, 1, virtual_mac(), |command, _| {
        command.args(["setpriv", "--bounding-set=-net_admin", "--"]);
    });
    stands(&agent, "fault", "no macvlan for the virtual MAC address: the kernel refused to make the macvlan");
    assert_eq!((macvlans(&lab).as_str(), arp_ignore(&lab).as_str()), ("", "0\n"));
    assert!(agent.stop(Signal::SIGTERM).success());
    assert!(capture.lines().is_empty(), "{:#?}", capture.lines());
}

#[test]
fn a_macvlan_that_cannot_be_finished_is_not_left_half_made() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "proto 112 or arp");
    let mut agent = Agent::start_groups(&lab, 1, virtual_mac(), |command, _| {
        after(command, "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    });
    stands(&agent, "fault", "from configuring IPv6 by itself: Read-only file system");
    plain_is_well(&lab, &agent);
    eventually("nothing between two attempts", || macvlans(&lab), String::is_empty);
    assert_eq!(arp_ignore(&lab), "0\n");
    assert!(capture.with(&["vrid 51"]).is_empty() && capture.with(&["00:00:5e:00:01:33"]).is_empty());
    assert!(agent.stop(Signal::SIGTERM).success());
    assert_eq!(macvlans(&lab), "");
}
