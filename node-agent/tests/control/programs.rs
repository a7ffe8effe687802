//! Programs of the host, run by the real agent: what they can do, and what they cannot.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baton_agent::policy::Program;
use baton_agent::program::{Ended, Order, Outcome};
use tempfile::TempDir;

use crate::eventually::eventually;

/// Long enough for what ends by itself.
const LONG: Duration = Duration::from_secs(20);

/// A directory that everybody may read and only root may write.
pub(crate) struct Programs(pub(crate) TempDir);

impl Programs {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

fn order(path: &Path, timeout: Duration) -> Order {
    let program: Program =
        serde_json::from_value(serde_json::json!({"path": path, "args": ["one", "two words"]})).unwrap();
    Order::of(&program, &[("BATON_CHECK", "up".to_owned())], timeout)
}

async fn run(path: &Path, timeout: Duration) -> Outcome {
    order(path, timeout).run(Path::new(env!("CARGO_BIN_EXE_baton-agent"))).await
}

/// The processes that have this among their arguments.
fn having(marker: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|octet| *octet == 0).any(|argument| argument == marker.as_bytes())).count()
}

#[tokio::test]
async fn a_program_gets_its_arguments_and_nothing_of_the_agent() {
    let programs = Programs::new();
    let path = programs.script(
        "look",
        "echo \"$#:$1:$2\"; id -un; env | sort | tr '\\n' ' '; ls /proc/self/fd | tr '\\n' ' '; \
         awk '/^CapEff/ {print $2}' /proc/self/status; cat; exit 7",
    );
    let outcome = run(&path, LONG).await;
    assert_eq!(outcome.ended, Ended::Exited(7), "{outcome:?}");
    let lines: Vec<_> = outcome.output.lines().collect();
    assert_eq!(lines[..2], ["2:one:two words", "nobody"]);
    // The shell itself sets PWD; `ls` has the directory open that it lists.
    assert!(lines[2].starts_with("BATON_CHECK=up PATH=/usr/local/sbin:"), "{lines:?}");
    assert!(!lines[2].contains("CARGO"), "{lines:?}");
    assert!(lines[2].ends_with("0 1 2 3 0000000000000000"), "{lines:?}");
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_that_came_of_it() {
    let programs = Programs::new();
    let path = programs
        .script("hang", "trap '' TERM; sleep 4711.1 & setsid sleep 4711.1 & while :; do sleep 4711.1; done");
    let begun = Instant::now();
    let outcome = run(&path, Duration::from_millis(300)).await;
    assert_eq!((outcome.ended, having("4711.1")), (Ended::TimedOut, 0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_and_not_waited_for() {
    let programs = Programs::new();
    let path = programs.script("daemon", "(setsid sh -c 'sleep 4711.2 & sleep 4711.2' &) ; echo up");
    let begun = Instant::now();
    let outcome = run(&path, LONG).await;
    assert!(outcome.is_success() && outcome.output.starts_with("up"), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(having("4711.2"), 0);
}

#[tokio::test]
async fn a_program_that_multiplies_is_ended() {
    let programs = Programs::new();
    let path = programs.script("bomb", "while :; do sleep 4711.3 & sleep 4711.3 & sleep 0.01; done");
    let outcome = run(&path, Duration::from_millis(500)).await;
    assert_eq!((outcome.ended, having("4711.3")), (Ended::TimedOut, 0));
}

#[tokio::test]
async fn of_a_flood_little_is_kept_and_nobody_waits() {
    let programs = Programs::new();
    let path =
        programs.script("flood", "echo begins; head -c 104857600 /dev/zero; head -c 1048576 /dev/zero >&2");
    let outcome = run(&path, LONG).await;
    assert!(outcome.is_success() && outcome.output.starts_with("begins\n"), "{:?}", outcome.ended);
    assert!(outcome.output.len() <= 4096, "{}", outcome.output.len());
}

#[tokio::test]
async fn a_program_that_others_could_have_written_is_not_run() {
    let programs = Programs::new();
    let path = programs.script("good", "touch /tmp/baton-must-not-be-there-4711");
    let link = programs.0.path().join("link");
    symlink(&path, &link).unwrap();
    let writable = programs.script("writable", "touch /tmp/baton-must-not-be-there-4711");
    fs::set_permissions(&writable, fs::Permissions::from_mode(0o775)).unwrap();
    let data = programs.script("data", "touch /tmp/baton-must-not-be-there-4711");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o644)).unwrap();
    let open = programs.0.path().join("open");
    fs::create_dir(&open).unwrap();
    let within = open.join("good");
    fs::copy(&path, &within).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let missing = programs.0.path().join("missing");
    for (path, why) in [
        (&link, "is a symbolic link"),
        (&writable, "can be written by its group or by others"),
        (&data, "is not executable"),
        (&within, "can be written by its group or by others"),
        (&missing, "No such file"),
        (&open, "can be written"),
    ] {
        let outcome = run(path, LONG).await;
        assert!(matches!(&outcome.ended, Ended::NotRun(said) if said.contains(why)), "{path:?}: {outcome:?}");
    }
    let mut order = order(&path, LONG);
    order.user = Some("nobody-of-this-name".to_owned());
    let outcome = order.run(Path::new(env!("CARGO_BIN_EXE_baton-agent"))).await;
    assert_eq!(outcome.describe(), "there is no user nobody-of-this-name on this host");
    assert!(!Path::new("/tmp/baton-must-not-be-there-4711").exists());
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_longer_is_ended() {
    let programs = Programs::new();
    let path = programs.script("long", "trap '' TERM; while :; do sleep 4711.4; done");
    let running = tokio::spawn(async move { run(&path, LONG).await });
    eventually("the program runs", || having("4711.4"), |number| *number == 1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    eventually("the program has been ended", || having("4711.4"), |number| *number == 0).await;
}
