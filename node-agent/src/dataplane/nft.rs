//! Runs the program that changes nftables, within a time.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(2);
/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The program, if this host has it.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A service may be started without these in its path.
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|directory| directory.join("nft")).find(|nft| nft.is_file())
}

/// Why it did not do as it was told.
#[derive(Debug, Error)]
pub(super) enum NftError {
    /// There is none.
    #[error("this host has no nft")]
    Missing,
    /// The kernel does not run it.
    #[error("nft cannot be run: {0}")]
    Run(#[from] io::Error),
    /// It hung.
    #[error("nft was stopped after {} s", WITHIN.as_secs())]
    Stopped,
    /// It did not do it, and said why.
    #[error("nft: {0}")]
    Refused(String),
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    /// Its family, in the program's words.
    pub(super) family: &'static str,
    /// Its name in that family.
    pub(super) name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.family, self.name)
    }
}

/// Has it do what the script says. Blocks.
pub(super) fn change(script: &str) -> Result<(), NftError> {
    run(&program()?, &["-f", "-"], script).map(drop)
}

/// What the table has, in words, without what its named sets hold at the moment; `None` when it shows none.
/// Blocks.
///
/// # Errors
/// When nobody can tell.
pub(super) fn list(table: &TableName) -> Result<Option<String>, NftError> {
    match run(&program()?, &["-t", "list", "table", table.family, &table.name], "") {
        Err(NftError::Refused(_)) => Ok(None),
        listed => listed.map(Some),
    }
}

fn program() -> Result<PathBuf, NftError> {
    find().ok_or(NftError::Missing)
}

fn run(program: &Path, arguments: &[&str], input: &str) -> Result<String, NftError> {
    let mut nft = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Whatever it does not read or we do not read would keep the one waiting for the other.
    if let Some(mut pipe) = nft.stdin.take() {
        let input = input.to_owned();
        std::thread::spawn(move || {
            // One that ends before it has read everything says why itself.
            let _unread = pipe.write_all(input.as_bytes());
        });
    }
    let (said, complained) = (nft.stdout.take().map(read), nft.stderr.take().map(read));
    let Some(succeeded) = wait(&mut nft)? else {
        return Err(NftError::Stopped);
    };
    let text = |reader: Option<JoinHandle<String>>| reader.and_then(|reader| reader.join().ok());
    if succeeded {
        return Ok(text(said).unwrap_or_default());
    }
    let complained = text(complained).unwrap_or_default();
    Err(NftError::Refused(complained.lines().next().unwrap_or("no reason given").to_owned()))
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        let _all_there_was = pipe.read_to_end(&mut octets);
        String::from_utf8_lossy(&octets).into_owned()
    })
}

/// Whether it succeeded; `None` when it had to be stopped.
fn wait(nft: &mut Child) -> io::Result<Option<bool>> {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(status) = nft.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            nft.kill()?;
            nft.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &str) -> Result<String, String> {
        run(Path::new("/bin/sh"), &["-c", script], input).map_err(|error| error.to_string())
    }

    #[test]
    fn one_that_hangs_and_reads_nothing_is_stopped() {
        let more_than_a_pipe_holds = "x".repeat(1 << 20);
        let stopped = shell("exec sleep 60", &more_than_a_pipe_holds);
        assert_eq!(stopped, Err("nft was stopped after 2 s".to_owned()));
    }

    #[test]
    fn what_it_says_is_read_however_much_it_is() {
        let said = shell("head -c 300000 /dev/zero | tr '\\0' y", "");
        assert_eq!(said.map(|said| said.len()), Ok(300_000));
    }

    #[test]
    fn the_reason_is_the_first_line_of_its_complaint() {
        let refused = shell("echo 'Operation not permitted' >&2; echo more >&2; exit 1", "");
        assert_eq!(refused, Err("nft: Operation not permitted".to_owned()));
        let missing = run(Path::new("/nowhere/nft"), &[], "").map_err(|error| error.to_string());
        assert!(missing.is_err_and(|reason| reason.starts_with("nft cannot be run: ")));
    }
}
