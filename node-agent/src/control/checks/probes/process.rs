//! Whether a process of some name runs. `/proc` is read once for all checks that ask at about the same time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Host, Outcome};

/// For how long what was read serves other checks.
const FRESH: Duration = Duration::from_millis(200);
/// The longest name of a file, in octets.
const LONGEST: usize = 255;

#[derive(Debug)]
pub(in super::super) struct Process {
    name: String,
    fresh: Duration,
}

impl Process {
    pub(super) fn new(name: String, interval: Duration) -> Self {
        Self { name, fresh: FRESH.min(interval / 2) }
    }

    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let names = host.processes.names(self.fresh).await?;
        let name = &self.name;
        if names.contains(name) { Ok(format!("{name} runs")) } else { Err(format!("no process {name} runs")) }
    }
}

/// Whether a process can have this name.
pub(in super::super) fn judge_name(name: &str) -> Result<(), String> {
    let is_name = (1..=LONGEST).contains(&name.len()) && !name.contains(['/', '\0']);
    let why =
        || format!("process: {name:?} is no name of a program: allowed are 1 to {LONGEST} octets without /");
    if is_name { Ok(()) } else { Err(why()) }
}

/// The names of all processes, as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Processes(Mutex<Option<(Instant, Arc<BTreeSet<String>>)>>);

impl Processes {
    async fn names(&self, fresh: Duration) -> Result<Arc<BTreeSet<String>>, String> {
        let mut known = self.0.lock().await;
        if let Some((at, names)) = known.as_ref()
            && at.elapsed() < fresh
        {
            return Ok(Arc::clone(names));
        }
        let looking = tokio::task::spawn_blocking(|| read(Path::new("/proc")));
        let names = looking.await.map_err(|error| error.to_string())?;
        let names = Arc::new(names.map_err(|error| format!("/proc: {error}"))?);
        *known = Some((Instant::now(), Arc::clone(&names)));
        Ok(names)
    }
}

/// The names of what runs: of each process what it calls itself, and the last part of the path of its executable
/// where that may be seen.
fn read(proc: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(proc)?.flatten() {
        let is_process =
            entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
        // One that has ended meanwhile is none.
        let Ok(stat) = (if is_process { fs::read_to_string(entry.path().join("stat")) } else { continue })
        else {
            continue;
        };
        let Some((comm, state)) = comm_and_state(&stat) else { continue };
        // A zombie runs no longer, it only has not been waited for.
        if matches!(state, 'Z' | 'X') {
            continue;
        }
        names.insert(comm.to_owned());
        if let Some(name) = fs::read_link(entry.path().join("exe")).ok().and_then(program) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The name may hold anything, parentheses too: the last one ends it (`proc_pid_stat(5)`).
fn comm_and_state(stat: &str) -> Option<(&str, char)> {
    let (before, after) = stat.rsplit_once(") ")?;
    Some((before.split_once('(')?.1, after.chars().next()?))
}

/// A program that was replaced on disk runs on.
fn program(executable: PathBuf) -> Option<String> {
    let name = executable.file_name()?.to_str()?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_a_process_calls_itself() {
        assert_eq!(comm_and_state("12 (nginx) S 1 12"), Some(("nginx", 'S')));
        assert_eq!(comm_and_state("12 (a) Z (b) Z 1"), Some(("a) Z (b", 'Z')));
        assert_eq!(comm_and_state("nothing"), None);
        assert_eq!(program(PathBuf::from("/usr/sbin/nginx (deleted)")).as_deref(), Some("nginx"));
    }

    #[test]
    fn this_process_is_found_and_a_zombie_is_not() {
        let own = std::env::current_exe().unwrap();
        let own = own.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(read(Path::new("/proc")).unwrap().contains(&own));
        let place = tempfile::tempdir().unwrap();
        for (number, stat) in [("1", "1 (init) S 0"), ("7", "7 (dead) Z 1"), ("self", "9 (no) S 1")] {
            fs::create_dir(place.path().join(number)).unwrap();
            fs::write(place.path().join(number).join("stat"), stat).unwrap();
        }
        std::os::unix::fs::symlink("/usr/sbin/systemd (deleted)", place.path().join("1/exe")).unwrap();
        let names = read(place.path()).unwrap();
        assert_eq!(names, BTreeSet::from(["init".to_owned(), "systemd".to_owned()]));
    }

    #[test]
    fn a_name_is_no_path() {
        for (name, may) in [("haproxy", true), ("", false), ("../x", false), (&*"x".repeat(256), false)] {
            assert_eq!(judge_name(name).is_ok(), may, "{name}");
        }
    }
}
