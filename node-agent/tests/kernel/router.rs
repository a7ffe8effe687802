//! A dataplane in a namespace, driven by the test as control would.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use api_types::assist::LetGo;
use api_types::boost::Boost;
use api_types::channel::{DesiredGroup, Revision};
use api_types::group::Checksum;
use api_types::transition::State;
use baton_agent::config::FenceSettings;
use baton_agent::dataplane::{AgentNumber, Dataplane, DataplaneError, Seams, Settings};
use baton_agent::messages::{
    Command, GroupSnapshot, ObservedConvergence, ObservedTransition, Report, Snapshot,
};
use baton_agent::shared_memory::SharedMemory;
use tokio::sync::mpsc;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::eventually::eventually;
use crate::lab::Lab;

/// The VRID of every group here.
pub(crate) const VRID: u8 = 51;
/// The address of every group here.
pub(crate) const VIP: &str = "10.66.1.51";

/// A group with the address [`VIP`], every 100 ms.
pub(crate) fn group(priority: u8) -> DesiredGroup {
    DesiredGroup {
        id: Uuid::from_u128(51),
        name: "web".parse().expect("a name"),
        generation: 1,
        interface: "eth0".to_owned(),
        family: Family::Ipv4,
        vrid: Vrid::new(VRID).expect("a VRID"),
        version: Version::V3,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
        preempt_mode: true,
        checksum: Checksum::Auto,
        virtual_addresses: vec![format!("{VIP}/16").parse().expect("an address")],
        priority: Priority::new(priority).expect("a priority"),
        peers: Vec::new(),
        options: api_types::protocol::ProtocolOptions::default(),
        drained: false,
        track: Vec::new(),
        sync_group: None,
        pre_active: None,
        hooks: Vec::new(),
    }
}

/// The link-local address of every group over IPv6 here.
pub(crate) const LINK_LOCAL: &str = "fe80::51";
/// Its global address.
pub(crate) const GLOBAL: &str = "2001:db8:66::51";

/// A group with the addresses [`LINK_LOCAL`] and [`GLOBAL`], every 100 ms.
pub(crate) fn group_ipv6(priority: u8) -> DesiredGroup {
    let addresses = [LINK_LOCAL, GLOBAL].map(|text| format!("{text}/64").parse().expect("an address"));
    DesiredGroup { family: Family::Ipv6, virtual_addresses: addresses.into(), ..group(priority) }
}

/// The number of the agents that [`Router::start`] runs.
pub(crate) const AGENT: AgentNumber = AgentNumber(0x0bad_cafe);

/// A running dataplane.
pub(crate) struct Router {
    dataplane: Option<Dataplane>,
    memory: Arc<SharedMemory>,
    commands: mpsc::Sender<Command>,
    reports: RefCell<mpsc::Receiver<Report>>,
    seen: RefCell<Seen>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    answers: Vec<Report>,
    transitions: Vec<ObservedTransition>,
    snapshot: Snapshot,
    notices: Vec<String>,
    let_go: Vec<LetGo>,
    convergences: Vec<ObservedConvergence>,
}

impl Router {
    /// Starts a dataplane on a host of the lab.
    pub(crate) fn start(lab: &Lab, host: u8) -> Self {
        Self::start_with(lab, host, Seams::real())
    }

    /// Starts a dataplane with other parts.
    pub(crate) fn start_with(lab: &Lab, host: u8, seams: Seams) -> Self {
        Self::start_fenced(lab, host, seams, FenceSettings::default())
    }

    /// Starts a dataplane with these fences.
    pub(crate) fn start_fenced(lab: &Lab, host: u8, seams: Seams, fences: FenceSettings) -> Self {
        let memory = SharedMemory::create(Uuid::from_u128(host.into())).expect("shared memory");
        Self::start_from(lab, host, seams, fences, Arc::new(memory))
    }

    /// Starts another dataplane that goes on where this one stops, as the next worker does.
    pub(crate) fn succeeded(self, lab: &Lab, host: u8, group: DesiredGroup) -> Self {
        self.succeeded_by(lab, host, vec![group])
    }

    /// The same with several groups.
    pub(crate) fn succeeded_by(mut self, lab: &Lab, host: u8, groups: Vec<DesiredGroup>) -> Self {
        self.hand_over();
        self.dataplane.take().map_or(Ok(()), Dataplane::join).expect("it ends well");
        let memory = Arc::clone(&self.memory);
        let next = Self::start_from(lab, host, Seams::real(), FenceSettings::default(), memory);
        next.apply(1, groups);
        next
    }

    fn start_from(
        lab: &Lab,
        host: u8,
        seams: Seams,
        fences: FenceSettings,
        memory: Arc<SharedMemory>,
    ) -> Self {
        let (commands, commands_out) = mpsc::channel(16);
        let (reports_in, reports) = mpsc::channel(1024);
        let settings = Settings {
            agent: AGENT,
            memory: Arc::clone(&memory),
            seams,
            fences,
            policy: Arc::default(),
            commands: commands_out,
            reports: reports_in,
            predecessor: None,
        };
        let dataplane = lab.inside(host, || Dataplane::start(settings)).expect("the dataplane starts");
        let (reports, seen) = (RefCell::new(reports), RefCell::default());
        Self { dataplane: Some(dataplane), memory, commands, reports, seen }
    }

    /// Starts a dataplane that runs `group`.
    pub(crate) fn running(lab: &Lab, host: u8, group: DesiredGroup) -> Self {
        let router = Self::start(lab, host);
        router.apply(1, vec![group]);
        router
    }

    /// Applies a desired state and returns the answer.
    pub(crate) fn apply(&self, counter: i64, groups: Vec<DesiredGroup>) -> Report {
        let before = self.look(|seen| seen.answers.len());
        self.tell(counter, groups);
        let answers = eventually("an answer", || self.answers(), |answers| answers.len() > before);
        answers.last().cloned().expect("an answer")
    }

    /// Tells the dataplane a desired state, and does not wait for the answer.
    pub(crate) fn tell(&self, counter: i64, groups: Vec<DesiredGroup>) {
        let revision = Revision { epoch: 1, counter };
        self.commands.try_send(Command::Apply { revision, groups }).expect("the dataplane takes commands");
    }

    /// Tells the dataplane that another worker is to go on.
    pub(crate) fn hand_over(&self) {
        self.commands.try_send(Command::HandOver).expect("the dataplane takes commands");
    }

    /// Waits for the end of a dataplane that hands over.
    pub(crate) fn ended(mut self) -> Vec<ObservedTransition> {
        self.dataplane.take().map_or(Ok(()), Dataplane::join).expect("it ends well");
        self.transitions()
    }

    /// Every answer so far.
    pub(crate) fn answers(&self) -> Vec<Report> {
        self.look(|seen| seen.answers.clone())
    }

    /// Every transition so far.
    pub(crate) fn transitions(&self) -> Vec<ObservedTransition> {
        self.look(|seen| seen.transitions.clone())
    }

    /// How the only group stands.
    pub(crate) fn group(&self) -> Option<GroupSnapshot> {
        self.look(|seen| seen.snapshot.groups.first().cloned())
    }

    /// How everything stands, as it was told last.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.look(|seen| seen.snapshot.clone())
    }

    /// How all groups stand, by name.
    pub(crate) fn groups(&self) -> Vec<GroupSnapshot> {
        self.look(|seen| seen.snapshot.groups.clone())
    }

    /// How often packets were dropped for this cause.
    pub(crate) fn dropped(&self, cause: &str) -> u64 {
        self.look(|seen| {
            seen.snapshot
                .dropped_packets
                .iter()
                .filter(|dropped| dropped.cause.as_str() == cause)
                .map(|dropped| dropped.count)
                .sum()
        })
    }

    /// Waits until the member has reached `state` at least `times` times, and returns the last transition into it.
    pub(crate) fn reaches(&self, state: State, times: usize) -> ObservedTransition {
        let into = |transitions: &Vec<ObservedTransition>| {
            transitions.iter().filter(|transition| transition.to == state).count() >= times
        };
        let transitions =
            eventually(&format!("a transition to {}", state.as_str()), || self.transitions(), into);
        transitions.into_iter().rfind(|transition| transition.to == state).expect("there is one")
    }

    /// Tells the dataplane what its node is boosted for.
    pub(crate) fn boost(&self, boosts: Vec<Boost>) {
        self.commands.try_send(Command::Boosts(boosts)).expect("the dataplane takes commands");
    }

    /// Tells the dataplane that another node has let go.
    pub(crate) fn assist(&self, let_go: LetGo) {
        self.commands.try_send(Command::Assist(vec![let_go])).expect("the dataplane takes commands");
    }

    /// Tells the dataplane that this generation of a group may begin at once, until `CLOCK_BOOTTIME` shows so
    /// much.
    pub(crate) fn fast_start(&self, group: &DesiredGroup, generation: i64, until: Duration) {
        let until_boottime_ns = u64::try_from(until.as_nanos()).expect("nanoseconds");
        let command = Command::FastStart { group_id: group.id, generation, until_boottime_ns };
        self.commands.try_send(command).expect("the dataplane takes commands");
    }

    /// What this node has let go of without a word on the LAN.
    pub(crate) fn let_go(&self) -> Vec<LetGo> {
        self.look(|seen| seen.let_go.clone())
    }

    /// Begins to stop.
    pub(crate) fn ask_to_stop(&self) {
        // A dataplane that has stopped already takes nothing.
        let _taken = self.commands.try_send(Command::Stop);
    }

    /// Stops and waits until the thread has ended.
    pub(crate) fn stop(mut self) -> Vec<ObservedTransition> {
        self.finish();
        self.transitions()
    }

    /// Stops and waits for the end of the thread, which may be a failure.
    pub(crate) fn give_up(mut self) -> Result<(), DataplaneError> {
        self.ask_to_stop();
        self.dataplane.take().map_or(Ok(()), Dataplane::join)
    }

    /// What it has found out about the takeovers of others.
    pub(crate) fn convergences(&self) -> Vec<ObservedConvergence> {
        self.look(|seen| seen.convergences.clone())
    }

    /// What people are to read in the log.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.look(|seen| seen.notices.clone())
    }

    fn finish(&mut self) {
        if let Some(dataplane) = self.dataplane.take() {
            self.ask_to_stop();
            eventually("the end", || self.answers(), |answers| answers.contains(&Report::Stopped));
            dataplane.join().expect("the dataplane ends well");
        }
    }

    fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        let mut seen = self.seen.borrow_mut();
        while let Ok(report) = self.reports.borrow_mut().try_recv() {
            match report {
                Report::Transition(transition) => seen.transitions.push(transition),
                Report::Converged(convergence) => seen.convergences.push(convergence),
                Report::Snapshot(snapshot) => seen.snapshot = snapshot,
                Report::Notice(text) => seen.notices.push(text),
                Report::Found(_) => {}
                Report::LetGo(groups) => seen.let_go.extend(groups),
                answer @ (Report::Applied(_) | Report::Rejected { .. } | Report::Stopped) => {
                    seen.answers.push(answer)
                }
            }
        }
        at(&seen)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.finish();
        }
    }
}
