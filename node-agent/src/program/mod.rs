//! Runs programs of this host that a check or a hook names. No shell, no command line from anywhere but the policy of
//! the host, and never more than the agent can bear.
//!
//! ```text
//! worker ── stdin: the order, then open for as long as the run is wanted ──► baton-agent run-program
//!        ◄── stdout: how it went ──────────────────────────────────────────  │ own session, subreaper
//!                                                                            └── baton-agent become-program
//!                                                                                 gives up what the agent may do,
//!                                                                                 then is the program
//! ```
//!
//! A worker has locked its memory and runs a thread that must not wait, so it never forks: the supervisor is started by
//! `vfork`, and what is slow happens there. The supervisor ends the run when its time is over, when the worker no longer
//! wants it, and when the worker has died. A run ends with everything that came of it, also with what has made a
//! session of its own. Of the output it keeps a few lines and throws the rest away.

mod become_program;
mod descendants;
mod outcome;
mod supervisor;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use api_types::Name;
use nix::unistd::{geteuid, getuid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::policy::{DEFAULT_USER, Program};

pub use self::become_program::run as become_program;
pub use self::outcome::{Ended, Outcome};
pub use self::supervisor::run as supervise;

/// The program of this process, whatever has taken its place on the disk.
pub const OWN: &str = "/proc/self/exe";

/// How long everything around the run may take: starting it, and ending what does not end by itself.
const AROUND: Duration = Duration::from_secs(5);
/// The longest answer of a supervisor, in octets.
const MAX_ANSWER: u64 = 64 * 1024;
/// Where programs are looked for that the program runs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a supervisor is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Where the program is.
    pub path: PathBuf,
    /// What it is called with.
    pub args: Vec<String>,
    /// Who runs it; `None` for the agent's own user.
    pub user: Option<String>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Order {
    /// Runs a declared program for so long at the most. `about` tells it what it is run for; the names of these
    /// variables begin with `BATON_`.
    #[must_use]
    pub fn of(program: &Program, about: &[(&str, String)], timeout: Duration) -> Self {
        let about = about.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let path = ("PATH".to_owned(), PATH.to_owned());
        // Without the right to be somebody else, it is who the agent is.
        let default = geteuid().is_root().then(|| DEFAULT_USER.to_owned());
        Self {
            path: program.path.as_path().to_owned(),
            args: program.args.clone(),
            user: program.user.clone().or(default),
            environment: about.chain([path]).collect(),
            timeout,
        }
    }

    /// Runs the program, under a supervisor that is this agent ([`OWN`]). When this is dropped before it is done the run
    /// is ended.
    pub async fn run(self, agent: &Path) -> Outcome {
        self.run_until(agent, std::future::pending()).await
    }

    /// Runs the program for as long as it is wanted, and returns when everything that came of it has ended.
    pub async fn run_until(self, agent: &Path, unwanted: impl Future<Output = ()>) -> Outcome {
        // `std` starts a program like this one by `posix_spawn`, which does not copy the memory of the worker.
        let started = Command::new(agent)
            .arg("run-program")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let outcome = match started {
            Ok(supervisor) => self.supervised_by(supervisor, unwanted).await,
            Err(error) => Err(error),
        };
        outcome.unwrap_or_else(|error| Outcome::not_run(format!("it could not be run: {error}")))
    }

    async fn supervised_by(
        &self,
        mut supervisor: Child,
        unwanted: impl Future<Output = ()>,
    ) -> io::Result<Outcome> {
        let (Some(mut orders), Some(answers)) = (supervisor.stdin.take(), supervisor.stdout.take()) else {
            return Err(io::Error::other("the supervisor has no pipes"));
        };
        let mut order = serde_json::to_vec(self)?;
        order.push(b'\n');
        let conversation = async {
            orders.write_all(&order).await?;
            let (mut answer, mut answers) = (Vec::new(), answers.take(MAX_ANSWER));
            let mut answered = pin!(answers.read_to_end(&mut answer));
            let early = tokio::select! {
                read = &mut answered => Some(read),
                () = unwanted => None,
            };
            // The open pipe has told the supervisor until now that somebody wants the run.
            drop(orders);
            match early {
                Some(read) => read?,
                None => answered.await?,
            };
            Ok::<_, io::Error>(answer)
        };
        let answer = tokio::time::timeout(self.timeout + AROUND, conversation).await;
        let answer = match answer {
            Ok(answer) => answer?,
            // It goes on ending what does not end, and nobody else could find that.
            Err(_) => return Err(io::Error::other("what came of it takes long to end")),
        };
        supervisor.wait().await?;
        if answer.is_empty() {
            return Err(io::Error::other("its supervisor has ended without a word"));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// The declared program of this name.
///
/// # Errors
/// When the policy declares none: a sentence for people.
pub fn declared<'a>(
    programs: &'a BTreeMap<Name, Program>,
    what: &str,
    name: &Name,
) -> Result<&'a Program, String> {
    programs.get(name).ok_or_else(|| {
        let known: Vec<_> = programs.keys().map(Name::as_str).collect();
        let allowed = match known.as_slice() {
            [] => "it declares none".to_owned(),
            known => format!("it declares {}", known.join(", ")),
        };
        format!("the policy of this host declares no {what} {name}: {allowed}")
    })
}

/// Whether this process was started with the rights of somebody else, as a program with the set-user-ID bit is.
fn borrows_rights() -> bool {
    getuid() != geteuid()
}
