//! Every failure, what to do next about it, and the exit status it becomes. The only file that knows exit
//! codes.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::iter;
use std::process::ExitCode;

use thiserror::Error;

use crate::client::RequestError;
use crate::commands::apply::ApplyError;
use crate::commands::login::LoginError;
use crate::config::ConfigError;
use crate::manifest::ManifestError;
use crate::output::{self, Terminal};

/// What the process says to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Everything that was asked for was done.
    Done,
    /// `baton status` found something that is not as it should be.
    Failing,
    /// The command line, a manifest or the configuration was wrong; nothing was sent.
    Usage,
    /// The server refused the request.
    Refused,
    /// The server could not be reached, or could not answer.
    Unreachable,
    /// The server does not know who we are, or does not let us.
    Denied,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Failing => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Refused => 3,
            ExitStatus::Unreachable => 4,
            ExitStatus::Denied => 5,
        })
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("no {kind} is called {name:?}")]
    NoSuch { kind: &'static str, name: String },
    #[error("{detail}")]
    NoSuchName { detail: String },
    #[error("--force is for nodes only: a {kind} is removed or it is not")]
    ForceIsForNodes { kind: &'static str },
    #[error("nothing was removed")]
    NotConfirmed,
    #[error("token {name} is the one that this command uses: once it is removed, you are locked out with it")]
    OwnToken { name: String },
    #[error("the token was made, but the server did not show it")]
    NoSecret,
    #[error("the answer of the server cannot be written as {format}")]
    Format {
        format: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the output cannot be written")]
    Output {
        #[source]
        source: io::Error,
    },
    #[error("the runtime cannot be started")]
    Runtime {
        #[source]
        source: io::Error,
    },
}

impl Failure {
    fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Config(_)
            | Self::Manifest(_)
            | Self::ForceIsForNodes { .. }
            | Self::NotConfirmed
            | Self::OwnToken { .. }
            | Self::Runtime { .. }
            | Self::Format { .. } => ExitStatus::Usage,
            Self::Login(error) => error.request().map_or(ExitStatus::Usage, of_request),
            Self::Request(error) => of_request(error),
            Self::Apply(error) => of_request(error.request()),
            Self::NoSuch { .. } | Self::NoSuchName { .. } | Self::NoSecret => ExitStatus::Refused,
            Self::Output { source } if source.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Done,
            Self::Output { .. } => ExitStatus::Usage,
        }
    }

    /// What to do next, where that can be said.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Login(error) => error.request().and_then(RequestError::hint),
            Self::Request(error) => error.hint(),
            Self::Apply(error) => error.request().hint(),
            Self::NoSuch { kind, .. } => Some(format!("`baton get {kind}s` lists them")),
            Self::OwnToken { .. } => Some(
                "log in with another token first; or --yes removes it. When no admin's token is left, the server \
                 writes a new one to admin-token in its state directory at its next start"
                    .to_owned(),
            ),
            Self::NoSecret => Some("remove it with `baton delete` and make another".to_owned()),
            Self::NoSuchName { .. }
            | Self::ForceIsForNodes { .. }
            | Self::NotConfirmed
            | Self::Manifest(_)
            | Self::Format { .. }
            | Self::Output { .. }
            | Self::Runtime { .. } => None,
        }
    }
}

fn of_request(error: &RequestError) -> ExitStatus {
    match error.status() {
        None if matches!(error, RequestError::Trust(_)) => ExitStatus::Usage,
        None => ExitStatus::Unreachable,
        Some(401 | 403) => ExitStatus::Denied,
        Some(500..) => ExitStatus::Unreachable,
        Some(_) => ExitStatus::Refused,
    }
}

/// Says on standard error what went wrong, why, and what to do next.
///
/// A reader that has closed the pipe wanted no more: that is no failure, and nothing is said.
pub(crate) fn report(failure: &Failure) -> ExitStatus {
    let status = failure.exit_status();
    if status != ExitStatus::Done {
        output::complain(&message(failure, Terminal::of_stderr()));
    }
    status
}

fn message(failure: &Failure, terminal: Terminal) -> String {
    let mut text = format!("{} {}", terminal.bad("error:"), output::clean(&failure.to_string()));
    // What lies between says no more than that something failed.
    let root = iter::successors(failure.source(), |&error| error.source()).last();
    if let Some(root) = root {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  because: {}", output::clean(&root.to_string()));
    }
    if let Some(hint) = failure.hint() {
        let _ = write!(text, "\n{} {}", terminal.strong("next:"), output::clean(&hint));
    }
    text
}
