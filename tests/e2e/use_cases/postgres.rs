//! A database and its standby, which streams; the address follows the primary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use e2e::{BOUND, Host, Lab, Process, Site, VIP, eventually, output_of};

use super::UseCase;

/// The account that the distribution makes.
const ACCOUNT: &str = "postgres";
/// As in docs/guides/postgres.md, but for the socket.
const SCRIPT: &str = "#!/bin/sh\n\
    # Succeeds while the Postgres of this host is the primary.\n\
    test \"$(psql -h \"$1\" -U postgres -d postgres -tAXc 'select pg_is_in_recovery()')\" = f\n";

/// A Postgres on a host.
struct Database {
    host: Host,
    process: Process,
}

impl Database {
    fn directory(host: &Host) -> PathBuf {
        host.directory.join("postgres")
    }

    /// A program of Postgres, as its account.
    fn program(host: &Host, name: &str) -> Result<Command> {
        let place = fs::read_dir("/usr/lib/postgresql")?.flatten().map(|entry| entry.path()).max();
        let program = place.context("Postgres is not installed")?.join("bin").join(name);
        let mut command = host.namespace.command("setpriv");
        command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"]).arg(program);
        command.current_dir("/");
        Ok(command)
    }

    /// An empty directory that the account owns.
    fn place(host: &Host) -> Result<PathBuf> {
        let directory = Self::directory(host);
        fs::create_dir_all(&directory)?;
        output_of(Command::new("chown").arg(ACCOUNT).arg(&directory))?;
        Ok(directory)
    }

    fn primary(host: &Host) -> Result<Self> {
        let directory = Self::place(host)?;
        let data = directory.join("data");
        let mut initdb = Self::program(host, "initdb")?;
        output_of(initdb.args(["--auth", "trust", "--no-sync", "-D"]).arg(&data))?;
        let mut access = fs::read_to_string(data.join("pg_hba.conf"))?;
        access.push_str("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n");
        fs::write(data.join("pg_hba.conf"), access)?;
        Self::run(host)
    }

    /// A copy of `primary` that follows it.
    fn standby(host: &Host, primary: &Host) -> Result<Self> {
        let directory = Self::place(host)?;
        let mut copy = Self::program(host, "pg_basebackup")?;
        copy.args(["-h", &primary.lan.to_string(), "-U", ACCOUNT, "--write-recovery-conf", "--no-sync"]);
        copy.args(["--checkpoint=fast", "-D"]).arg(directory.join("data"));
        output_of(&mut copy)?;
        Self::run(host)
    }

    fn run(host: &Host) -> Result<Self> {
        let directory = Self::directory(host);
        let mut postgres = Self::program(host, "postgres")?;
        postgres.arg("-D").arg(directory.join("data")).arg("-k").arg(&directory);
        postgres.args(["-c", "listen_addresses=*", "-c", "wal_level=replica", "-c", "fsync=off"]);
        let process = Process::spawn("postgres", &mut postgres, &host.directory.join("postgres.log"))?;
        let database = Self { host: host.clone(), process };
        eventually("postgres answers", BOUND, || database.query("select 1").map(drop))?;
        Ok(database)
    }

    /// Asks it through its socket.
    fn query(&self, sql: &str) -> Result<String> {
        let mut psql = self.host.namespace.command("psql");
        psql.arg("-h").arg(Self::directory(&self.host)).args(["-U", ACCOUNT, "-d", "postgres", "-tAXc", sql]);
        output_of(&mut psql)
    }
}

/// Lets the host's policy declare the script.
fn declare(site: &Site<'_>) -> Result<()> {
    for node in &site.nodes {
        let (script, policy) = (node.host.directory.join("postgres-is-primary"), node.policy_file());
        fs::write(&script, SCRIPT)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let socket = Database::directory(&node.host);
        fs::write(
            &policy,
            format!(
                "[scripts.postgres-is-primary]\npath = {script:?}\nargs = [{socket:?}]\nuser = \"{ACCOUNT}\"\n"
            ),
        )?;
        node.stop()?;
        node.restart()?;
        site.wait_until_connected(node)?;
    }
    Ok(())
}

#[test]
fn the_address_follows_the_primary_and_no_row_is_lost() -> Result<()> {
    Lab::run(|lab| {
        // Those who are not root must get to their databases.
        fs::set_permissions(lab.directory(), fs::Permissions::from_mode(0o755))?;
        let databases = std::cell::RefCell::new(Vec::new());
        let pair = UseCase::start(lab, "postgres.yaml", ["db1", "db2"], |site| {
            let [one, other] = site.nodes.as_slice() else { return Err(anyhow!("two nodes")) };
            let primary = Database::primary(&one.host)?;
            let standby = Database::standby(&other.host, &one.host)?;
            databases.borrow_mut().extend([primary, standby]);
            declare(site)
        })?;
        let mut databases = databases.into_inner();
        let standby = databases.pop().context("a standby")?;
        let mut primary = databases.pop().context("a primary")?;
        pair.is_at("db1")?;
        let ask = |sql: &str| {
            let mut psql = pair.site.client.namespace.command("psql");
            let place = format!("host={VIP} user={ACCOUNT} dbname=postgres connect_timeout=2");
            output_of(psql.args(["-tAXc", sql, &place]))
        };
        eventually("it can be written", BOUND, || {
            ask("create table if not exists notes (text text)").map(drop)
        })?;
        ask("insert into notes values ('before')")?;
        eventually("the standby has the row", BOUND, || {
            let rows = standby.query("select text from notes")?;
            ensure!(rows == "before\n", "{rows:?}");
            Ok(())
        })?;

        primary.process.kill();
        eventually("nobody is led to a standby", BOUND, || {
            let holders = lab.holders(VIP)?;
            ensure!(holders.is_empty(), "{holders:?}");
            Ok(())
        })?;
        standby.query("select pg_promote()")?;
        pair.is_at("db2")?;
        eventually("what was written can be read", BOUND, || {
            let rows = ask("select text from notes")?;
            ensure!(rows == "before\n", "{rows:?}");
            Ok(())
        })?;
        ask("insert into notes values ('after')")?;
        ensure!(ask("select count(*) from notes")? == "2\n");
        pair.operator.baton(&["get", "groups"]).map(drop)
    })
}
