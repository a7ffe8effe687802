//! Tells sessions what their nodes shall run, as soon as it changes.
//!
//! `LISTEN baton_desired` says that something changed, not what; the rows are asked then, and every few seconds in
//! any case, so that a lost notification costs time only. The same task keeps the server's heartbeat, lets
//! conditions begin that had to last, and concludes failovers.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::hub::Hub;
use super::ingest;
use crate::app::App;
use crate::store::sessions::SessionKey;
use crate::store::{StoreError, conditions, member_reports, servers, sessions};

/// What the writers of intent notify.
const CHANNEL: &str = "baton_desired";
/// How often the rows are asked when nobody notifies.
const POLL: Duration = Duration::from_secs(5);
/// How often conditions may begin and failovers may be concluded.
const SETTLE: Duration = Duration::from_millis(250);
/// How long to wait before the database is asked for a new listener.
const RETRY: Duration = Duration::from_secs(1);

/// Serves the sessions of this server until it stops.
pub async fn run(app: App) {
    let mut stopping = app.stopping.clone();
    tokio::select! {
        // First, so that what the stop itself takes away is not taken for a failure.
        biased;
        () = stopping.wait() => {}
        () = serve(&app) => {}
    }
}

async fn serve(app: &App) {
    let mut settle = interval(SETTLE);
    settle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listener: Option<PgListener> = None;
    let mut listen_at = Instant::now();
    let mut started = false;
    loop {
        tokio::select! {
            () = sleep_until(listen_at), if listener.is_none() => {
                listener = listen(app).await;
                listen_at = Instant::now() + RETRY;
                if listener.is_some() {
                    report(reconcile(app).await);
                }
            }
            heard = notification(&mut listener) => {
                if !heard {
                    listener = None;
                    listen_at = Instant::now() + RETRY;
                }
                report(reconcile(app).await);
            }
            _ = poll.tick() => {
                started |= report(beat(app, started).await);
                report(reconcile(app).await);
            }
            _ = settle.tick() => {
                report(begin_due(app).await);
                report(conclude_due(app).await);
            }
        }
    }
}

async fn listen(app: &App) -> Option<PgListener> {
    let listener = async {
        let mut listener = PgListener::connect_with(&app.db).await?;
        // A lost connection must be noticed, because what was notified meanwhile is lost with it.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    listener.await.inspect_err(|error| tracing::warn!(%error, "cannot listen to the database")).ok()
}

/// Waits for the next notification and takes those that came with it; `false` when the listener is lost.
async fn notification(listener: &mut Option<PgListener>) -> bool {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.try_recv().await {
        Ok(Some(_)) => {
            while listener.next_buffered().is_some() {}
            true
        }
        // Only the server itself closes its pool, once it stops.
        Ok(None) | Err(sqlx::Error::PoolClosed) => false,
        Err(error) => {
            tracing::warn!(%error, "the listener of the database is lost");
            false
        }
    }
}

/// Makes both views of the sessions agree.
async fn reconcile(app: &App) -> Result<(), StoreError> {
    let hub: &Hub = &app.agents;
    let begun = hub.begun_sessions();
    let mut conn = app.db.acquire().await?;
    let held = servers::held_by(&mut conn, hub.server()).await?;
    drop(conn);
    end(app, hub.reconcile(&begun, &held)).await
}

/// Ends sessions that nobody holds, each in a transaction of its own, so that none keeps rows that another needs.
async fn end(app: &App, sessions: Vec<SessionKey>) -> Result<(), StoreError> {
    for session in sessions {
        let mut tx = app.db.begin().await?;
        sessions::end(&mut tx, session, app.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn beat(app: &App, started: bool) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let orphans = servers::heartbeat(&mut tx, app.agents.server(), now).await?;
    tx.commit().await?;
    end(app, orphans).await?;
    if started {
        return Ok(());
    }
    // A session may have ended while no server could store what follows from it.
    let mut conn = app.db.acquire().await?;
    let nodes = servers::enrolled_nodes(&mut conn).await?;
    drop(conn);
    for node in nodes {
        let mut tx = app.db.begin().await?;
        member_reports::judge_node(&mut tx, node, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn begin_due(app: &App) -> Result<(), StoreError> {
    let mut tx = app.db.begin().await?;
    conditions::begin_due(&mut tx, app.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

async fn conclude_due(app: &App) -> Result<(), StoreError> {
    let mut tx = app.db.begin().await?;
    let concluded = ingest::conclude_due(&mut tx, app.clock.now()).await?;
    tx.commit().await?;
    ingest::count_failovers(&concluded);
    Ok(())
}

fn report(result: Result<(), StoreError>) -> bool {
    match result {
        Ok(()) => true,
        Err(StoreError::Unavailable(error)) => {
            tracing::debug!(%error, "the database is not available to the sessions of agents");
            false
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the sessions of agents are not kept up"
            );
            false
        }
    }
}
