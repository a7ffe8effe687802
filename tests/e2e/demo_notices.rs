//! The demo is believed because it fails with an agent that does not do its work, and removes what it made.

use std::fs;
use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use e2e::{Namespace, binaries, eventually, is_alive, prefix_owned_by};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const REPORT_FIELDS: [&str; 11] = [
    "group",
    "vip",
    "active_before",
    "active_after",
    "client_gap_ms",
    "failover_gap_ms",
    "requests",
    "requests_failed",
    "failovers_recorded",
    "audit_events",
    "seconds",
];

/// The demo with the programs that the tests have built.
fn demo(report: &Path) -> Result<Command> {
    let server = binaries::program("baton-server")?;
    // What runs the tests may ignore them, and so would what it starts.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP", env!("CARGO_BIN_EXE_baton-demo")]);
    command.env(binaries::READY, server.parent().context("a program without a directory")?);
    command.arg("--report").arg(report);
    Ok(command)
}

fn with_agent(example: &str) -> Result<Output> {
    let report = std::env::temp_dir().join(format!("{example}-{}.json", std::process::id()));
    let agent = binaries::program(&format!("examples/{example}"))?;
    let output = demo(&report)?.arg("--agent").arg(agent).output()?;
    ensure!(!report.exists(), "a demo that failed wrote a report");
    Ok(output)
}

#[test]
fn make_demo_succeeds_and_reports_with_the_agent_as_it_is() -> Result<()> {
    let server = binaries::program("baton-server")?;
    let mut make = Command::new("make");
    make.arg("demo").current_dir(binaries::workspace());
    make.env(binaries::READY, server.parent().context("a program without a directory")?);
    let begun = SystemTime::now();
    let output = make.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let report = binaries::workspace().join("target/demo/report.json");
    ensure!(fs::metadata(&report)?.modified()? >= begun, "the report is an older run's");
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&report)?)?;
    let fields: Vec<&str> = written.as_object().context("no object")?.keys().map(String::as_str).collect();
    ensure!(fields.len() == REPORT_FIELDS.len(), "{written}");
    for field in REPORT_FIELDS {
        ensure!(!written[field].is_null(), "{field} is missing: {written}");
    }
    ensure!(written["active_before"] != written["active_after"], "{written}");
    let gap = written["client_gap_ms"].as_f64().context("no gap")?;
    ensure!((200.0..2_000.0).contains(&gap), "{written}");
    Ok(())
}

#[test]
fn it_fails_with_an_agent_that_never_binds() -> Result<()> {
    let output = with_agent("agent_that_never_binds")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.contains("FAILED") && text.contains("in its kernel"), "{text}");
    Ok(())
}

#[test]
fn it_fails_with_an_agent_that_never_announces() -> Result<()> {
    let output = with_agent("agent_that_never_announces")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.contains("FAILED") && text.contains("gratuitous ARP"), "{text}");
    Ok(())
}

/// A demo with everything running in its laboratory.
struct Running {
    demo: Child,
    said: PipeReader,
    report: PathBuf,
    prefix: String,
    made: Vec<Pid>,
}

impl Running {
    fn begin(name: &str) -> Result<Self> {
        let report = std::env::temp_dir().join(format!("baton-demo-{name}-{}.json", std::process::id()));
        // Both in one pipe, which has room for all that a demo says.
        let (said, writer) = std::io::pipe()?;
        let mut demo = demo(&report)?.stdout(writer.try_clone()?).stderr(writer).spawn()?;
        let prefix = eventually("everything runs in its laboratory", Duration::from_secs(300), || {
            ensure!(demo.try_wait()?.is_none(), "it has ended");
            let prefix = prefix_owned_by(demo.id()).context("it has no laboratory yet")?;
            let namespaces = Namespace::with_prefix(&prefix);
            let has_agent = |one: &&Namespace| one.name().ends_with("-lb3") && one.processes().len() >= 2;
            ensure!(namespaces.iter().any(|one| has_agent(&one)), "{namespaces:?}");
            Ok(prefix)
        })?;
        let made = Namespace::with_prefix(&prefix).iter().flat_map(Namespace::processes).collect();
        Ok(Self { demo, said, report, prefix, made })
    }

    /// Sends `signal` and waits until the demo has ended; it must have left nothing. Answers its exit status.
    fn end(&mut self, signal: Signal) -> Result<Option<i32>> {
        kill(Pid::from_raw(i32::try_from(self.demo.id())?), signal)?;
        let status = eventually("the demo ends", Duration::from_secs(30), || {
            self.demo.try_wait()?.context("it runs on")
        })?;
        let left: Vec<_> = self.made.iter().filter(|pid| is_alive(**pid)).collect();
        ensure!(left.is_empty(), "processes are left: {left:?}");
        ensure!(Namespace::with_prefix(&self.prefix).is_empty(), "namespaces are left");
        ensure!(!std::env::temp_dir().join(&self.prefix).exists(), "files are left");
        ensure!(!self.report.exists(), "a demo that was interrupted wrote a report");
        Ok(status.code())
    }
}

#[test]
fn it_removes_everything_and_says_one_line_when_it_is_interrupted() -> Result<()> {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut running = Running::begin(signal.as_str())?;
        let status = running.end(signal).context(signal)?;
        ensure!(status == Some(code), "{signal}: {status:?}");
        let mut text = String::new();
        running.said.read_to_string(&mut text)?;
        ensure!(text.ends_with("\ninterrupted, cleaning up\n"), "{signal}: it said:\n{text}");
    }
    Ok(())
}

#[test]
fn it_removes_everything_when_its_terminal_is_gone() -> Result<()> {
    let mut running = Running::begin("SIGHUP")?;
    // What the demo writes from now on fails, as it does on a terminal that was closed.
    let (nobody, _) = std::io::pipe()?;
    drop(std::mem::replace(&mut running.said, nobody));
    let status = running.end(Signal::SIGHUP)?;
    ensure!(status == Some(129), "{status:?}");
    Ok(())
}
