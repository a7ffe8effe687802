//! What must be there before the first request: a migrated database, the shared secrets, a certificate, and an
//! API token for the first admin.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::auth::{Role, Token};
use api_types::{Name, Timestamp};
use chrono::TimeDelta;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use uuid::Uuid;

use crate::agents::{Hub, Limits};
use crate::app::{App, Stopping};
use crate::auth::{RefusalLog, SealError, SealKey, SecretToken, SigningKeys, SigningKeysError};
use crate::clock::SharedClock;
use crate::config::{Config, DatabaseConfig};
use crate::embedded_postgres::{EmbeddedPostgres, Settings, StartError};
use crate::store::audit::{self, Entry, Origin, Target};
use crate::store::database::{self, PrepareError};
use crate::store::intent::IntentTurn;
use crate::store::{StoreError, secrets, tokens};
use crate::tls::{Certificate, FilesError, OwnCertificateError};
use crate::tls::{certificate_from_files, certificate_of_own_authority};

/// The life of the first admin's token, in days.
const ADMIN_TOKEN_DAYS: i64 = 366;

/// Why the server cannot start.
#[derive(Debug, Error)]
pub enum StartupError {
    /// The state directory cannot be used.
    #[error("cannot use {path}")]
    StateDir {
        /// The directory, or a file in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The private Postgres does not start.
    #[error("cannot start the private Postgres")]
    Embedded(#[from] StartError),
    /// A database URL has no sense; it is not repeated, because it may hold a password.
    #[error("{key} is no URL of a Postgres database")]
    DatabaseUrl {
        /// Which.
        key: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database cannot be prepared.
    #[error("cannot prepare the database")]
    Database(#[from] PrepareError),
    /// The key file cannot be used.
    #[error("cannot use the key that seals the secrets")]
    Seal(#[from] SealError),
    /// The database failed.
    #[error("cannot read or write the secrets of the installation")]
    Store(#[from] StoreError),
    /// There are no keys to sign JWTs with.
    #[error("cannot sign JWTs")]
    SigningKeys(#[from] SigningKeysError),
    /// There is no certificate of our own authority.
    #[error("cannot make the certificate of the server")]
    OwnCertificate(#[from] OwnCertificateError),
    /// The configured certificate cannot be used.
    #[error("cannot use the configured certificate")]
    Files(#[from] FilesError),
}

/// Where the database is, with the private one when it is ours.
#[derive(Debug)]
pub struct Database {
    /// Our own Postgres, when there is no other.
    pub embedded: Option<EmbeddedPostgres>,
    /// How its owner connects, who applies the migrations.
    pub owner: PgConnectOptions,
    /// How the role that serves requests connects.
    pub app: PgConnectOptions,
}

/// Makes the state directory. Others may enter it where Postgres runs as another user; every file in it has its
/// own mode.
///
/// # Errors
/// [`StartupError::StateDir`].
pub fn make_state_dir(path: &Path) -> Result<(), StartupError> {
    let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| StartupError::StateDir { path: path.to_owned(), source })
}

/// Finds or starts the database.
///
/// # Errors
/// [`StartupError`].
pub async fn find_database(config: &DatabaseConfig, state_dir: &Path) -> Result<Database, StartupError> {
    let Some(url) = &config.url else {
        let settings =
            Settings { dir: state_dir.join("postgres"), bin_dir: config.bin_dir.clone(), durable: true };
        let embedded = EmbeddedPostgres::start(settings).await?;
        let (owner, app) = (embedded.owner(), embedded.app());
        return Ok(Database { embedded: Some(embedded), owner, app });
    };
    let parse = |key, url: &str| {
        url.parse::<PgConnectOptions>().map_err(|source| StartupError::DatabaseUrl { key, source })
    };
    let app = parse("database.url", url)?;
    let owner = match &config.owner_url {
        Some(url) => parse("database.owner_url", url)?,
        None => app.clone(),
    };
    Ok(Database { embedded: None, owner, app })
}

/// Migrates the database and makes what all servers of the installation share, where it is missing.
///
/// # Errors
/// [`StartupError`].
pub async fn prepare(
    config: &Config,
    database: &Database,
    clock: SharedClock,
    stopping: Stopping,
) -> Result<(App, Certificate), StartupError> {
    database::migrate(&database.owner).await?;
    database::check_app(&database.app).await?;
    let db = database::pool(database.app.clone(), config.database.max_connections).await?;
    let seal = Arc::new(SealKey::load_or_create(&config.state_dir.join("server.key"))?);
    let signing_keys = Arc::new(SigningKeys::new(Arc::clone(&seal)));
    let now = clock.now();

    let mut tx = db.begin().await.map_err(StoreError::from)?;
    secrets::lock(&mut tx).await?;
    signing_keys.renew(&mut tx, now).await?;
    let certificate = certificate(config, &mut tx, &seal, now).await?;
    make_first_admin(&mut tx, &config.state_dir.join("admin-token"), now).await?;
    tx.commit().await.map_err(StoreError::from)?;

    write_file(&config.state_dir.join("ca.pem"), 0o644, &certificate.authority.certificate_pem)?;
    let app = App {
        db,
        clock,
        seal,
        signing_keys,
        authority: Arc::new(certificate.authority.clone()),
        refusals: Arc::new(RefusalLog::default()),
        agents: Arc::new(Hub::new()),
        session_limits: Limits::default(),
        intent: IntentTurn::default(),
        stopping,
    };
    Ok((app, certificate))
}

/// Renews signing keys and certificate where their time has come, and returns the certificate to be used.
///
/// # Errors
/// [`StartupError`]; what was there goes on working.
pub async fn renew(config: &Config, app: &App) -> Result<Certificate, StartupError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await.map_err(StoreError::from)?;
    secrets::lock(&mut tx).await?;
    app.signing_keys.renew(&mut tx, now).await?;
    let certificate = certificate(config, &mut tx, &app.seal, now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(certificate)
}

async fn certificate(
    config: &Config,
    conn: &mut PgConnection,
    seal: &SealKey,
    now: Timestamp,
) -> Result<Certificate, StartupError> {
    match &config.tls {
        Some(files) => Ok(certificate_from_files(files)?),
        None => Ok(certificate_of_own_authority(conn, seal, &config.names, now).await?),
    }
}

/// Makes an API token for an admin when no admin's is valid: at the first start, and when the last one is lost.
/// The file is written before the token counts, so that a token never exists that nobody has.
async fn make_first_admin(conn: &mut PgConnection, path: &Path, now: Timestamp) -> Result<(), StartupError> {
    if tokens::any_admin(conn, now).await? {
        return Ok(());
    }
    let secret = SecretToken::generate(Uuid::now_v7());
    let name = format!("admin-{}", now.as_datetime().format("%Y%m%d-%H%M%S"));
    let token = Token {
        id: secret.id(),
        name: Name::try_from(name).map_err(|error| StoreError::inconsistent("tokens", secret.id(), error))?,
        role: Role::Admin,
        created_at: now,
        expires_at: (now.as_datetime() + TimeDelta::days(ADMIN_TOKEN_DAYS)).into(),
        secret: None,
    };
    write_file(path, 0o600, &(secret.api_text() + "\n"))?;
    tokens::insert(conn, &token, &secret.secret_sha256()).await?;
    let target = Target::new("token", token.id, &token.name);
    let entry = Entry::done(audit::server(), Origin::default(), "token.create", target).after(&token);
    audit::record(conn, now, &entry).await?;
    tracing::info!(path = %path.display(), name = %token.name, "wrote an API token for the admin");
    Ok(())
}

/// Writes a file whole or not at all, with `mode` from the beginning.
fn write_file(path: &Path, mode: u32, text: &str) -> Result<(), StartupError> {
    let draft = path.with_extension("new");
    let write = || {
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|source| StartupError::StateDir { path: path.to_owned(), source })
}
