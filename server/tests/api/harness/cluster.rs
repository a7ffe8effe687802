//! One Postgres for the process, started by the server's own launcher; one database for each test.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use baton_server::embedded_postgres::{EmbeddedPostgres, Settings};
use baton_server::store::database;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

/// Migrated once; every database of a test is a copy.
const TEMPLATE: &str = "template_migrated";

static CLUSTER: OnceLock<EmbeddedPostgres> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A database of one test; dropped with it.
pub(crate) struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        tokio::task::spawn_blocking(cluster).await.unwrap();
        execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;
        Self { name }
    }

    pub(crate) fn owner(&self) -> PgConnectOptions {
        cluster().owner().database(&self.name)
    }

    pub(crate) fn app(&self) -> PgConnectOptions {
        cluster().app().database(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        on_a_thread(|| async move { execute(&statement).await });
    }
}

async fn execute(statement: &str) {
    let mut conn = PgConnection::connect_with(&cluster().owner().database("postgres")).await.unwrap();
    conn.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    conn.close().await.unwrap();
}

fn cluster() -> &'static EmbeddedPostgres {
    CLUSTER.get_or_init(|| {
        on_a_thread(|| async {
            let dir = PathBuf::from(format!("/tmp/baton-api-tests-{}", std::process::id()));
            remove_when_we_end(&dir);
            let settings = Settings { dir, bin_dir: None, durable: false };
            let postgres = EmbeddedPostgres::start(settings).await.expect("a Postgres for the tests");
            let template = postgres.owner().database(TEMPLATE);
            let mut conn = PgConnection::connect_with(&postgres.owner().database("postgres")).await.unwrap();
            conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {TEMPLATE}"))).await.unwrap();
            conn.close().await.unwrap();
            database::migrate(&template).await.unwrap();
            postgres
        })
    })
}

/// Runs `work` where no other runtime is in the way: those of the tests end with them.
fn on_a_thread<W: Future<Output: Send + 'static>>(work: impl FnOnce() -> W + Send + 'static) -> W::Output {
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    });
    thread.join().unwrap()
}

/// A test process has no end that it could act at, so a shell waits for it: its standard input ends with us, and
/// so does Postgres.
fn remove_when_we_end(dir: &std::path::Path) {
    let script = r#"cat >/dev/null
for _ in $(seq 100); do [ -e "$0/data/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$0""#;
    let shell = Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    // Kept open until the process ends.
    std::mem::forget(shell);
}
