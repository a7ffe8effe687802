//! `baton-agent become-program`: gives up everything that the agent may do and the program may not, and becomes it.
//!
//! The order comes on standard input, which is a socket; why the program cannot be run goes back the same way. Nothing
//! goes back once it runs.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{User, geteuid, initgroups, setgid, setsid, setuid};

use super::Order;
use crate::policy::trust;
use crate::sys::{inherited, privileges, realtime};

/// How much a program gives way to everybody else (`setpriority(2)`).
const NICE: i32 = 10;

/// Returns only when the program could not be run, and has said why.
///
/// # Errors
/// When nobody could be told.
pub fn run() -> anyhow::Result<()> {
    let supervisor = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let why = match read_order(&supervisor).and_then(|order| become_it(&order)) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    (&supervisor).write_all(format!("{why:#}").as_bytes())?;
    Ok(())
}

fn read_order(supervisor: &UnixStream) -> anyhow::Result<Order> {
    let mut line = String::new();
    BufReader::new(supervisor).read_line(&mut line).context("no order has come")?;
    serde_json::from_str(&line).context("the order cannot be read")
}

fn become_it(order: &Order) -> anyhow::Result<std::convert::Infallible> {
    // What computes for longer than it may take is lost even if nobody can end it.
    let cpu = order.timeout.as_secs().saturating_add(2);
    if super::borrows_rights() {
        bail!("this program must not have the set-user-ID bit");
    }
    // Again, right before it is run: the policy may have been read long ago.
    trust::of_program(&order.path)?;
    setsid().context("it cannot have a session of its own")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core dumps cannot be turned off")?;
    setrlimit(Resource::RLIMIT_CPU, cpu, cpu).context("its use of processors cannot be limited")?;
    realtime::give_way(NICE);
    // Who must not be killed for want of memory is the agent.
    let _not_there = fs::write("/proc/self/oom_score_adj", "0");
    inherited::keep_all().context("what is open cannot be found out")?;
    give_up_rights(order.user.as_deref())?;
    let error = Command::new(&order.path)
        .args(&order.args)
        .env_clear()
        .envs(&order.environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .exec();
    Err(error).with_context(|| format!("{} cannot be run", order.path.display()))
}

fn give_up_rights(user: Option<&str>) -> anyhow::Result<()> {
    privileges::clear_ambient().context("capabilities cannot be given up")?;
    let Some(user) = user else { return Ok(()) };
    let found = User::from_name(user).with_context(|| format!("user {user} cannot be looked up"))?;
    let found = found.with_context(|| format!("there is no user {user} on this host"))?;
    if found.uid == geteuid() {
        return Ok(());
    }
    let name = std::ffi::CString::new(found.name.clone())?;
    let becomes = || {
        initgroups(&name, found.gid)?;
        setgid(found.gid)?;
        setuid(found.uid)
    };
    becomes().with_context(|| {
        format!("the agent may not run anything as user {user}: it needs CAP_SETUID, CAP_SETGID and CAP_KILL, or root")
    })
}
