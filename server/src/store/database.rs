//! Connections, roles and migrations.
//!
//! The owner applies the migrations and does nothing else. Requests are served by the role [`APP_ROLE`], which
//! the database keeps from changing the audit log. A login that is not this role itself takes it on with
//! `SET ROLE` at the start of each connection.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use thiserror::Error;

/// The migrations that this server was built with.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// The role that serves requests.
pub const APP_ROLE: &str = "baton_app";

const TAKE_ON_ROLE: &str = "SET ROLE baton_app";

/// Planned anew, a statement that looks at a group and its members costs several times what it does.
const PLANNED_ONCE: &str = "SET plan_cache_mode = force_generic_plan";
const PLANNED_EACH_TIME: &str = "SET LOCAL plan_cache_mode = force_custom_plan";

/// How many connections are kept ready: what two agents report at once, what is looked at regularly, and two
/// requests. To make one takes as long as to move an address.
const READY_CONNECTIONS: u32 = 8;

/// How long a request waits for a connection before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the database could not be prepared.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// No connection as its owner.
    #[error("cannot connect to the database as its owner")]
    Connect(#[source] sqlx::Error),
    /// A migration failed.
    #[error(
        "cannot migrate the database; where the owner may not create roles, an administrator runs \
         `CREATE ROLE baton_app NOLOGIN` and grants it to the login of the server first"
    )]
    Migrate(#[source] MigrateError),
    /// No connection as the login that serves requests.
    #[error("cannot connect to the database to serve requests")]
    ConnectApp(#[source] sqlx::Error),
    /// The login that serves requests may not act as the application role.
    #[error(
        "the login of database.url is neither baton_app nor a member of it: \
         an administrator runs `GRANT baton_app TO <login>`"
    )]
    Role(#[source] sqlx::Error),
}

/// Applies the migrations that are missing, under an advisory lock, so that several servers may start at once.
///
/// # Errors
/// [`PrepareError`] when the database cannot be reached or refuses a migration.
pub async fn migrate(owner: &PgConnectOptions) -> Result<(), PrepareError> {
    let mut conn = PgConnection::connect_with(owner).await.map_err(PrepareError::Connect)?;
    MIGRATOR.run(&mut conn).await.map_err(PrepareError::Migrate)?;
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "the connection of the migrations did not end in order");
    }
    Ok(())
}

/// Whether requests can be served over this login; a pool would only time out.
///
/// # Errors
/// [`PrepareError`] when it cannot connect, or may not take on [`APP_ROLE`].
pub async fn check_app(app: &PgConnectOptions) -> Result<(), PrepareError> {
    let mut conn = PgConnection::connect_with(app).await.map_err(PrepareError::ConnectApp)?;
    sqlx::query(TAKE_ON_ROLE).execute(&mut conn).await.map_err(PrepareError::Role)?;
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "the first connection did not end in order");
    }
    Ok(())
}

/// The pool that requests are served from. Some connections are there from the beginning, the others are made
/// when they are needed.
///
/// # Errors
/// [`PrepareError::ConnectApp`] when the first ones cannot be made.
pub async fn pool(app: PgConnectOptions, max_connections: u32) -> Result<PgPool, PrepareError> {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .min_connections(max_connections.min(READY_CONNECTIONS))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|conn, _| {
            Box::pin(async move {
                sqlx::query(TAKE_ON_ROLE).execute(&mut *conn).await?;
                sqlx::query("SET statement_timeout = '10s'").execute(&mut *conn).await?;
                sqlx::query(PLANNED_ONCE).execute(conn).await?;
                Ok(())
            })
        })
        .connect_with(app)
        .await
        .map_err(PrepareError::ConnectApp)
}

/// Begins to read a history with filters. Histories are long, and which index serves depends on the filters
/// that are given, so such a statement is planned for its values; all others are planned once per connection.
///
/// # Errors
/// The error of the database.
pub async fn begin_filtered(db: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query(PLANNED_EACH_TIME).execute(&mut *tx).await?;
    Ok(tx)
}

/// Whether the database answers; the migrations were applied before the first request was taken.
///
/// # Errors
/// The error of the database.
pub async fn ping(db: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(db).await.map(drop)
}
