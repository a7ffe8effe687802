//! A real server with its own Postgres, and `baton` logged in to it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{fs, thread};

use e2e::binaries;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::peer::{Said, said};

/// How long a server may take to start or to stop; it makes a Postgres cluster first.
const PATIENCE: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A running server; it and its Postgres end with this.
pub(crate) struct Server {
    child: Child,
    url: String,
    directory: TempDir,
}

impl Server {
    /// The server that the tests which are running now share: each makes objects with names of its own.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        // A test that panicked while it started a server left none, and the next one tries again.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of the test's own, with nothing in it.
    pub(crate) fn start() -> Self {
        // Its Postgres runs as another user, who must get into the directory.
        let directory = tempfile::Builder::new()
            .prefix("baton-cli-")
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir_in("/tmp")
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = directory.path().join("server.toml");
        let state = directory.path().join("state");
        fs::write(&config, format!("listen = \"127.0.0.1:{port}\"\nstate_dir = {state:?}\n")).unwrap();
        let child = Command::new(binaries::program("baton-server").unwrap())
            .args(["run", "--config"])
            .arg(&config)
            .env_remove("BATON_SERVER_DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { child, url: format!("https://127.0.0.1:{port}"), directory };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        loop {
            let answer = self.baton(&["get", "segments"]);
            if answer.code == 0 {
                return;
            }
            let log = fs::read_to_string(self.path("log")).unwrap();
            assert!(self.child.try_wait().unwrap().is_none(), "the server has ended: {log}");
            assert!(began.elapsed() < PATIENCE, "the server is not ready: {}\n{log}", answer.err);
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A file of the server's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `baton` as the admin.
    pub(crate) fn baton(&self, arguments: &[&str]) -> Said {
        self.baton_with(arguments, "")
    }

    /// `baton` as the admin, with `input` on standard input.
    pub(crate) fn baton_with(&self, arguments: &[&str], input: &str) -> Said {
        said(self.command(arguments).env("BATON_TOKEN_FILE", self.path("state/admin-token")), input)
    }

    /// What `baton` prints as the admin, which must succeed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let said = self.baton(arguments);
        assert_eq!(said.code, 0, "baton {}: {}{}", arguments.join(" "), said.out, said.err);
        said.out
    }

    /// Applies a manifest, which must succeed, and returns what was said of it.
    #[track_caller]
    pub(crate) fn applied(&self, manifest: &str) -> String {
        let said = self.baton_with(&["apply", "-f", "-"], manifest);
        assert_eq!(said.code, 0, "{}{}\n{manifest}", said.out, said.err);
        said.out
    }

    /// `baton` that knows where the server is and whom to trust, and nobody's token.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).env_clear().env("BATON_CONFIG", self.path("config.toml"));
        command.env("BATON_SERVER", &self.url).env("BATON_CA", self.path("state/ca.pem"));
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap_or(i32::MAX);
        // When it has ended already there is nobody to tell.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
