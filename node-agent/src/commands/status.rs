//! `baton-agent status`: how the agent on this host stands. It asks the agent, never a server.

mod checks;
mod heard;
mod table;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use api_types::agent_status::LocalStatus;

use super::{OutputFormat, StatusArguments};
use crate::config::Config;
use crate::sys::clock;

/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the agent and prints its answer.
///
/// # Errors
/// When no agent answers.
pub fn run(config: &Config, arguments: &StatusArguments) -> anyhow::Result<()> {
    let answer = ask(&config.socket, ANSWER)?;
    let status: LocalStatus =
        serde_json::from_str(&answer).context("the agent's answer makes no sense; is it another version?")?;
    let mut output = std::io::stdout().lock();
    match arguments.output {
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut output, &status)?;
            writeln!(output)?;
        }
        OutputFormat::Table => {
            let boottime = clock::nanoseconds(clock::boottime());
            write!(output, "{}", table::render(&status, chrono::Utc::now(), boottime))?;
        }
    }
    Ok(())
}

fn ask(socket: &Path, within: Duration) -> anyhow::Result<String> {
    let shown = socket.display();
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            bail!(
                "no agent answers on {shown}: it is not running, or has another `socket` in its configuration"
            );
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("no permission to ask the agent on {shown}: run this as its user or group");
        }
        Err(error) => return Err(error).with_context(|| format!("cannot ask the agent on {shown}")),
    };
    stream.set_read_timeout(Some(within))?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) => Ok(answer),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let seconds = within.as_secs();
            bail!("the agent on {shown} does not answer within {seconds} s: its worker hangs, or is stopped")
        }
        Err(error) => Err(error).with_context(|| format!("the agent on {shown} breaks off its answer")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_agent_that_takes_the_question_and_gives_no_answer_is_said_to_hang() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent.sock");
        let _silent = UnixListener::bind(&socket).unwrap();
        let error = ask(&socket, Duration::from_secs(1)).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.ends_with("does not answer within 1 s: its worker hangs, or is stopped"), "{said}");
    }
}
