//! `make demo`: a real failover, from a REST call to a client that keeps being served when a machine dies.
//!
//! Everything runs in network namespaces that are removed at the end, also when interrupted: a LAN and a
//! management network, three nodes with an agent and a HAProxy each, two web servers, a client, the server on
//! its embedded Postgres. Nothing is believed because Baton says so: each step must be seen by the client or
//! in a capture of the LAN, or the demo fails.

mod example;
mod gap;
mod progress;
mod report;
mod scene;
mod story;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use e2e::{Lab, binaries};
use nix::unistd::geteuid;

use crate::example::Example;
use crate::progress::Progress;
use crate::scene::Scene;

/// Shows a real failover in network namespaces (root).
#[derive(Debug, Parser)]
struct Arguments {
    /// The agent to run instead of the one of this workspace, to see that the demo notices a broken one.
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Where the report is written.
    #[arg(long, value_name = "FILE", default_value_os_t = default_report())]
    report: PathBuf,
}

fn default_report() -> PathBuf {
    binaries::workspace().join("target/demo/report.json")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let progress = Progress::begin();
    match run(&arguments, &progress) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress.failed(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, progress: &Progress) -> anyhow::Result<()> {
    ensure!(geteuid().is_root(), "run as root: the demo makes network namespaces");
    // An old report must not pass for this run's.
    report::remove(&arguments.report)?;
    tools::check()?;
    let example = Example::read(&binaries::workspace().join("examples/haproxy-pair.yaml"))?;
    let agent = match &arguments.agent {
        Some(path) => path.clone(),
        None => binaries::program("baton-agent")?,
    };
    let report = Lab::run_on(example.subnets()?, |lab| {
        // Others' laboratories, whose end was waited for, are not part of the story.
        progress.restart();
        let scene = Scene::set(lab, example, &agent, progress)?;
        story::tell(&scene, progress)
    })?;
    report.write(&arguments.report)?;
    progress.done(&format!("everything above was seen from outside; report: {}", arguments.report.display()));
    Ok(())
}
