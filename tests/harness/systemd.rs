//! A host whose init is systemd, with the agent installed as the guide says: what `systemctl` does to the
//! agent's addresses is judged on the real one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;

use crate::binaries;
use crate::command::output_of;
use crate::eventually::eventually;
use crate::host::Host;
use crate::process::Process;

const UNIT: &str = "baton-agent.service";
const PROGRAM: &str = "usr/local/bin/baton-agent";
/// Where the unit's output goes, for it runs without a journal.
const OUTPUT: &str = "var/log/baton-agent.log";
const TIME_TO_BOOT: Duration = Duration::from_secs(30);

/// See the module. Dropping it ends every process on the host.
#[derive(Debug)]
pub struct Systemd {
    host: Host,
    process: Process,
}

impl Systemd {
    /// Boots systemd on `host`, with the agent's own unit, enrolled by its first start, not started yet.
    ///
    /// # Errors
    /// Where there is no systemd, no overlay file system, or no root.
    pub fn boot(host: &Host, server_url: &str, join_token: &str) -> Result<Self> {
        let directory = host.directory.join("systemd");
        install(&directory.join("files"), server_url, join_token)?;
        let script = binaries::workspace().join("tests/harness/systemd.sh");
        let mut command = host.namespace.command("sh");
        command.arg(script).arg(&directory).arg(host.namespace.name());
        let process = Process::spawn("systemd", &mut command, &host.directory.join("systemd.log"))?;
        let mut booted = Self { host: host.clone(), process };
        eventually("systemd runs", TIME_TO_BOOT, || {
            booted.process.ensure_running()?;
            let state = booted.systemctl(&["is-system-running"])?;
            ensure!(state.trim() == "running", "{state}");
            Ok(())
        })?;
        Ok(booted)
    }

    /// `systemctl <verb> baton-agent`: returns when systemd says that it is done.
    ///
    /// # Errors
    /// When it fails; the error has the end of the agent's output.
    pub fn agent(&self, verb: &str) -> Result<()> {
        let done = self.systemctl(&[verb, UNIT]);
        done.map(drop).with_context(|| format!("the agent said:\n{}", self.output()))
    }

    /// A property of the agent's unit, as `systemctl show` prints it.
    ///
    /// # Errors
    /// When there is none.
    pub fn property(&self, name: &str) -> Result<String> {
        Ok(self.systemctl(&["show", "--value", "--property", name, UNIT])?.trim().to_owned())
    }

    /// Puts a newly written copy in place of the agent's program, as a package manager does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace_program(&self) -> Result<()> {
        let program = self.root()?.join(PROGRAM);
        let new = program.with_extension("new");
        fs::copy(binaries::program("baton-agent")?, &new)?;
        fs::rename(&new, &program).context("cannot replace the program")
    }

    /// How many of the unit's processes run the program that now stands in its place, and how many another
    /// one: as the kernel says.
    ///
    /// # Errors
    /// When the unit has no processes.
    pub fn agents_processes(&self) -> Result<(usize, usize)> {
        let root = self.root()?;
        let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
        let now = file(&root.join(PROGRAM))?;
        // One that has ended meanwhile runs nothing.
        let run: Vec<_> = self
            .processes()?
            .iter()
            .filter_map(|process| file(Path::new(&format!("/proc/{process}/exe"))).ok())
            .collect();
        let new = run.iter().filter(|program| **program == now).count();
        Ok((new, run.len() - new))
    }

    /// Kills the unit's main process, and only it, behind systemd's back. Answers all that ran before.
    ///
    /// # Errors
    /// When the unit has no processes.
    pub fn kill_main_process(&self) -> Result<Vec<Pid>> {
        let (init, main, all) = (self.init()?, self.property("MainPID")?, self.processes()?);
        let mut command = Command::new("nsenter");
        command.args(["--target", &init, "--mount", "--pid", "kill", "-KILL", &main]);
        output_of(&mut command)?;
        Ok(all)
    }

    /// The unit's processes, as the kernel numbers them outside of the host.
    fn processes(&self) -> Result<Vec<Pid>> {
        let (root, group) = (self.root()?, self.property("ControlGroup")?);
        let listed = fs::read_to_string(root.join(format!("sys/fs/cgroup{group}/cgroup.procs")))?;
        listed.lines().map(|process| Ok(Pid::from_raw(process.parse()?))).collect()
    }

    /// Everything that the agent has printed.
    pub fn output(&self) -> String {
        let read = self.root().and_then(|root| Ok(fs::read_to_string(root.join(OUTPUT))?));
        read.unwrap_or_else(|error| format!("nothing: {error:#}"))
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        let init = self.init()?;
        let mut command = Command::new("nsenter");
        command.args(["--target", &init, "--mount", "--pid", "--cgroup", "systemctl", "--no-pager"]);
        output_of(command.args(arguments))
    }

    /// The root of the host's file system.
    fn root(&self) -> Result<PathBuf> {
        Ok(Path::new("/proc").join(self.init()?).join("root"))
    }

    /// The first process on the host: the only child of the one that was started.
    fn init(&self) -> Result<String> {
        let started = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{started}/task/{started}/children"))?;
        children.split_whitespace().next().map(str::to_owned).context("systemd is not there yet")
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        self.process.kill();
        let name = self.host.namespace.name();
        // The kernel's cgroups outlive who made them.
        let remove = "mount -t cgroup2 cgroup2 \"$1\" && find \"$1/$2\" -depth -type d -exec rmdir {} +";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", remove, "sh"]);
        command.arg(self.host.directory.join("systemd/cgroup")).arg(name);
        let removed = eventually("the cgroups are removed", TIME_TO_BOOT, || output_of(&mut command));
        if let Err(error) = removed {
            eprintln!("{error:#}");
        }
    }
}

/// Writes what the guide has an operator install.
fn install(files: &Path, server_url: &str, join_token: &str) -> Result<()> {
    let (etc, units) = (files.join("etc/baton"), files.join("etc/systemd/system"));
    let program = files.join(PROGRAM);
    let output = units.join(format!("{UNIT}.d"));
    for directory in [&etc, &units, &output, &program.with_file_name("")] {
        fs::create_dir_all(directory)?;
    }
    fs::copy(binaries::program("baton-agent")?, &program)?;
    fs::copy(binaries::workspace().join("deploy").join(UNIT), units.join(UNIT))?;
    let to_file = format!("[Service]\nStandardOutput=append:/{OUTPUT}\nStandardError=append:/{OUTPUT}\n");
    fs::write(output.join("output.conf"), to_file)?;
    let agent = format!("[server]\nurl = \"{server_url}\"\njoin_token_file = \"/etc/baton/join-token\"\n");
    fs::write(etc.join("agent.toml"), agent)?;
    fs::write(etc.join("join-token"), join_token)?;
    fs::set_permissions(etc.join("join-token"), PermissionsExt::from_mode(0o600))?;
    Ok(())
}
