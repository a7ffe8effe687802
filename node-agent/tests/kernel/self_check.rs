//! An agent that was kept from running finds out by itself. One fence is on, or none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api_types::channel::DesiredGroup;
use api_types::transition::State;
use baton_agent::config::FenceSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::Agent;
use crate::asker::Asker;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

/// An answer of the first host, and one of the second.
const ANSWERS: [&str; 2] = ["is-at 02:00:00:00:00:01", "is-at 02:00:00:00:00:02"];

/// An agent that was stopped whole while it was Active, and goes on beside the one that took over.
struct Scene {
    agent: Agent,
    rival: Router,
    capture: Capture,
    _asker: Asker,
    /// When it was let go on, since 1970.
    went_on: Duration,
    lab: Lab,
}

impl Scene {
    fn play(fences: FenceSettings) -> Self {
        let lab = Lab::alone(3);
        let patient = |priority| DesiredGroup { preempt_mode: false, ..group(priority) };
        let agent = Agent::start_fenced(&lab, 1, vec![patient(240)], fences, |_, _| {});
        eventually("it holds", || lab.has(1, VIP), |has| *has);
        let armed = || agent.status().pointer("/fences/nftables_lease/state").cloned();
        if fences.nftables_lease {
            eventually("it is armed", armed, |state| *state == Some("armed".into()));
        }
        let rival = Router::running(&lab, 2, patient(200));
        rival.reaches(State::Backup, 1);
        let capture = Capture::start(&lab, 3, "arp[6:2] = 2 or proto 112");
        capture.sees(1, &["10.66.0.1 > 224.0.0.18"]);
        let asker = Asker::start(&lab, 3, VIP);

        let parent = i32::try_from(agent.parent.id()).expect("a pid");
        let tree = [parent, agent.worker().expect("a worker")].map(Pid::from_raw);
        tree.iter().for_each(|process| kill(*process, Signal::SIGSTOP).expect("stopped"));
        rival.reaches(State::Active, 1);
        // More than three intervals late, whenever its last advertisement left.
        capture.sees(5, &["10.66.0.2 > 224.0.0.18"]);
        let both = || ANSWERS.map(|answer| capture.with(&[answer]).len());
        let silenced = fences.nftables_lease;
        eventually("they answer", both, |[one, other]| (silenced || *one > 5) && *other > 5);
        let went_on = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        tree.iter().for_each(|process| kill(*process, Signal::SIGCONT).expect("goes on"));
        Self { agent, rival, capture, _asker: asker, went_on, lab }
    }

    /// What was captured since it was let go on and contains this.
    fn since(&self, words: &str) -> Vec<Duration> {
        let lines = self.capture.with(&[words]).into_iter();
        lines.filter_map(|line| line.at.checked_sub(self.went_on)).collect()
    }

    fn member(&self) -> [Option<String>; 2] {
        let status = self.agent.status();
        ["state", "reason"].map(|field| Some(status.pointer("/groups/0")?[field].as_str()?.to_owned()))
    }
}

/// Lets go of everything as soon as it goes on, and says that this fence made it.
fn lets_go(fence: &str, fences: FenceSettings) {
    let scene = Scene::play(fences);
    let lapsed = ["backup", fence].map(|word| Some(word.to_owned()));
    eventually("it has let go", || scene.member(), |member| *member == lapsed);
    eventually("the address is gone", || scene.lab.has(1, VIP), |has| !has);
    let heard = scene.since("10.66.0.2 > 224.0.0.18").len();
    let more = || scene.since("10.66.0.2 > 224.0.0.18").len();
    eventually("the other one goes on", more, |more| *more > heard + 10);
    let said = scene.since("10.66.0.1 > 224.0.0.18");
    assert!(said.is_empty(), "it says nothing: {said:?}");
    let answered = scene.since(ANSWERS[0]).into_iter().max().unwrap_or_default();
    println!("two hosts answered for {answered:?} after it went on");
    assert!(answered < Duration::from_secs(1), "{answered:?}");
    assert_eq!(scene.rival.transitions().len(), 2, "nothing else has happened to the other one");
    let acted = format!("/fences/{fence}/acted");
    assert_eq!(scene.agent.status().pointer(&acted), Some(&1.into()));
}

#[test]
fn an_agent_that_was_stopped_lets_go_before_it_says_anything_and_records_why() {
    lets_go("self_check", FenceSettings { self_check: true, ..FenceSettings::NONE });
}

#[test]
fn so_does_one_that_the_kernel_had_silenced_meanwhile() {
    for self_check in [true, false] {
        lets_go("nftables_lease", FenceSettings { nftables_lease: true, self_check, ..FenceSettings::NONE });
    }
}

#[test]
fn an_agent_without_the_self_check_goes_on_as_if_nothing_had_been() {
    let scene = Scene::play(FenceSettings::NONE);
    scene.rival.reaches(State::Backup, 2);
    eventually("it says so", || scene.since("10.66.0.1 > 224.0.0.18").len(), |sent| *sent > 5);
    let member = scene.member();
    assert_eq!(member[0].as_deref(), Some("active"), "{member:?}");
    assert_ne!(member[1].as_deref(), Some("self_check"));
}
