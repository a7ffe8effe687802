//! The one place where control and dataplane meet: desired states go in, what happened comes out.
//!
//! The conductor never waits for a disk, a server or the dataplane. Desired states come from the disk at
//! start and from the session later; a state goes to the dataplane only if it is newer than what runs, one at
//! a time, and the newest waits its turn. Newer than what another origin said is anything: a node that was
//! enrolled anew is counted from the beginning. What the dataplane accepted is handed on to be stored, and
//! transitions to the journal. Boosts, assists and fast starts pass through; none is ever stored. A state with checks that
//! this host cannot run is refused before the dataplane sees it, and what the checks of an accepted one find goes there as
//! it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::assist::LetGo;
use api_types::boost::Boost;
use api_types::channel::{DesiredGroup, DesiredState, Revision};
use api_types::check::CheckSpec;
use api_types::fast_start::FastStart;
use api_types::node::{Rejection, RejectionReason};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;

use super::aftermath::Aftermath;
use super::boosts::Boosts;
use super::checks;
use super::desired_state::{Assignment, Label};
use super::fast_starts::FastStarts;
use super::findings::Findings;
use super::hooks;
use super::identity::Origin;
use super::journal::Journal;
use super::overview::Overview;
use super::untold::Untold;
use crate::messages::{CheckFinding, Command, Ending, Found, ObservedTransition, Report, Snapshot};
use crate::policy::Policy;

/// How often a command is offered again to a dataplane whose channel was full.
const OFFER_AGAIN: Duration = Duration::from_millis(20);

/// What became of a desired state; the session tells the server, if that server said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) origin: Option<Origin>,
    pub(crate) outcome: Outcome,
}

/// Whether a desired state runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It runs.
    Applied { revision: Revision, digest: String },
    /// It does not.
    Rejected(Rejection),
}

/// What a server wants now, beside the desired state.
#[derive(Debug)]
pub(crate) enum Order {
    /// All boosts of this node.
    Boosts(Vec<Boost>),
    /// Another node has let go of these.
    Assist(Vec<LetGo>),
    /// The node may begin to hold the addresses of a new group at once.
    FastStart { told: FastStart, came_boottime_ns: u64 },
}

/// The dataplane ended without having been told to stop.
#[derive(Debug, thiserror::Error)]
#[error("the dataplane ended without having been told to stop")]
pub struct DataplaneGone;

pub(crate) struct Conductor {
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) offers: mpsc::Receiver<Assignment>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) boosts: Boosts,
    /// Whether the dataplane knows them.
    pub(crate) boosts_told: bool,
    pub(crate) fast_starts: FastStarts,
    pub(crate) policy: Arc<Policy>,
    /// The checks to run.
    pub(crate) check: watch::Sender<Vec<CheckSpec>>,
    /// What they have found.
    pub(crate) found: watch::Receiver<BTreeMap<String, CheckFinding>>,
    /// Whether the dataplane knows it.
    pub(crate) found_told: bool,
    /// Was refused for its checks. It is tried again when the interfaces change, whose addresses they may connect to.
    pub(crate) unfit: Option<Assignment>,
    pub(crate) answers: broadcast::Sender<Answer>,
    /// What this node has let go of, for whoever can tell the others now.
    pub(crate) let_go: broadcast::Sender<Vec<LetGo>>,
    /// What nobody could be told of yet.
    pub(crate) untold: Untold,
    pub(crate) journal: Journal,
    /// Whether the kernel is to remove addresses that nobody refreshes.
    pub(crate) address_lease: bool,
    /// What ran when the state was stored that this run started from.
    pub(crate) ran_before: Vec<DesiredGroup>,
    pub(crate) findings: Findings,
    pub(crate) overview: watch::Sender<Overview>,
    /// The state that runs, to be stored.
    pub(crate) to_store: watch::Sender<Option<Assignment>>,
    pub(crate) course: Course,
}

/// Where the node is between one desired state and the next.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Runs; its groups are kept by the dataplane.
    applied: Option<Label>,
    /// Was sent to the dataplane, which has not answered.
    in_flight: Option<Assignment>,
    /// Was rejected. The dataplane tries it again by itself when the interfaces change.
    rejected: Option<Assignment>,
    /// Goes next.
    waiting: Option<Assignment>,
}

/// What to do with a desired state that was offered.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is on its way.
    Taken,
    /// It runs already.
    Runs,
    /// It must not run.
    Refused(String),
}

impl Course {
    /// A state from the disk goes first, at once, and is not compared with anything.
    pub(crate) fn restored(assignment: Option<Assignment>, commands: &mpsc::Sender<Command>) -> Self {
        let mut course = Self { waiting: assignment, ..Self::default() };
        course.advance(commands);
        course
    }

    /// The newest revision that is known.
    pub(crate) fn newest(&self) -> Option<Revision> {
        self.newest_label().map(|label| label.revision)
    }

    fn newest_label(&self) -> Option<Label> {
        self.on_the_way().map(Assignment::label).or_else(|| self.applied.clone())
    }

    fn on_the_way(&self) -> Option<&Assignment> {
        self.waiting.as_ref().or(self.in_flight.as_ref())
    }

    /// Gives the dataplane what goes next, if it has room for it.
    fn advance(&mut self, commands: &mpsc::Sender<Command>) -> bool {
        let Some(Assignment { state, .. }) = self.next() else { return false };
        let command = Command::Apply { revision: state.revision, groups: state.groups.clone() };
        let sent = send(commands, command);
        if sent {
            self.in_flight = self.waiting.take();
        }
        sent
    }

    fn consider(&mut self, assignment: Assignment) -> Verdict {
        if !assignment.state.is_intact() {
            return Verdict::Refused("the digest does not match the groups: damaged on the way".to_owned());
        }
        let new = assignment.label();
        let Some(newest) = self.newest_label().filter(|newest| newest.origin == new.origin) else {
            self.waiting = Some(assignment);
            return Verdict::Taken;
        };
        if new.revision < newest.revision {
            return Verdict::Refused(format!("revision {} is older than {}", new.revision, newest.revision));
        }
        if new.revision == newest.revision && new.digest != newest.digest {
            return Verdict::Refused(format!("revision {} is known here with other contents", new.revision));
        }
        match (new == newest, self.on_the_way().is_some()) {
            (true, false) => Verdict::Runs,
            (true, true) => Verdict::Taken,
            (false, _) => {
                self.waiting = Some(assignment);
                Verdict::Taken
            }
        }
    }

    /// The state that goes to the dataplane now, if one does.
    fn next(&mut self) -> Option<&Assignment> {
        if self.in_flight.is_none() { self.waiting.as_ref() } else { None }
    }

    /// The state that the dataplane has accepted.
    fn accepted(&mut self, revision: Revision) -> Option<Assignment> {
        let is_it = |assignment: &mut Assignment| assignment.state.revision == revision;
        let assignment = self.in_flight.take_if(is_it).or_else(|| self.rejected.take_if(is_it))?;
        self.rejected = None;
        self.applied = Some(assignment.label());
        Some(assignment)
    }

    /// Takes note of what the dataplane has rejected, for the first time or again; who said it.
    fn rejected(&mut self, revision: Revision) -> Option<Origin> {
        if let Some(assignment) = self.in_flight.take_if(|assignment| assignment.state.revision == revision) {
            self.rejected = Some(assignment);
        }
        self.rejected.as_ref().filter(|rejected| rejected.state.revision == revision)?.origin.clone()
    }
}

impl Conductor {
    /// Runs until the dataplane has ended, as it is told to when `end` comes.
    pub(crate) async fn run(
        mut self,
        mut end: impl Future<Output = Ending> + Unpin,
    ) -> Result<Ending, DataplaneGone> {
        let mut ending = None;
        let mut end_sent = false;
        loop {
            match ending {
                None => {
                    self.course.advance(&self.commands);
                    self.tell_boosts();
                    self.tell_found();
                    self.tell_let_go();
                }
                Some(ending) if !end_sent => end_sent = send(&self.commands, Command::from(ending)),
                Some(_) => {}
            }
            let behind = match ending {
                Some(_) => !end_sent,
                None => {
                    let is_told = self.boosts_told && self.found_told && self.untold.is_empty();
                    self.course.next().is_some() || !is_told
                }
            };
            tokio::select! {
                report = self.reports.recv() => match (report, ending) {
                    (Some(Report::Stopped), _) => return Ok(ending.unwrap_or(Ending::Stop)),
                    (Some(report), _) => self.take(report),
                    (None, Some(ending)) => return Ok(ending),
                    (None, None) => return Err(DataplaneGone),
                },
                Ok(()) = self.found.changed(), if ending.is_none() => self.found_told = false,
                Some(order) = self.orders.recv(), if ending.is_none() => self.obey(order),
                Some(assignment) = self.offers.recv(), if ending.is_none() => self.consider(assignment),
                told = &mut end, if ending.is_none() => ending = Some(told),
                () = tokio::time::sleep(OFFER_AGAIN), if behind => {}
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Boosts(told) => {
                if self.boosts.take(told) {
                    self.boosts_told = false;
                    self.tell_boosts();
                }
            }
            Order::Assist(let_go) => {
                // It is worth nothing once a dataplane that is busy has found the time.
                send(&self.commands, Command::Assist(let_go));
            }
            Order::FastStart { told, came_boottime_ns } => {
                if let Some(command) = self.fast_starts.take(told, came_boottime_ns) {
                    send(&self.commands, command);
                }
            }
        }
    }

    fn tell_boosts(&mut self) {
        if !self.boosts_told {
            self.boosts_told = send(&self.commands, Command::Boosts(self.boosts.current()));
        }
    }

    fn tell_found(&mut self) {
        if !self.found_told {
            let found = self.found.borrow_and_update().clone();
            self.found_told = send(&self.commands, Command::Checks(found));
        }
    }

    /// Without a session nobody listens.
    fn tell_let_go(&mut self) {
        let say = |let_go: &[LetGo]| self.let_go.send(let_go.to_vec()).is_ok();
        self.untold.tell(Instant::now(), say);
    }

    fn consider(&mut self, assignment: Assignment) {
        let Label { origin, revision, digest } = assignment.label();
        self.unfit = None;
        let reasons = self.unfit_for(&assignment);
        if !reasons.is_empty() {
            for RejectionReason { group, detail } in &reasons {
                tracing::error!(%revision, group = group.as_deref(), detail, "desired state refused");
            }
            self.answer(origin, Outcome::Rejected(Rejection { revision, reasons }));
            self.unfit = Some(assignment);
            return;
        }
        match self.course.consider(assignment) {
            Verdict::Taken => {
                tracing::debug!(%revision, "desired state received");
                self.overview.send_modify(|overview| overview.desired = Some(revision));
            }
            Verdict::Runs => self.answer(origin, Outcome::Applied { revision, digest }),
            Verdict::Refused(detail) => {
                tracing::warn!(%revision, detail, "desired state refused");
                let reasons = vec![RejectionReason { group: None, detail }];
                self.answer(origin, Outcome::Rejected(Rejection { revision, reasons }));
            }
        }
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Applied(revision) => self.applied(revision),
            Report::Rejected { revision, reasons } => {
                let origin = self.course.rejected(revision);
                for reason in &reasons {
                    tracing::error!(
                        %revision,
                        group = reason.group.as_deref(),
                        detail = reason.detail,
                        "desired state rejected"
                    );
                }
                self.answer(origin, Outcome::Rejected(Rejection { revision, reasons }));
            }
            Report::Found(found) => self.begin(found),
            Report::Transition(transition) => {
                log(&transition);
                self.overview.send_modify(|overview| overview.count(&transition));
                self.journal.append(transition);
            }
            Report::LetGo(let_go) => {
                self.untold.keep(let_go, Instant::now());
                self.tell_let_go();
            }
            Report::Converged(observed) => {
                tracing::info!(
                    group = observed.group,
                    holder = %observed.holder,
                    took_us = observed.took.as_micros(),
                    "the LAN follows the new holder"
                );
                self.findings.push(&observed);
            }
            Report::Snapshot(snapshot) => self.look_at(snapshot),
            Report::Notice(text) => tracing::warn!("{text}"),
            Report::Stopped => {}
        }
    }

    fn look_at(&mut self, snapshot: Snapshot) {
        self.overview.send_modify(|overview| overview.take(snapshot));
        let is_fit = |assignment: &Assignment| self.refusals(&assignment.state).is_empty();
        if self.unfit.as_ref().is_some_and(is_fit)
            && let Some(assignment) = self.unfit.take()
        {
            self.consider(assignment);
        }
    }

    /// What of this state this host forbids or does not have.
    fn refusals(&self, state: &DesiredState) -> Vec<RejectionReason> {
        let overview = self.overview.borrow();
        let mut reasons = checks::refusals(state, &self.policy, overview.known_interfaces());
        reasons.extend(hooks::undeclared(&state.groups, &self.policy));
        reasons
    }

    /// Why the host must not run the checks and hooks of this state. What runs already is not judged again: a check that is not
    /// allowed in it fails.
    fn unfit_for(&self, assignment: &Assignment) -> Vec<RejectionReason> {
        let is_known = self.course.newest_label().as_ref() == Some(&assignment.label());
        if is_known || !assignment.state.is_intact() {
            return Vec::new();
        }
        self.refusals(&assignment.state)
    }

    /// What the agent before could not tell comes first.
    fn begin(&mut self, found: Found) {
        let aftermath = Aftermath { groups: std::mem::take(&mut self.ran_before), found };
        let overview = self.overview.clone();
        self.journal.begin(self.address_lease, move |unfinished| {
            let deeds = aftermath.of(&unfinished);
            deeds.transitions.iter().for_each(log);
            overview.send_modify(|overview| overview.count_deeds(&deeds));
            deeds.transitions
        });
    }

    fn applied(&mut self, revision: Revision) {
        let Some(assignment) = self.course.accepted(revision) else {
            tracing::warn!(%revision, "the dataplane applied what was not asked for");
            return;
        };
        tracing::info!(%revision, groups = assignment.state.groups.len(), "desired state applied");
        let Label { origin, revision, digest } = assignment.label();
        self.overview.send_modify(|overview| {
            overview.applied = Some((origin.clone(), revision));
            overview.rejection = None;
        });
        self.answer(origin, Outcome::Applied { revision, digest });
        self.check.send_replace(assignment.state.checks.clone());
        self.to_store.send_replace(Some(assignment));
    }

    /// Tells the host and the server the same.
    fn answer(&self, origin: Option<Origin>, outcome: Outcome) {
        self.overview.send_modify(|overview| {
            overview.rejection = match &outcome {
                // What is newer than what runs already may still be refused.
                Outcome::Applied { revision, .. } => {
                    overview.rejection.take_if(|rejection| rejection.revision > *revision)
                }
                Outcome::Rejected(rejection) => Some(rejection.clone()),
            }
        });
        // Without a session nobody listens; the next `hello` says what runs.
        let _ = self.answers.send(Answer { origin, outcome });
    }
}

fn log(transition: &ObservedTransition) {
    tracing::info!(
        group = transition.group,
        from = transition.from.as_str(),
        to = transition.to.as_str(),
        reason = transition.reason.as_str(),
        priority = transition.priority.get(),
        interface = transition.interface,
        "transition"
    );
}

/// Whether the dataplane has the command; a closed channel is noticed where reports are read.
fn send(commands: &mpsc::Sender<Command>, command: Command) -> bool {
    match commands.try_send(command) {
        Ok(()) | Err(TrySendError::Closed(_)) => true,
        Err(TrySendError::Full(_)) => false,
    }
}

#[cfg(test)]
mod tests;
