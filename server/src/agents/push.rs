//! Tells sessions what their nodes shall run, as soon as it changes.
//!
//! The rows are asked when a server notifies that something changed, and every few seconds in any case, so
//! that a lost notification costs time only. The same task keeps the server's heartbeat, lets conditions
//! begin that had to last, concludes failovers, and withdraws switchovers that did not come about.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::hub::Hub;
use super::{boosts, ingest, listen};
use crate::app::App;
use crate::store::sessions::SessionKey;
use crate::store::{StoreError, conditions, member_reports, servers, sessions, switchovers};

/// How often the rows are asked when nobody notifies.
const POLL: Duration = Duration::from_secs(5);
/// How often conditions may begin and failovers may be concluded.
const SETTLE: Duration = Duration::from_millis(250);

/// Serves the sessions of this server until it stops. What is under way then is done to its end, so that no transaction
/// is broken off.
pub async fn run(app: App) {
    tokio::join!(serve(&app), boosts::serve(&app), listen::serve(&app));
}

async fn serve(app: &App) {
    let mut stopping = app.stopping.clone();
    let mut settle = interval(SETTLE);
    settle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut started = false;
    loop {
        tokio::select! {
            // First, so that what the stop itself takes away is not taken for a failure.
            biased;
            () = stopping.wait() => return,
            _ = poll.tick() => {
                app.agents.wake_boosts();
                started |= report(beat(app, started).await);
                report(reconcile(app).await);
            }
            _ = settle.tick() => {
                if started {
                    report(begin_due(app).await);
                }
                report(conclude_due(app).await);
                report(fail_due(app).await);
            }
            () = app.agents.desired_changed() => {
                report(reconcile(app).await);
            }
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
    conditions::postpone(&mut conn, now).await?;
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

async fn fail_due(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let groups = switchovers::fail_due(&mut tx, now).await?;
    if !groups.is_empty() {
        member_reports::judge_groups(&mut tx, &groups, now).await?;
    }
    tx.commit().await?;
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
