//! The half of the worker that may wait: disk, TLS, JSON, the local host.
//!
//! ```text
//!   dataplane ──reports──► conductor ──transitions──► journal ──► its thread, the disk
//!       ▲                    │  ▲                        │
//!       └─────commands───────┘  └──desired states──┐     │ batches, acknowledgements
//!                            │                     │     ▼
//!                            └────answers──────► session ◄──► server
//! ```
//!
//! Beside it [`checks`] look at the host, and the conductor passes on to the dataplane what they find.
//!
//! The last good desired state on disk goes to the dataplane before anything else is tried. From then on a
//! server can change what runs, but nothing that runs depends on one. Every channel is bounded, and what the
//! conductor must do for the dataplane never waits behind what a disk or a server does not do.

mod aftermath;
mod backoff;
mod boosts;
mod checks;
mod clock;
mod conductor;
pub mod desired_state;
mod details;
mod dial;
mod durable_file;
pub mod enrolment;
mod error_chain;
mod fast_starts;
mod findings;
mod hooks;
pub mod identity;
pub mod join_token;
pub mod journal;
mod link;
pub mod logging;
mod metrics;
mod overview;
mod resend;
pub mod server_message;
mod session;
mod spoken_checksums;
pub mod status_socket;
#[cfg(test)]
pub(crate) mod test_data;
pub mod tls;
mod told;
mod untold;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api_types::agent_status::JournalStatus;
use futures_util::FutureExt;
use thiserror::Error;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

use self::boosts::Boosts;
use self::checks::{Engine, Host};
use self::conductor::{Conductor, Course, DataplaneGone};
use self::desired_state::{Assignment, DesiredStateStore, Label};
use self::error_chain::chain;
use self::fast_starts::FastStarts;
use self::findings::Findings;
use self::hooks::Hooks;
use self::identity::Identity;
use self::journal::Journal;
use self::link::Link;
use self::overview::{Fixed, Overview};
use self::session::SessionContext;
use self::spoken_checksums::SpokenChecksumsFile;
use self::untold::Untold;
use crate::config::Config;
use crate::messages::{Command, Ending, Report};
use crate::policy::Policy;
use crate::succession;

/// How long the last transitions may take to reach the server when the agent stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a session with the server waits for the journal to be read.
const REPLAY: Duration = Duration::from_secs(5);
/// How many groups may have let go before a session hears of it.
const LETTING_GO: usize = 1_024;
/// How often a desired state that could not be stored is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// What control is given.
#[derive(Debug)]
pub struct Start {
    /// The effective configuration.
    pub config: Arc<Config>,
    /// What this host allows a server to ask.
    pub policy: Arc<Policy>,
    /// The program of the agent, which runs the programs that checks and hooks name ([`crate::program::OWN`]).
    pub program: PathBuf,
    /// Drawn at each start of the agent, kept when the worker is restarted.
    pub boot_id: Uuid,
    /// How often the parent has started the worker in this boot, this time included.
    pub worker_starts: u64,
    /// How many of those before it have died.
    pub worker_deaths: u64,
    /// What the dataplane says.
    pub reports: mpsc::Receiver<Report>,
    /// What the dataplane is told.
    pub commands: mpsc::Sender<Command>,
    /// Sent when the worker shall end; dropped, when the agent shall stop.
    pub end: oneshot::Receiver<Ending>,
    /// The process of a worker that lives, and that is to hand over once this one is ready.
    pub predecessor: Option<u32>,
    /// Sent when the parent process has ended.
    pub parent_gone: oneshot::Receiver<()>,
}

/// Why control ended other than by being told to.
#[derive(Debug, Error)]
pub enum ControlError {
    /// There is no place for keys and the journal.
    #[error("cannot make the state directory {path}")]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start a thread for the disk")]
    Journal(#[source] std::io::Error),
    /// The dataplane ended by itself.
    #[error(transparent)]
    DataplaneGone(#[from] DataplaneGone),
}

/// Runs control until the dataplane has ended, and says how.
///
/// When it shall stop it tells the dataplane to stop, waits until it has, brings the journal to disk, and gives the last
/// transitions a second to reach the server. When it shall hand over, the journal comes to disk first, so that little
/// is left to be done between this worker's last advertisement and the next one's first; the server hears from that.
///
/// # Errors
/// When it could not begin, or the dataplane ended by itself.
pub async fn run(start: Start) -> Result<Ending, ControlError> {
    let Start {
        config,
        policy,
        program,
        boot_id,
        worker_starts,
        worker_deaths,
        reports,
        commands,
        end,
        predecessor,
        parent_gone,
    } = start;
    let end = end.map(|told| told.unwrap_or(Ending::Stop)).shared();
    let state_dir = config.state_dir.clone();
    let mut reading = tokio::task::spawn_blocking(move || read_state(&state_dir));
    let StateOnDisk { store, restored, spoken } = tokio::select! {
        read = &mut reading => read.map_err(|error| ControlError::Journal(error.into()))??,
        ending = end.clone().then(|ending| tokio::time::sleep(FAREWELL).map(move |()| ending)) => {
            tracing::warn!("ending before the disk has answered");
            end_dataplane(ending, reports, commands).await;
            return Ok(ending);
        }
    };
    if !spoken.spoken().0.is_empty() {
        // Nothing was sent yet, so there is room.
        let _sent = commands.try_send(Command::Remember(spoken.spoken().clone()));
    }
    let read = restored.as_ref().map(Assignment::label);
    let ran_before = restored.as_ref().map(|restored| restored.state.groups.clone()).unwrap_or_default();
    let course = Course::restored(restored, &commands);
    let findings = Findings::default();
    let mut stored_since = None;
    if let Some(process) = predecessor {
        // Everything that the dataplane needs is on its way to it. The journal is the other's until that has
        // ended.
        tokio::select! {
            newer = succeed(process, read.as_ref(), config.state_dir.clone()) => stored_since = newer,
            _ = end.clone() => {}
        }
    }
    let journal = Journal::open(&config.state_dir.join("journal"), boot_id).map_err(ControlError::Journal)?;
    if worker_starts > 1 {
        journal.go_on(config.fences.address_lease);
    }

    let (overview, _) = watch::channel(Overview { desired: course.newest(), ..Overview::default() });
    let (to_store, stored) = watch::channel(None);
    let (offers_in, offers) = mpsc::channel(4);
    let (orders_in, orders) = mpsc::channel(16);
    // Nothing was offered yet, so there is room.
    stored_since.into_iter().for_each(|assignment| drop(offers_in.try_send(assignment)));
    let (answers, _) = broadcast::channel(16);
    let (let_go, _) = broadcast::channel(LETTING_GO);
    let (finish, finished) = watch::channel(false);
    let (check, to_check) = watch::channel(Vec::new());
    let (found, findings_of_checks) = watch::channel(BTreeMap::new());
    let host = Host::new(Arc::clone(&policy), overview.subscribe());
    let checking = tokio::spawn(Engine::new(host, overview.clone(), found).run(to_check));

    let hooks = Hooks {
        policy: Arc::clone(&policy),
        agent: program,
        commands: commands.clone(),
        overview: overview.clone(),
    };
    let hooking = tokio::spawn(hooks.run());

    let fixed = Fixed {
        boot_id,
        started_at: clock::wall_now().into(),
        worker_starts,
        worker_deaths,
        url: config.server.url.to_string(),
    };
    let context = SessionContext {
        boot_id,
        journal: journal.clone(),
        findings: findings.clone(),
        overview: overview.clone(),
        offers: offers_in,
        orders: orders_in,
        answers: answers.clone(),
        let_go: let_go.clone(),
    };
    let link = Link { server: &config.server, state_dir: &config.state_dir, context };
    let conductor = Conductor {
        reports,
        commands,
        offers,
        orders,
        boosts: Boosts::new(boot_id),
        fast_starts: FastStarts::new(boot_id),
        boosts_told: true,
        policy,
        check,
        found: findings_of_checks,
        found_told: true,
        unfit: None,
        answers,
        let_go,
        untold: Untold::default(),
        journal: journal.clone(),
        address_lease: config.fences.address_lease,
        ran_before,
        findings: findings.clone(),
        overview: overview.clone(),
        to_store,
        course,
    };

    let answer = || overview.borrow().for_host(&fixed, journal.status());
    tokio::spawn(notice_parent(parent_gone, overview.clone()));
    let storing = tokio::spawn(keep_stored(store, stored));
    let remembering = tokio::spawn(spoken.keep(overview.subscribe()));
    let metrics = config.metrics.as_ref().map(|metrics| {
        let (overview, journal) = (overview.clone(), journal.clone());
        tokio::spawn(metrics::serve(metrics.listen, move || (overview.borrow().clone(), journal.status())))
    });
    let handed_over = Notify::new();
    let conducted = async {
        let end = Box::pin(async {
            let ending = end.await;
            if ending == Ending::HandOver {
                // What has happened so far. Whether it took too long is told by what is left.
                let _ = tokio::time::timeout(FAREWELL, journal.flush()).await;
            }
            ending
        });
        let outcome = conductor.run(end).await;
        if matches!(outcome, Ok(Ending::HandOver)) {
            let _ = tokio::time::timeout(FAREWELL, journal.flush()).await;
            handed_over.notify_one();
        } else {
            farewell(&journal, &overview).await;
        }
        finish.send_replace(true);
        outcome
    };
    let linked = async {
        let mut stopped = finished.clone();
        // What earlier boots did not get acknowledged is told first, if the disk says it in time.
        tokio::select! {
            () = journal.flush() => {}
            () = tokio::time::sleep(REPLAY) => {}
            _ = stopped.wait_for(|finished| *finished) => {}
        }
        link.run(finished).await;
    };
    let outcome = tokio::select! {
        (outcome, ()) = async { tokio::join!(conducted, linked) } => outcome,
        () = handed_over.notified() => Ok(Ending::HandOver),
        () = status_socket::serve(&config.socket, answer) => Ok(Ending::Stop),
    };
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    remembering.abort();
    checking.abort();
    hooking.abort();
    // The conductor is gone, so the task ends when the last state is stored.
    let _ = tokio::time::timeout(FAREWELL, storing).await;
    Ok(outcome?)
}

/// What earlier lives of the agent have stored.
struct StateOnDisk {
    store: DesiredStateStore,
    restored: Option<Assignment>,
    spoken: SpokenChecksumsFile,
}

/// What is on disk. Blocks for as long as the disk does.
fn read_state(state_dir: &Path) -> Result<StateOnDisk, ControlError> {
    durable_file::ensure_private_directory(state_dir)
        .map_err(|source| ControlError::StateDir { path: state_dir.to_owned(), source })?;
    let mut store = DesiredStateStore::new(state_dir);
    let mut restored = restore(&mut store);
    if let Some(assignment) = &mut restored
        && assignment.origin.is_none()
    {
        // Without a readable identity there is nobody yet whose count it could be.
        assignment.origin = Identity::load(state_dir).ok().flatten().map(|identity| identity.origin());
    }
    Ok(StateOnDisk { store, restored, spoken: SpokenChecksumsFile::load(state_dir) })
}

/// Has the worker before hand over, and waits until it has ended. What it has stored since its state was
/// read, if it has.
async fn succeed(process: u32, read: Option<&Label>, state_dir: PathBuf) -> Option<Assignment> {
    if let Err(error) = succession::succeed(process).await {
        tracing::debug!(%error, "the worker before has ended already");
    }
    let again = tokio::task::spawn_blocking(move || read_state(&state_dir));
    let stored = again.await.ok()?.ok()?.restored?;
    (Some(&stored.label()) != read).then_some(stored)
}

/// Ends a dataplane that was not told to run anything yet: a stop releases what an earlier worker left.
async fn end_dataplane(ending: Ending, mut reports: mpsc::Receiver<Report>, commands: mpsc::Sender<Command>) {
    // Closed means ended.
    let _ = commands.send(ending.into()).await;
    while reports.recv().await.is_some_and(|report| report != Report::Stopped) {}
}

async fn notice_parent(gone: oneshot::Receiver<()>, overview: watch::Sender<Overview>) {
    if gone.await.is_ok() {
        tracing::error!(
            "the parent process is gone: this worker goes on, and if it dies nobody starts another"
        );
        overview.send_modify(|overview| overview.parent_gone = true);
    }
}

fn restore(store: &mut DesiredStateStore) -> Option<Assignment> {
    let loaded = store.load();
    for damage in &loaded.damage {
        tracing::error!(error = chain(damage), "a stored desired state cannot be used");
    }
    match loaded.assignment.as_ref().map(|assignment| &assignment.state) {
        Some(state) if loaded.damage.is_empty() => {
            tracing::info!(revision = %state.revision, "starting from the stored desired state");
        }
        Some(state) => {
            tracing::warn!(revision = %state.revision, "starting from the desired state before the newest one");
        }
        None => tracing::info!("there is no stored desired state: nothing runs until a server says what"),
    }
    loaded.assignment
}

/// Brings the journal to disk and waits, briefly, until the server has what is in it.
async fn farewell(journal: &Journal, overview: &watch::Sender<Overview>) {
    let all_reported = async {
        journal.flush().await;
        while overview.borrow().connected && journal.status().unacknowledged > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Whether it took too long is told by what is left.
    let _ = tokio::time::timeout(FAREWELL, all_reported).await;
    let JournalStatus { unacknowledged, degraded } = journal.status();
    match degraded {
        _ if unacknowledged == 0 => {}
        None => {
            tracing::info!(unacknowledged, "stopping; transitions are kept and reported after the next start")
        }
        Some(why) => {
            tracing::warn!(unacknowledged, why, "stopping; transitions that are not on disk are lost")
        }
    }
}

/// Stores the newest state that runs, however long the disk takes, until the conductor is gone.
async fn keep_stored(mut store: DesiredStateStore, mut newest: watch::Receiver<Option<Assignment>>) {
    while newest.changed().await.is_ok() {
        loop {
            let Some(assignment) = newest.borrow_and_update().clone() else { break };
            let saving = tokio::task::spawn_blocking(move || {
                let outcome = store.save(&assignment);
                (store, outcome)
            });
            let Ok((returned, outcome)) = saving.await else { return };
            store = returned;
            match outcome {
                Ok(()) => break,
                Err(error) => tracing::error!(error = chain(&error), "the desired state cannot be stored"),
            }
            tokio::time::sleep(STORE_AGAIN).await;
        }
    }
}
