//! The private Postgres: it keeps what was committed, comes back when it is killed, and ends with us.

use std::path::Path;
use std::time::Duration;

use baton_server::embedded_postgres::{EmbeddedPostgres, Settings, StartError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

use crate::harness::eventually;

/// A directory that the user who runs Postgres can enter.
fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix("baton-pg-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir_in("/tmp")
        .unwrap()
}

async fn start(dir: &Path) -> EmbeddedPostgres {
    let settings = Settings { dir: dir.join("postgres"), bin_dir: None, durable: true };
    EmbeddedPostgres::start(settings).await.unwrap()
}

async fn number(postgres: &EmbeddedPostgres) -> Result<i32, sqlx::Error> {
    let mut conn = PgConnection::connect_with(&postgres.owner()).await?;
    sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut conn).await
}

async fn write(postgres: &EmbeddedPostgres) {
    let mut conn = PgConnection::connect_with(&postgres.owner()).await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 42 AS number").execute(&mut conn).await.unwrap();
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_stop_and_a_start() {
    let dir = directory();
    let postgres = start(dir.path()).await;
    write(&postgres).await;
    let pid = postgres.pid().unwrap();
    tokio::task::spawn_blocking(move || postgres.stop()).await.unwrap();
    assert!(!is_alive(pid));
    assert!(!dir.path().join("postgres/data/postmaster.pid").exists(), "an orderly stop leaves no pid file");

    let postgres = start(dir.path()).await;
    assert_eq!(number(&postgres).await.unwrap(), 42);
}

#[tokio::test]
async fn a_killed_postgres_is_started_again_with_all_that_was_committed() {
    let dir = directory();
    let postgres = start(dir.path()).await;
    write(&postgres).await;
    let killed = postgres.pid().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    eventually("Postgres is back", async || matches!(number(&postgres).await, Ok(42))).await;
    assert_ne!(postgres.pid(), Some(killed));
}

#[tokio::test]
async fn it_is_durable_and_reachable_through_its_socket_only() {
    let dir = directory();
    let postgres = start(dir.path()).await;
    let mut conn = PgConnection::connect_with(&postgres.app()).await.unwrap();
    for (setting, value) in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")] {
        let actual: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(actual, value, "{setting}");
    }
    let listens: String =
        sqlx::query_scalar("SELECT current_setting('listen_addresses')").fetch_one(&mut conn).await.unwrap();
    assert_eq!(listens, "");
    let is_superuser: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert!(!is_superuser, "requests are not served by a superuser");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let dir = directory();
    let _first = start(dir.path()).await;
    let settings = Settings { dir: dir.path().join("postgres"), bin_dir: None, durable: true };
    let error = EmbeddedPostgres::start(settings).await.expect_err("the directory is taken");
    assert!(matches!(error, StartError::InUse(_)), "{error}");
}

#[tokio::test]
async fn data_of_another_version_is_refused_with_a_hint() {
    let dir = directory();
    let data = dir.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let settings = Settings { dir: dir.path().join("postgres"), bin_dir: None, durable: true };
    let error = EmbeddedPostgres::start(settings).await.expect_err("nobody has version 9");
    let StartError::Binaries(cause) = error else { panic!("{error}") };
    assert!(cause.to_string().contains("pg_dump"), "{cause}");
}

#[tokio::test]
async fn it_ends_with_the_thread_that_started_it() {
    let dir = directory();
    let path = dir.path().to_owned();
    let postgres = start(&path).await;
    let pid = postgres.pid().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = format!("PPid:\t{}", std::process::id());
    assert!(stat.contains(&parent), "it is our child: {stat}");
    drop(postgres);
    let began = std::time::Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < Duration::from_secs(10), "Postgres outlives its keeper");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
