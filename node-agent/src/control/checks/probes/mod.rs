//! What checks look at: one file for each kind. A probe says what it has found, good or bad, in a sentence.

mod file;
pub(super) mod http;
mod interface;
pub(super) mod process;
mod script;
mod tcp;
mod tls;

use std::net::IpAddr;
use std::sync::Arc;

use api_types::check::{CheckSpec, Probe};
use tokio::sync::{Semaphore, watch};

use self::file::File;
use self::http::Http;
use self::interface::Interface;
use self::process::{Process, Processes};
use self::script::Script;
use self::tcp::Tcp;
use super::fitness;
use crate::control::overview::Overview;
use crate::policy::Policy;

/// What a run found: that all is well, or why not.
pub(super) type Outcome = Result<String, String>;

/// What probes share.
pub(crate) struct Host {
    policy: Arc<Policy>,
    overview: watch::Receiver<Overview>,
    processes: Processes,
    tls: tls::Tls,
    /// For programs.
    turns: Semaphore,
    /// For looks at a disk, which may hang: the threads that wait for disks are the agent's too.
    looks: Arc<Semaphore>,
}

/// How many programs run at once.
const PROGRAMS: usize = 64;
/// How many looks at files.
const LOOKS: usize = 32;

impl Host {
    /// This host, as its policy and the dataplane describe it.
    pub(crate) fn new(policy: Arc<Policy>, overview: watch::Receiver<Overview>) -> Self {
        Self {
            policy,
            overview,
            processes: Processes::default(),
            tls: tls::Tls::default(),
            turns: Semaphore::new(PROGRAMS),
            looks: Arc::new(Semaphore::new(LOOKS)),
        }
    }

    /// Whether a check may connect there now.
    fn admit(&self, address: IpAddr) -> Result<(), String> {
        let overview = self.overview.borrow();
        if fitness::may_connect(address, &self.policy, &overview.snapshot.interfaces) {
            Ok(())
        } else {
            Err(fitness::forbidden_target(address, &self.policy))
        }
    }
}

/// One check's way of looking.
pub(super) enum Prober {
    Interface(Interface),
    Tcp(Tcp, Arc<Host>),
    Http(Box<Http>, Arc<Host>),
    Process(Process, Arc<Host>),
    File(File, Arc<Host>),
    Script(Script, Arc<Host>),
    /// It cannot be run, for this reason.
    Unfit(String),
}

impl Prober {
    pub(super) fn new(spec: &CheckSpec, host: &Arc<Host>) -> Self {
        let host = || Arc::clone(host);
        match &spec.probe {
            Probe::Interface { interface } => {
                Self::Interface(Interface::new(interface.clone(), host().overview.clone()))
            }
            Probe::Tcp { address, port } => Self::Tcp(Tcp::new((*address, port.get()).into()), host()),
            Probe::Http { .. } => match Http::new(&spec.probe) {
                Ok(http) => Self::Http(Box::new(http), host()),
                Err(why) => Self::Unfit(why),
            },
            Probe::Process { process } => {
                Self::Process(Process::new(process.clone(), spec.interval_ms.as_duration()), host())
            }
            Probe::File { path } => Self::File(File::new(path.clone()), host()),
            Probe::Script { script } => {
                let limit = spec.timeout_ms.as_duration();
                Self::Script(Script::new(script.clone(), spec.name.clone(), limit), host())
            }
        }
    }

    /// Waits for what is left of the run before.
    pub(super) async fn make_ready(&mut self) {
        if let Self::Script(script, _) = self {
            script.make_ready().await;
        }
    }

    /// Looks once. Whoever drops this has waited long enough.
    pub(super) async fn run(&mut self) -> Outcome {
        match self {
            Self::Interface(interface) => interface.run().await,
            Self::Tcp(tcp, host) => tcp.run(host).await,
            Self::Http(http, host) => http.run(host).await,
            Self::Process(process, host) => process.run(host).await,
            Self::File(file, host) => file.run(host).await,
            Self::Script(script, host) => script.run(host).await,
            Self::Unfit(why) => Err(why.clone()),
        }
    }

    /// Completes when there is a reason to look again before it is time to.
    pub(super) async fn news(&mut self) {
        match self {
            Self::Interface(interface) => interface.news().await,
            Self::Tcp(..)
            | Self::Http(..)
            | Self::Process(..)
            | Self::File(..)
            | Self::Script(..)
            | Self::Unfit(_) => std::future::pending().await,
        }
    }
}
