//! `make serve` in a checkout with a path of every kind: one at a time, and nothing left when make returns.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use e2e::{binaries, eventually};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

const TIME_TO_START: Duration = Duration::from_secs(90);
const TIME_TO_STOP: Duration = Duration::from_secs(30);
const WRITTEN: [&str; 4] = ["url", "ca.pem", "token", "server.toml"];

/// What `make serve` needs of a checkout, at a path with spaces, `&` and a letter that is not ASCII.
struct Checkout(PathBuf);

impl Checkout {
    fn make(name: &str, mode: u32) -> Result<Self> {
        let root = std::env::temp_dir().join(format!("baton {name} & ü {}", std::process::id()));
        fs::create_dir_all(root.join("scripts"))?;
        fs::set_permissions(&root, fs::Permissions::from_mode(mode))?;
        fs::copy(binaries::workspace().join("Makefile"), root.join("Makefile"))?;
        for script in fs::read_dir(binaries::workspace().join("scripts"))? {
            let script = script?;
            fs::copy(script.path(), root.join("scripts").join(script.file_name()))?;
        }
        Ok(Self(root))
    }

    fn directory(&self) -> PathBuf {
        self.0.join("target/serve")
    }

    fn serve(&self, port: &str) -> Result<Command> {
        let server = binaries::program("baton-server")?;
        // A test run in the background ignores SIGINT, and so would what it starts.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "make", "serve"]).current_dir(&self.0).env("PORT", port);
        command.env(binaries::READY, server.parent().context("a program without a directory")?);
        command.stdin(Stdio::null()).process_group(0);
        Ok(command)
    }

    fn start(&self, port: u16) -> Result<Running> {
        let log = self.0.join("log");
        let output = File::create(&log)?;
        let mut command = self.serve(&port.to_string())?;
        let mut running = Running(command.stdout(output.try_clone()?).stderr(output).spawn()?);
        eventually("the server is ready", TIME_TO_START, || {
            let says = || fs::read_to_string(&log).unwrap_or_default();
            ensure!(running.0.try_wait()?.is_none(), "make ended:\n{}", says());
            ensure!(self.directory().join("url").exists(), "no url; make says:\n{}", says());
            Ok(())
        })?;
        Ok(running)
    }

    fn written(&self) -> Result<Vec<String>> {
        WRITTEN.iter().map(|file| Ok(fs::read_to_string(self.directory().join(file))?)).collect()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let elsewhere = fs::read_link(self.directory().join("state"));
        for directory in elsewhere.iter().chain([&self.0]) {
            drop(fs::remove_dir_all(directory));
        }
        // Other checkouts may have theirs there.
        drop(elsewhere.map(|state| state.parent().map(fs::remove_dir)));
    }
}

/// A `make serve`; a test that fails leaves none behind.
struct Running(Child);

impl Running {
    fn make(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.0.id())?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once make has been waited for, its number may be another's.
        if let (Ok(None), Ok(make)) = (self.0.try_wait(), self.make()) {
            let _ended_meanwhile = killpg(make, Signal::SIGTERM);
            let ends = || self.0.try_wait()?.context("it runs on");
            if eventually("make ends", TIME_TO_STOP, ends).is_err() {
                let _ended_meanwhile = killpg(make, Signal::SIGKILL);
                drop(self.0.wait());
            }
        }
    }
}

/// Whom a signal is sent to.
enum To {
    /// Make and all it runs, as a terminal does.
    All,
    /// Make, and nobody else.
    Make,
}

/// Sends `signal` and waits for make. Whatever has been started holds the lock, so a lock that is free at once
/// means that nothing is left.
fn stop(checkout: &Checkout, running: &mut Running, signal: Signal, to: To) -> Result<()> {
    let make = running.make()?;
    match to {
        To::All => killpg(make, signal)?,
        To::Make => kill(make, signal)?,
    }
    eventually("make ends", TIME_TO_STOP, || running.0.try_wait()?.context("it runs on"))?;
    let lock = File::open(checkout.directory().join(".lock"))?;
    Flock::lock(lock, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| anyhow!("something still runs after {signal}: {error}"))?;
    ensure!(!checkout.directory().join("url").exists(), "a server that has stopped is announced");
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[test]
fn a_second_one_is_refused_and_the_first_one_ends_before_make_does() -> Result<()> {
    let checkout = Checkout::make("serve", 0o755)?;
    let port = free_port()?;
    let mut running = checkout.start(port)?;
    let written = checkout.written()?;
    for other in [port, free_port()?] {
        let second = checkout.serve(&other.to_string())?.output()?;
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        ensure!(!second.status.success() && said.contains("another `make serve` runs (pid "), "{said}");
    }
    ensure!(checkout.written()? == written, "the second one has changed what the first one wrote");
    stop(&checkout, &mut running, Signal::SIGINT, To::All)?;
    let mut running = checkout.start(port)?;
    stop(&checkout, &mut running, Signal::SIGTERM, To::All)
}

/// Asks who one is, as the README does: with nothing but what `make serve` has written. Answers the status.
fn whoami(checkout: &Checkout, trusted: &str, token: &str) -> Result<String> {
    let read = |file: &str| fs::read_to_string(checkout.directory().join(file));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--noproxy", "*", "--max-time", "10", "--output", "/dev/null"]);
    curl.args(["--write-out", "%{http_code}", "--cacert", trusted]).current_dir(checkout.directory());
    curl.arg("--header").arg(format!("Authorization: Bearer {token}"));
    let output = curl.arg(format!("{}/api/v1/auth/self", read("url")?.trim())).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn what_it_writes_is_enough_to_be_let_in_and_the_token_is_for_its_owner_alone() -> Result<()> {
    let checkout = Checkout::make("written", 0o755)?;
    let mut running = checkout.start(free_port()?)?;
    let token = fs::read_to_string(checkout.directory().join("token"))?;
    ensure!(whoami(&checkout, "ca.pem", token.trim())? == "200", "the token is refused");
    ensure!(whoami(&checkout, "ca.pem", "nonsense")? == "401", "anybody is let in");
    let any = "/etc/ssl/certs/ca-certificates.crt";
    ensure!(whoami(&checkout, any, token.trim())? == "000", "ca.pem is not needed");
    for secret in ["token", "state/admin-token"] {
        let mode = mode(&checkout.directory().join(secret))?;
        ensure!(mode == 0o600, "{secret} has mode {mode:o}");
    }
    stop(&checkout, &mut running, Signal::SIGTERM, To::All)?;
    ensure!(!checkout.directory().join("token").exists(), "the token is left");
    Ok(())
}

#[test]
fn a_signal_to_make_alone_ends_all_it_runs() -> Result<()> {
    let checkout = Checkout::make("alone", 0o755)?;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut running = checkout.start(free_port()?)?;
        stop(&checkout, &mut running, signal, To::Make)?;
    }
    Ok(())
}

#[test]
fn its_state_lasts_where_postgres_cannot_enter_the_checkout() -> Result<()> {
    let checkout = Checkout::make("shut", 0o700)?;
    let port = free_port()?;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut running = checkout.start(port)?;
        tokens.push(fs::read_to_string(checkout.directory().join("token"))?);
        stop(&checkout, &mut running, Signal::SIGTERM, To::All)?;
    }
    ensure!(tokens[0] == tokens[1], "the second start knew nothing of the first one");
    let state = fs::read_link(checkout.directory().join("state"))?;
    ensure!(state.starts_with(Path::new("/var/lib")), "{state:?}");
    Ok(())
}

#[test]
fn a_token_that_was_removed_is_named_at_once_with_what_to_do() -> Result<()> {
    let checkout = Checkout::make("token", 0o755)?;
    let port = free_port()?;
    let mut running = checkout.start(port)?;
    stop(&checkout, &mut running, Signal::SIGTERM, To::All)?;
    let token = checkout.directory().join("state/admin-token");
    fs::remove_file(&token)?;
    let refused = checkout.serve(&port.to_string())?.output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && !said.contains("not ready after two minutes"), "{said}");
    ensure!(said.contains("admin-token is missing") && said.contains("`make clean`"), "{said}");
    ensure!(!checkout.directory().join("url").exists(), "a server without a token is announced");
    Ok(())
}

#[test]
fn a_port_that_is_none_is_named() -> Result<()> {
    let checkout = Checkout::make("port", 0o755)?;
    for port in ["abc", "0", "65536", "80 80"] {
        let refused = checkout.serve(port)?.output()?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        let expected = format!("PORT is \"{port}\": it must be a number from 1 to 65535");
        ensure!(!refused.status.success() && said.contains(&expected), "{said}");
    }
    ensure!(!checkout.directory().exists(), "a refused start leaves files");
    Ok(())
}
