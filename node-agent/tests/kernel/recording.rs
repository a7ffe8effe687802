//! Everything that was on the wire, for tests that count thousands of frames: a file of `tcpdump`, read at
//! the end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::lab::Lab;

/// A running `tcpdump` that writes to a file.
pub(crate) struct Recording {
    tcpdump: Child,
    messages: BufReader<std::process::ChildStderr>,
    directory: TempDir,
}

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// When it came, since 1970.
    pub(crate) at: Duration,
    /// The whole Ethernet frame.
    pub(crate) octets: Vec<u8>,
}

impl Recording {
    /// Records what matches `filter` on a host's `eth0`. Returns once it listens.
    pub(crate) fn start(lab: &Lab, host: u8, filter: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut tcpdump = Command::new("ip")
            .args([
                "netns",
                "exec",
                &lab.host(host),
                "tcpdump",
                "-i",
                "eth0",
                "-n",
                "-B",
                "65536",
                "-Z",
                "root",
                // What has come is in the file, and does not wait for more.
                "-U",
            ])
            .arg("-w")
            .arg(directory.path().join("frames"))
            .arg(filter)
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump runs");
        let mut messages = BufReader::new(tcpdump.stderr.take().expect("its messages"));
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(messages.read_line(&mut line).expect("readable") > 0, "tcpdump does not listen");
        }
        Self { tcpdump, messages, directory }
    }

    /// Ends it and returns what came, in order. What has come by now is recorded when more has come: whoever
    /// records sees something at least once in a while.
    ///
    /// # Panics
    /// When frames were lost.
    pub(crate) fn finish(mut self) -> Vec<Recorded> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
        let last = || {
            let file = fs::read(self.directory.path().join("frames")).expect("readable");
            parse(&file).last().map(|frame| frame.at)
        };
        eventually("a frame that has come since", last, |last| last.is_some_and(|last| last >= now));
        let tcpdump = Pid::from_raw(i32::try_from(self.tcpdump.id()).expect("a pid"));
        kill(tcpdump, Signal::SIGINT).expect("it runs");
        self.tcpdump.wait().expect("it ends");
        let said: Vec<_> = self.messages.by_ref().lines().map_while(Result::ok).collect();
        assert!(said.iter().any(|line| line == "0 packets dropped by kernel"), "{said:?}");
        parse(&fs::read(self.directory.path().join("frames")).expect("readable"))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _killed = self.tcpdump.kill();
        let _reaped = self.tcpdump.wait();
    }
}

/// The frames of a file in the format of `pcap-savefile(5)`.
fn parse(file: &[u8]) -> Vec<Recorded> {
    let word = |octets: &[u8]| u32::from_ne_bytes(octets[..4].try_into().expect("four octets"));
    let mut frames = Vec::new();
    let Some(mut rest) = file.get(24..) else { return frames };
    assert_eq!(word(file), 0xa1b2_c3d4, "microseconds, in this host's byte order");
    while rest.len() >= 16 {
        let at = Duration::new(word(rest).into(), word(&rest[4..]) * 1_000);
        let length = usize::try_from(word(&rest[8..])).expect("short");
        if rest.len() < 16 + length {
            // It is being written.
            break;
        }
        frames.push(Recorded { at, octets: rest[16..16 + length].to_vec() });
        rest = &rest[16 + length..];
    }
    frames
}
