//! What a killed demo leaves is removed by `make clean`, and by the next demo, which says so.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Namespace, binaries, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TIME_TO_REMOVE: Duration = Duration::from_secs(15);

/// A laboratory with one process in it; removed at the end, whatever happened.
struct Laboratory(Namespace);

impl Laboratory {
    /// `owner` as the file of that name has it.
    fn make(within: &Path, prefix: &str, owner: &str) -> Result<Self> {
        fs::create_dir(within.join(prefix))?;
        fs::write(within.join(prefix).join("owner"), owner)?;
        let namespace = Namespace::add(&format!("{prefix}n1"))?;
        let laboratory = Self(namespace);
        // Whoever waits for it is of no interest: it is killed.
        drop(laboratory.0.command("sleep").arg("1000").spawn()?);
        eventually("the process runs", TIME_TO_REMOVE, || {
            ensure!(laboratory.0.processes().len() == 1);
            Ok(())
        })?;
        Ok(laboratory)
    }

    fn is_there(&self) -> bool {
        !Namespace::with_prefix(self.0.name()).is_empty()
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        for pid in self.0.processes() {
            let _ended_meanwhile = kill(pid, Signal::SIGKILL);
        }
        if self.is_there() {
            drop(self.0.remove());
        }
    }
}

/// A directory for laboratories of this test alone; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn make(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("baton-clean-{name}-{}", std::process::id()));
        fs::create_dir(&path)?;
        // The server's Postgres, which is another user, must get in.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_still_runs_is_not() -> Result<()> {
    let within = Directory::make("script")?;
    let number = std::process::id();
    let stat = fs::read_to_string("/proc/self/stat")?;
    let started = stat[stat.rfind(')').unwrap_or_default()..].split(' ').nth(20).unwrap_or_default();
    let live = Laboratory::make(&within.0, &format!("bt-l{number}-"), &format!("{number} {started}"))?;
    let dead_prefix = format!("bt-d{number}-");
    let dead = Laboratory::make(&within.0, &dead_prefix, &format!("{number} 1"))?;

    let script = binaries::workspace().join("scripts/clean-laboratories.sh");
    let cleaned = Command::new(script).env("TMPDIR", &within.0).output()?;
    let said = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    ensure!(cleaned.status.success(), "{cleaned:?}");
    ensure!(said == format!("removed what an earlier run left: {dead_prefix}*\n"), "{said}");
    ensure!(!dead.is_there(), "the namespace of a dead run is left");
    ensure!(!within.0.join(dead_prefix).exists(), "its files are left");
    ensure!(live.is_there() && live.0.processes().len() == 1, "a live run was disturbed");
    Ok(())
}

#[test]
fn the_next_demo_removes_what_a_killed_one_left_and_says_so() -> Result<()> {
    let within = Directory::make("demo")?;
    let number = std::process::id();
    let prefix = format!("bt-k{number}-");
    let dead = Laboratory::make(&within.0, &prefix, &format!("{number} 1"))?;
    let server = binaries::program("baton-server")?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_baton-demo"))
        .env(binaries::READY, server.parent().context("a program without a directory")?)
        .arg("--report")
        .arg(within.0.join("report.json"))
        .env("TMPDIR", &within.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let stderr = demo.stderr.take().context("it has a standard error")?;
    for line in BufReader::new(stderr).lines() {
        said.push_str(&line?);
        if said.contains("removed what an earlier run left") {
            kill(Pid::from_raw(i32::try_from(demo.id())?), Signal::SIGTERM)?;
            break;
        }
        said.push('\n');
    }
    demo.wait()?;
    let wanted = format!("removed what an earlier run left: 1 network namespace, {prefix}*");
    ensure!(said.ends_with(&wanted), "{said}");
    ensure!(!dead.is_there() && !within.0.join(prefix).exists(), "it is left all the same");
    Ok(())
}
