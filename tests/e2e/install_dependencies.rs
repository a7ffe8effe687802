//! `scripts/install-dependencies.sh` on a machine that lacks something, without touching this one: its /etc,
//! /usr/sbin, Postgres and search path are directories of the test's, in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use e2e::binaries;

/// What the script itself is made of, and what the machine has when nothing is missing.
const TOOLS: [&str; 15] = [
    "basename", "cat", "chmod", "comm", "find", "id", "ln", "mkdir", "mktemp", "mv", "rm", "rmdir", "sh",
    "sort", "touch",
];
const NEEDED: [&str; 14] = [
    "cc",
    "make",
    "curl",
    "ip",
    "nft",
    "haproxy",
    "nginx",
    "conntrackd",
    "conntrack",
    "keepalived",
    "vtysh",
    "tcpdump",
    "arping",
    "psql",
];

/// Does to the machine what Debian's does: asks whether a service may be started, and enables it anyhow.
const APT_GET: &str = r#"#!/bin/sh
echo "apt-get $*" >>"$LOG"
case $1 in
    update) exit "${UPDATE_FAILS:-0}" ;;
esac
[ ! -e /etc/postgresql-common/createcluster.d ] || cat /etc/postgresql-common/createcluster.d/* >>"$LOG"
/usr/sbin/policy-rc.d haproxy start
[ $? -eq 101 ] || echo "haproxy was started" >>"$LOG"
ln -s /dev/null /etc/systemd/system/multi-user.target.wants/haproxy.service
ln -s /dev/null /etc/rc2.d/S01haproxy
[ -z "${INSTALL_FAILS:-}" ] || echo "E: Unable to locate package haproxy" >&2
exit "${INSTALL_FAILS:-0}"
"#;
const SYSTEMCTL: &str = "#!/bin/sh\necho \"systemctl $*\" >>\"$LOG\"\n";
const UPDATE_RC_D: &str = "#!/bin/sh\necho \"update-rc.d $*\" >>\"$LOG\"\nrm -f /etc/rc2.d/S01\"$1\"\n";

/// Puts the test's directories in place of the machine's and runs the rest of the arguments.
const IN_PLACE: &str = r#"set -e
mount --bind "$ROOT/etc" /etc
mount --bind "$ROOT/usr-sbin" /usr/sbin
mount --bind "$ROOT/postgresql" /usr/lib/postgresql
PATH=$ROOT/bin exec "$@"
"#;

struct Machine(PathBuf);

impl Machine {
    /// A machine that has everything but the programs `without`, with ssh enabled and a policy of its own.
    fn make(name: &str, without: &[&str]) -> Result<Self> {
        let root = std::env::temp_dir().join(format!("baton-install-{name}-{}", std::process::id()));
        for directory in [
            "bin",
            "usr-sbin",
            "postgresql/15/bin",
            "etc/ssl/certs",
            "etc/rc2.d",
            "etc/systemd/system/multi-user.target.wants",
        ] {
            fs::create_dir_all(root.join(directory))?;
        }
        for tool in TOOLS {
            let found = std::env::split_paths("/usr/bin:/bin").map(|one| one.join(tool));
            let found = found.into_iter().find(|path| path.exists()).context(tool)?;
            symlink(fs::canonicalize(found)?, root.join("bin").join(tool))?;
        }
        for (program, text) in [("apt-get", APT_GET), ("systemctl", SYSTEMCTL), ("update-rc.d", UPDATE_RC_D)]
        {
            write_program(&root.join("bin").join(program), text)?;
        }
        for program in NEEDED.iter().filter(|program| !without.contains(program)) {
            write_program(&root.join("bin").join(program), "#!/bin/sh\n")?;
        }
        fs::write(root.join("postgresql/15/bin/postgres"), "")?;
        fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), "")?;
        symlink("/dev/null", root.join("etc/systemd/system/multi-user.target.wants/ssh.service"))?;
        symlink("/dev/null", root.join("etc/rc2.d/S01ssh"))?;
        write_program(&root.join("usr-sbin/policy-rc.d"), "#!/bin/sh\nexit 0\n")?;
        Ok(Self(root))
    }

    fn install(&self, environment: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", IN_PLACE, "in-place", "sh"]);
        command.arg(binaries::workspace().join("scripts/install-dependencies.sh"));
        command.env("ROOT", &self.0).env("LOG", self.0.join("log")).envs(environment.iter().copied());
        command.output().context("cannot start unshare")
    }

    /// What apt-get and its like were asked to do.
    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }

    /// Fails unless the machine is as it was made: the same policy, nothing else enabled, no cluster
    /// forbidden.
    fn is_as_before(&self) -> Result<()> {
        let policy = fs::read_to_string(self.0.join("usr-sbin/policy-rc.d"))?;
        ensure!(policy == "#!/bin/sh\nexit 0\n", "the machine's own policy is gone:\n{policy}");
        for (directory, own) in
            [("etc/systemd/system/multi-user.target.wants", "ssh.service"), ("etc/rc2.d", "S01ssh")]
        {
            let names = fs::read_dir(self.0.join(directory))?.map(|entry| Ok(entry?.file_name()));
            let names = names.collect::<Result<Vec<_>>>()?;
            ensure!(names == [own], "enabled in {directory}: {names:?}");
        }
        ensure!(!self.0.join("etc/postgresql-common").exists(), "a file of Postgres' was left");
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn write_program(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn only_what_is_missing_is_installed_and_no_service_starts_or_stays_enabled() -> Result<()> {
    let machine = Machine::make("some", &["haproxy", "nft"])?;
    fs::remove_dir_all(machine.0.join("postgresql/15"))?;
    let output = machine.install(&[])?;
    ensure!(output.status.success(), "{}", said(&output));
    let log = machine.log();
    let lines: Vec<&str> = log.lines().collect();
    ensure!(lines.len() == 5 && lines[0] == "apt-get update -qq", "{log}");
    let packages: Vec<&str> = lines[1].split(' ').filter(|word| !word.contains(['-', ':'])).collect();
    ensure!(lines[1].starts_with("apt-get install -y"), "{log}");
    ensure!(packages == ["install", "nftables", "haproxy", "postgresql"], "{log}");
    ensure!(lines[2] == "create_main_cluster = false", "a cluster would have been made: {log}");
    ensure!(log.contains("systemctl disable haproxy.service"), "{log}");
    ensure!(log.contains("update-rc.d haproxy disable"), "{log}");
    machine.is_as_before()
}

#[test]
fn nothing_is_done_where_nothing_is_missing() -> Result<()> {
    let machine = Machine::make("none", &[])?;
    let output = machine.install(&[])?;
    ensure!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    ensure!(machine.log().is_empty(), "{}", machine.log());
    machine.is_as_before()
}

#[test]
fn a_failure_of_apt_is_the_scripts_and_leaves_no_trace() -> Result<()> {
    let machine = Machine::make("fails", &["haproxy"])?;
    let output = machine.install(&[("INSTALL_FAILS", "100")])?;
    let text = said(&output);
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.contains("Unable to locate package"), "apt's own words are missing: {text}");
    ensure!(text.ends_with("apt-get install failed; these packages are needed: haproxy\n"), "{text}");
    machine.is_as_before()?;

    let output = machine.install(&[("UPDATE_FAILS", "100")])?;
    let text = said(&output);
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.ends_with("apt-get update failed; these packages are needed: haproxy\n"), "{text}");
    ensure!(machine.log().lines().last() == Some("apt-get update -qq"), "{}", machine.log());
    machine.is_as_before()
}

#[test]
fn a_machine_without_apt_is_told_what_it_needs() -> Result<()> {
    let machine = Machine::make("other", &["ip", "psql"])?;
    fs::remove_file(machine.0.join("bin/apt-get"))?;
    let output = machine.install(&[])?;
    let text = said(&output);
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.contains("missing packages: iproute2 postgresql-client;"), "{text}");
    machine.is_as_before()
}
