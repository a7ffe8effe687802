//! The real agent, parent and worker, beside those that run in this process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use api_types::channel::DesiredGroup;

use super::frame::Attacker;
use super::packet::{Fate, Hostile};
use super::site::{groups, pass_everything};
use super::{ipv4, ipv6, version_2};
use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;

const METRICS: &str = "127.0.0.1:9847";

/// The agent on a host.
pub(super) struct RealAgent {
    agent: Agent,
    worker: i32,
    settled: (Vec<String>, u64),
}

impl RealAgent {
    /// An agent that runs these groups and has reached this state in each, after so many transitions.
    pub(super) fn start(
        lab: &Lab,
        host: u8,
        groups: Vec<DesiredGroup>,
        (state, transitions): (&str, u64),
    ) -> Self {
        let settled = (vec![state.to_owned(); groups.len()], transitions);
        let agent = Agent::start_groups(lab, host, groups, |command, _| {
            command.env("BATON_AGENT_METRICS_LISTEN", METRICS);
        });
        eventually("the real agent takes part", || stands(&agent), |stands| *stands == settled);
        let worker = agent.worker().expect("a worker");
        Self { agent, worker, settled }
    }

    /// The resident set of its worker, in octets.
    pub(super) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.worker)).expect("it lives");
        let kibibytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kibibytes.and_then(|number| number.parse::<u64>().ok()).expect("a size") * 1024
    }

    /// Every group is in the state of the start, and there was no transition.
    pub(super) fn assert_unmoved(&self) {
        assert_eq!(stands(&self.agent), self.settled);
        assert_eq!(self.agent.worker(), Some(self.worker), "the same worker");
    }

    /// What `baton-agent status` says was dropped, by cause.
    pub(super) fn dropped(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.agent.status()["dropped_packets"].clone()).unwrap_or_default()
    }

    /// What the metric says was dropped, by cause.
    fn scraped(&self, lab: &Lab, host: u8) -> BTreeMap<String, u64> {
        let page = lab.inside(host, || {
            let mut stream = TcpStream::connect(METRICS).expect("metrics are served");
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("asked");
            let mut page = String::new();
            stream.read_to_string(&mut page).expect("answered");
            page
        });
        let samples = page.lines().filter_map(|line| {
            let line = line.strip_prefix("baton_vrrp_invalid_packets_total{interface=\"eth0\",reason=\"")?;
            let (cause, count) = line.split_once("\"} ")?;
            Some((cause.to_owned(), count.parse().ok()?))
        });
        samples.collect()
    }
}

/// The state of each group, and how many transitions the journal keeps for a server that it never had.
fn stands(agent: &Agent) -> (Vec<String>, u64) {
    let status = agent.status();
    let groups = status["groups"].as_array().map_or(&[][..], Vec::as_slice);
    let states = groups.iter().filter_map(|group| group["state"].as_str().map(str::to_owned));
    (states.collect(), status["journal"]["unacknowledged"].as_u64().unwrap_or_default())
}

#[test]
fn status_and_metric_of_the_real_agent_count_all_hostile_packets_by_their_causes() {
    const HOST: u8 = 1;
    let lab = Lab::alone_with_ipv6(2);
    pass_everything(&lab);
    let agent = RealAgent::start(&lab, HOST, groups(240), ("active", 6));
    Attacker::stay_on_one_processor();
    let attacker = Attacker::on(&lab);
    let mut wanted = BTreeMap::new();
    for Hostile { frame, fate, .. } in [ipv4::all(), version_2::all(), ipv6::all()].concat() {
        attacker.send(&frame);
        if let Fate::Dropped(cause) = fate {
            *wanted.entry(cause.to_owned()).or_default() += 1;
        }
    }
    assert!(wanted.len() >= 10, "{wanted:?}");
    let has_all = |dropped: &BTreeMap<String, u64>| *dropped == wanted;
    eventually("baton-agent status has them all", || agent.dropped(), has_all);
    eventually("the metric has them all", || agent.scraped(&lab, HOST), has_all);
    agent.assert_unmoved();
}
