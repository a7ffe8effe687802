//! Serves the API over TLS until it is told to stop, then lets go in order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::agents;
use crate::app::{App, Stopping};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::router::router;
use crate::startup::{self, StartupError};
use crate::tls::UnusableError;

/// How long the head of a request may take to arrive.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How often an idle HTTP/2 connection is tried, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long requests that are being served may take to end once the server stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How often keys and certificate are looked at.
const RENEW_PERIOD: Duration = Duration::from_secs(6 * 3600);

/// Why the server did not start, or did not go on.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Something that must be there before the first request is not.
    #[error("the server cannot start")]
    Startup(#[from] StartupError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] UnusableError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// The listener failed.
    #[error("the listener failed")]
    Serve(#[source] io::Error),
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`] when it cannot start, or its listener fails.
pub async fn run(config: Config, clock: SharedClock) -> Result<(), ServeError> {
    let stop = stop_signal().map_err(ServeError::Signals)?;
    let (sender, receiver) = watch::channel(false);
    startup::make_state_dir(&config.state_dir)?;
    let listener = listen(config.listen)?;
    let database = startup::find_database(&config.database, &config.state_dir).await?;

    let served =
        serve(&config, &database, clock, listener, stop, (sender, Stopping::following(receiver))).await;
    if let Some(postgres) = database.embedded {
        // Blocks, and nothing else is left to do.
        postgres.stop();
    }
    notify(sd_notify::NotifyState::Stopping);
    served
}

async fn serve(
    config: &Config,
    database: &startup::Database,
    clock: SharedClock,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
    (sender, stopping): (watch::Sender<bool>, Stopping),
) -> Result<(), ServeError> {
    let (app, certificate) = startup::prepare(config, database, clock, stopping).await?;
    let tls = RustlsConfig::from_config(certificate.server_config()?);
    let handle = Handle::new();
    let address = listener.local_addr().map_err(ServeError::Serve)?;

    let mut server = axum_server::from_tcp_rustls(listener, tls.clone())
        .map_err(ServeError::Serve)?
        // What an agent is told shall not wait until it has acknowledged what it was told before.
        .map(|acceptor| acceptor.handshake_timeout(HANDSHAKE_LIMIT).acceptor(NoDelayAcceptor::new()))
        .handle(handle.clone());
    let http = server.http_builder();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);

    tokio::spawn(renew_for_ever(config.clone(), app.clone(), tls));
    tokio::spawn(agents::push::run(app.clone()));
    tokio::spawn(async move {
        stop.await;
        tracing::info!("stopping: requests that are being served may end");
        // Long-lived connections close themselves when they see this.
        sender.send_replace(true);
        handle.graceful_shutdown(Some(DRAIN_LIMIT));
    });
    let (db, agents) = (app.db.clone(), Arc::clone(&app.agents));
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    tracing::info!(%address, state_dir = %config.state_dir.display(), "ready");
    notify(sd_notify::NotifyState::Ready);
    let served = server.serve(service).await.map_err(ServeError::Serve);
    // Sessions of agents are no requests any more; each stores its own end.
    if timeout(DRAIN_LIMIT, agents.drained()).await.is_err() {
        tracing::warn!("some sessions of agents did not end in time");
    }
    db.close().await;
    tracing::info!("stopped");
    served
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Renews keys and certificate when their time comes; a failure is tried again.
async fn renew_for_ever(config: Config, app: App, tls: RustlsConfig) {
    loop {
        tokio::time::sleep(RENEW_PERIOD).await;
        match startup::renew(&config, &app).await {
            Ok(certificate) => match certificate.server_config() {
                Ok(renewed) => tls.reload_from_config(renewed),
                Err(error) => tracing::error!(%error, "the renewed certificate cannot be used"),
            },
            Err(error) => tracing::error!(%error, "cannot renew keys and certificate"),
        }
    }
}

/// Returns when SIGTERM or SIGINT has come.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Tells systemd, where it runs us.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
