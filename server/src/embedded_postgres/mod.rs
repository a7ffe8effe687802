//! A private Postgres for servers without a `database.url`: the distribution's binaries, our own data directory.
//!
//! It listens on a Unix socket only, knows no password (the kernel names the peer), runs as an ordinary user even
//! where the server is root, keeps `fsync` on, and ends when the server ends, however that ends. When it dies by
//! itself it is started again ([`keeper`]); requests are answered with 503 meanwhile, and no agent notices.
//!
//! ```text
//! <dir>/lock    held by the server that uses the directory
//! <dir>/data    the cluster; made under another name and renamed when it is complete
//! <dir>/run     the socket
//! ```

mod account;
mod binaries;
mod cluster;
mod keeper;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor};
use thiserror::Error;

pub use account::AccountError;
pub use binaries::BinariesError;
pub use cluster::ClusterError;

use account::Account;
use keeper::Keeper;

/// The database role that owns everything and applies the migrations.
pub const OWNER_ROLE: &str = "baton_owner";
/// The database that the server uses.
pub const DATABASE: &str = "baton";

/// The port only names the socket file; nothing listens on it.
const PORT: u16 = 5432;
/// How long a start may take; a recovery after a crash is part of it.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often a starting Postgres is tried.
const START_PAUSE: Duration = Duration::from_millis(5);
/// The longest path of a Unix socket on Linux, in octets (`sun_path` less its final zero).
const MAX_SOCKET_PATH: usize = 107;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// Where `postgres` and `initdb` are; searched for when it is not given.
    pub bin_dir: Option<PathBuf>,
    /// Whether a commit survives a power cut. Off only where the data is thrown away.
    pub durable: bool,
}

/// A running Postgres of our own. It is stopped when this is dropped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    run_dir: PathBuf,
    keeper: Keeper,
    _lock: Flock<File>,
}

/// Why there is no Postgres of our own.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another server uses the directory.
    #[error("another server uses {0}: stop it, or give this one a state_dir of its own")]
    InUse(PathBuf),
    /// The path of the socket would be too long.
    #[error("{0} is too deep for a socket (107 octets at most): choose a shorter state_dir")]
    PathTooLong(PathBuf),
    /// A directory cannot be made or used.
    #[error("cannot use {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nobody whom it could run as.
    #[error("cannot choose a user to run Postgres as")]
    Account(#[from] AccountError),
    /// Its programs are not there.
    #[error("cannot use the programs of Postgres")]
    Binaries(#[from] BinariesError),
    /// The cluster cannot be made or used.
    #[error("cannot prepare the Postgres cluster")]
    Cluster(#[from] ClusterError),
    /// The thread that watches it cannot be started.
    #[error("cannot start the thread that watches Postgres")]
    Thread(#[source] io::Error),
    /// It does not come up.
    #[error("Postgres did not answer within {} s; it last said: {said}", START_LIMIT.as_secs())]
    Silent {
        /// The last line of its log.
        said: String,
        /// What the last try to connect met.
        #[source]
        source: sqlx::Error,
    },
    /// Roles and database cannot be made.
    #[error("cannot make the roles and the database of the server")]
    Bootstrap(#[source] sqlx::Error),
}

impl EmbeddedPostgres {
    /// Starts Postgres, making its cluster, roles and database first where they are missing, and returns when it
    /// answers.
    ///
    /// # Errors
    /// [`StartError`], with what to do about it.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { dir, bin_dir, durable } = settings;
        let account = Account::choose()?;
        make_dir(&dir, if account.is_other() { 0o711 } else { 0o700 })?;
        let lock = lock(&dir)?;
        let run_dir = dir.join("run");
        if run_dir.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() > MAX_SOCKET_PATH {
            return Err(StartError::PathTooLong(run_dir));
        }
        account.check_reach(&dir)?;
        make_dir(&run_dir, 0o700)?;
        account.own(&run_dir)?;
        let data_dir = dir.join("data");
        let binaries = binaries::find(bin_dir.as_deref(), cluster::version(&data_dir)?.as_deref())?;
        if cluster::version(&data_dir)?.is_none() {
            cluster::make(&binaries, &account, &data_dir)?;
        }
        cluster::write_access_rules(&account, &data_dir)?;

        let command =
            keeper::PostgresCommand { binaries, account, data_dir, run_dir: run_dir.clone(), durable };
        let keeper = Keeper::start(command).map_err(StartError::Thread)?;
        let postgres = Self { run_dir, keeper, _lock: lock };
        postgres.wait_until_it_answers().await?;
        postgres.bootstrap().await.map_err(StartError::Bootstrap)?;
        Ok(postgres)
    }

    /// How to connect as its owner, who applies the migrations.
    #[must_use]
    pub fn owner(&self) -> PgConnectOptions {
        self.options(OWNER_ROLE).database(DATABASE)
    }

    /// How to connect as the role that serves requests.
    #[must_use]
    pub fn app(&self) -> PgConnectOptions {
        self.options(crate::store::database::APP_ROLE).database(DATABASE)
    }

    /// The process id of Postgres; `None` between a death and the next start.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.keeper.pid()
    }

    /// Stops Postgres in order and returns when it is gone. Blocks for up to 25 s.
    pub fn stop(mut self) {
        self.keeper.stop();
    }

    fn options(&self, role: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.run_dir)
            .port(PORT)
            .username(role)
            .ssl_mode(PgSslMode::Disable)
    }

    async fn wait_until_it_answers(&self) -> Result<(), StartError> {
        let options = self.options(OWNER_ROLE).database("postgres").disable_statement_logging();
        let began = Instant::now();
        loop {
            match options.connect().await {
                Ok(conn) => return conn.close().await.map_err(StartError::Bootstrap),
                Err(source) if began.elapsed() > START_LIMIT => {
                    return Err(StartError::Silent { said: self.keeper.last_words(), source });
                }
                Err(_) => tokio::time::sleep(START_PAUSE).await,
            }
        }
    }

    async fn bootstrap(&self) -> Result<(), sqlx::Error> {
        let mut conn = self.options(OWNER_ROLE).database("postgres").connect().await?;
        let has_role: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'baton_app')")
                .fetch_one(&mut conn)
                .await?;
        if !has_role {
            conn.execute("CREATE ROLE baton_app LOGIN").await?;
        }
        let has_database: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'baton')")
                .fetch_one(&mut conn)
                .await?;
        if !has_database {
            conn.execute("CREATE DATABASE baton").await?;
        }
        conn.close().await
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), StartError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

fn lock(dir: &Path) -> Result<Flock<File>, StartError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| StartError::Directory { path, source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| StartError::InUse(dir.to_owned()))
}
