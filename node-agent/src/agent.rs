//! The agent put together: which process does what, and how the two halves of the worker meet.
//!
//! ```text
//! baton-agent run            the parent: starts, watches and restarts the worker
//! └── baton-agent worker     dataplane thread ◄── Command / Report ──► control runtime
//! ```
//!
//! The only file that knows both halves.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::commands::{self, AgentCommand, Arguments, RunArguments, WorkerArguments};
use crate::config::{Config, Settings};
use crate::control::{self, ControlError, logging};
use crate::dataplane::{self, AgentNumber, Dataplane, DataplaneError, Seams};
use crate::guard::lifeline;
use crate::messages::Ending;
use crate::parent::upgrade::Inheritance;
use crate::parent::{self, EXIT_HANDED_OVER, EXIT_STILL_HELD, EXIT_USAGE, Worker};
use crate::policy::Policy;
use crate::program;
use crate::shared_memory::{SharedMemory, SharedMemoryError};
use crate::succession;
use crate::sys::inherited;
use crate::sys::pidfd::PidFd;
use crate::sys::realtime;

/// How many commands may wait: control sends one and waits for its answer.
const COMMANDS: usize = 16;
/// How many reports may wait before the dataplane keeps them itself.
const REPORTS: usize = 1024;

/// How long a worker hurries at most.
const HURRY: Duration = Duration::from_secs(2);
/// How often to look whether it still needs to.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why a worker ended.
#[derive(Debug, Error)]
enum WorkerError {
    #[error("file descriptor {number} was not handed down by a parent process")]
    Inherit {
        number: i32,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Memory(#[from] SharedMemoryError),
    #[error("cannot start the runtime or take signals")]
    Start(#[source] std::io::Error),
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// The program: reads the command line and does what it says, with these parts in the dataplane.
///
/// The exit status is 0 when it was done, 1 when it failed, 2 when the command line or the configuration is wrong.
#[must_use]
pub fn main(seams: fn() -> Seams) -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.check_config {
        return commands::check_config::run(&arguments.config);
    }
    let settings = match &arguments.command {
        // These know nothing but what they are told, and are started often.
        Some(AgentCommand::RunProgram) => return ended(program::supervise()),
        Some(AgentCommand::BecomeProgram) => return ended(program::become_program()),
        Some(AgentCommand::Worker(descriptors)) => handed_down(&arguments.config, descriptors),
        // Whoever asks or enrols runs nothing, and need not be allowed to read the policy.
        Some(AgentCommand::Status(_) | AgentCommand::Enrol(_)) => Config::load(&arguments.config)
            .map(|config| Settings { config, policy: Policy::default() })
            .map_err(Into::into),
        Some(AgentCommand::Run(_) | AgentCommand::TakesUp(_)) | None => {
            Settings::load(&arguments.config).map_err(Into::into)
        }
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return fail(error.as_ref(), ExitCode::from(EXIT_USAGE)),
    };
    let config = &settings.config;
    let outcome = match arguments.command {
        Some(AgentCommand::Run(inheritance)) => run(&arguments.config, &settings, &inheritance),
        Some(AgentCommand::TakesUp(arguments)) => commands::takes_up::run(config, &arguments),
        Some(AgentCommand::Worker(descriptors)) => match worker(settings, &descriptors, seams()) {
            Ok(Ending::HandOver) => return ExitCode::from(EXIT_HANDED_OVER),
            outcome => outcome.map(drop).map_err(Into::into),
        },
        Some(AgentCommand::Status(arguments)) => commands::status::run(config, &arguments),
        Some(AgentCommand::Enrol(arguments)) => enrol(config, &arguments),
        Some(AgentCommand::RunProgram | AgentCommand::BecomeProgram) | None => return fail_usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref(), status_of(&error)),
    }
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref(), ExitCode::FAILURE),
    }
}

/// What the parent must know of a worker's end is in its exit status.
fn status_of(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(WorkerError::Dataplane(DataplaneError::StillHeld { .. })) => ExitCode::from(EXIT_STILL_HELD),
        Some(_) | None => ExitCode::FAILURE,
    }
}

fn run(path: &Path, settings: &Settings, arguments: &RunArguments) -> anyhow::Result<()> {
    let config = &settings.config;
    logging::init(config.log_format);
    let inheritance = inheritance(arguments)?;
    parent::run(path, &settings.to_hand_down()?, &config.state_dir, config.fences.guard, inheritance)?;
    Ok(())
}

/// What the program before this one in the same process has left.
fn inheritance(arguments: &RunArguments) -> Result<Option<Inheritance>, WorkerError> {
    let RunArguments {
        memory_fd: Some(memory),
        lock_fd: Some(lock),
        lifeline_fd: Some(lifeline),
        worker_pid: Some(id),
    } = *arguments
    else {
        return Ok(None);
    };
    // The next worker inherits the first two again.
    let (memory, lock) = (inherit_further(memory)?, inherit_further(lock)?);
    Ok(Some(Inheritance { memory, lock, worker: Worker { id, lifeline: inherit(lifeline)? } }))
}

/// The settings that the parent of a worker started with, whatever the files hold by now.
fn handed_down(path: &Path, descriptors: &WorkerArguments) -> anyhow::Result<Settings> {
    let mut settings = File::from(inherit(descriptors.settings_fd)?);
    let mut text = String::new();
    // The worker before has read it through the same open file.
    settings.rewind()?;
    settings.read_to_string(&mut text)?;
    Ok(Settings::handed_down(path, &text)?)
}

fn inherit_further(number: i32) -> Result<OwnedFd, WorkerError> {
    inherited::take_further(number).map_err(|source| WorkerError::Inherit { number, source })
}

fn inherit(number: i32) -> Result<OwnedFd, WorkerError> {
    inherited::take(number).map_err(|source| WorkerError::Inherit { number, source })
}

fn enrol(config: &Config, arguments: &commands::EnrolArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(commands::enrol::run(config, arguments))
}

/// Runs both halves until a signal or the parent says stop and the dataplane has stopped.
fn worker(settings: Settings, descriptors: &WorkerArguments, seams: Seams) -> Result<Ending, WorkerError> {
    let Settings { config, policy } = settings;
    let policy = Arc::new(policy);
    realtime::hasten();
    let memory = inherit(descriptors.memory_fd)?;
    // Held open, and with it locked, for as long as this process lives.
    let _lock = inherit(descriptors.lock_fd)?;
    if let Some(number) = descriptors.lifeline_fd {
        lifeline::hold(inherit(number)?);
    }
    logging::init(config.log_format);
    let memory = Arc::new(open_memory(memory)?);

    let (commands_in, commands) = mpsc::channel(COMMANDS);
    let (reports_in, reports) = mpsc::channel(REPORTS);
    let mut dataplane = Dataplane::start(dataplane::Settings {
        agent: agent_number(&config.state_dir),
        memory: Arc::clone(&memory),
        seams,
        fences: config.fences,
        policy: Arc::clone(&policy),
        commands,
        reports: reports_in,
        predecessor: descriptors.predecessor_pid,
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(WorkerError::Start)?;
    let outcome = runtime.block_on(async {
        let end = end_on_signal().map_err(WorkerError::Start)?;
        let parent_gone = watch_parent(descriptors.parent_pid, Arc::clone(&memory));
        tokio::spawn(rest_once_settled(Arc::clone(&memory)));
        if !dataplane.ready().await {
            return Ok(Ending::Stop);
        }
        let start = control::Start {
            config: Arc::new(config),
            policy,
            program: program::OWN.into(),
            boot_id: memory.boot_id(),
            worker_starts: memory.worker_starts(),
            worker_deaths: memory.worker_deaths(),
            reports,
            commands: commands_in,
            end,
            parent_gone,
            predecessor: descriptors.predecessor_pid,
        };
        control::run(start).await.map_err(WorkerError::Control)
    });
    // What waits for a disk that hangs must not be waited for.
    runtime.shutdown_background();
    match outcome {
        // The dataplane may still run; the next worker adopts what it holds.
        Err(error) if !matches!(error, WorkerError::Control(ControlError::DataplaneGone(_))) => Err(error),
        // The dataplane knows best why it has ended.
        outcome => {
            dataplane.join()?;
            let ending = outcome?;
            if ending == Ending::Stop {
                memory.finish();
            }
            Ok(ending)
        }
    }
}

/// A worker hurries until it has taken up what the one before it held, or that is too late.
async fn rest_once_settled(memory: Arc<SharedMemory>) {
    let settled = async {
        while !memory.has_adopted() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let _too_late = tokio::time::timeout(HURRY, settled).await;
    realtime::rest();
}

/// The memory shared with the parent, or, if it cannot be understood, memory of this worker's own: then nothing is
/// adopted, and what a worker before this one has bound is removed.
fn open_memory(descriptor: OwnedFd) -> Result<SharedMemory, SharedMemoryError> {
    SharedMemory::open(descriptor).or_else(|error| {
        tracing::error!(%error, "the worker begins anew and adopts nothing");
        SharedMemory::create(Uuid::new_v4())
    })
}

/// Completes on SIGTERM or SIGINT, which are taken from here on, or when the parent says that another worker comes.
fn end_on_signal() -> std::io::Result<oneshot::Receiver<Ending>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hand_over = signal(SignalKind::from_raw(succession::HAND_OVER as i32))?;
    // The parent starts its workers with both blocked, so that none is lost before this point.
    parent::stop_signals().thread_unblock()?;
    let (end, told) = oneshot::channel();
    tokio::spawn(async move {
        let ending = tokio::select! {
            _ = terminate.recv() => Ending::Stop,
            _ = interrupt.recv() => Ending::Stop,
            _ = hand_over.recv() => Ending::HandOver,
        };
        // Whoever waited may be gone already.
        let _unheard = end.send(ending);
        // Further signals change nothing: both sides of the handover take as long as they take.
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hand_over.recv() => {}
            }
        }
    });
    Ok(told)
}

/// Completes when the parent has ended. The worker goes on without it, and nobody will start another.
fn watch_parent(parent: u32, memory: Arc<SharedMemory>) -> oneshot::Receiver<()> {
    let (tell, gone) = oneshot::channel();
    tokio::spawn(async move {
        let handle = PidFd::open(parent);
        // Who has another parent by now had lost its own before the handle was there.
        if std::os::unix::process::parent_id() == parent {
            let ended = async { handle?.ended().await };
            if let Err(error) = ended.await {
                return tracing::warn!(%error, "the parent process cannot be watched");
            }
        }
        memory.lose_guard();
        // Whoever waited may be gone already.
        let _unheard = tell.send(());
    });
    gone
}

/// The same for each life of an agent, different for the agents of one host: each has a state directory of its own.
fn agent_number(state_dir: &Path) -> AgentNumber {
    let directory = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
    // The kernel does not keep a metric of zero.
    AgentNumber(crc32c::crc32c(directory.as_os_str().as_encoded_bytes()).max(1))
}

fn fail(error: &(dyn Error + 'static), code: ExitCode) -> ExitCode {
    let mut message = format!("baton-agent: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{message}");
    code
}

fn fail_usage() -> ExitCode {
    eprintln!("baton-agent: say what to do: run, status or enrol; --help tells more");
    ExitCode::from(EXIT_USAGE)
}
