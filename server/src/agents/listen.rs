//! What the servers that share a database notify each other of.
//!
//! `baton_desired` and `baton_boosts` say that something changed, not what: whoever is woken asks the rows.
//! `baton_doubts` names the nodes whose agents shall show that they live. `baton_assists` and `baton_fast_starts` carry what is to be told itself, for it is no state that anybody
//! could ask for.

use std::time::Duration;

use api_types::Name;
use api_types::assist::LetGo;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgListener, PgNotification};
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::App;
use crate::store::fast_starts::ToTell;
use crate::store::{StoreError, assists};

const DESIRED: &str = "baton_desired";
const BOOSTS: &str = "baton_boosts";
const DOUBTS: &str = "baton_doubts";
const ASSISTS: &str = "baton_assists";
const FAST_STARTS: &str = "baton_fast_starts";

/// How long to wait before the database is asked for a new listener.
const RETRY: Duration = Duration::from_secs(1);

/// The most groups in one notification, which has room for 8,000 octets.
const MOST_GROUPS: usize = 40;

/// An assist on its way to the other servers.
#[derive(Debug, Serialize, Deserialize)]
struct PassedOn {
    server: Uuid,
    node: Uuid,
    name: Name,
    groups: Vec<LetGo>,
}

/// Hears the other servers, and this one.
pub(super) async fn serve(app: &App) {
    let mut stopping = app.stopping.clone();
    loop {
        match listen(app).await {
            Ok(mut listener) => {
                // What was notified before is not heard any more.
                wake_all(app);
                tokio::select! {
                    // First, so that what the stop itself takes away is not taken for a failure.
                    biased;
                    () = stopping.wait() => return,
                    () = hear(app, &mut listener) => {}
                }
                wake_all(app);
            }
            // Only the server itself closes its pool, once it stops.
            Err(sqlx::Error::PoolClosed) => {}
            Err(error) => tracing::warn!(%error, "cannot listen to the database"),
        }
        if timeout(RETRY, stopping.wait()).await.is_ok() {
            return;
        }
    }
}

async fn listen(app: &App) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(&app.db).await?;
    // A lost connection must be noticed, because what was notified meanwhile is lost with it.
    listener.eager_reconnect(false);
    listener.listen_all([DESIRED, BOOSTS, DOUBTS, ASSISTS, FAST_STARTS]).await?;
    Ok(listener)
}

/// Until the listener is lost.
async fn hear(app: &App, listener: &mut PgListener) {
    loop {
        match listener.try_recv().await {
            Ok(Some(notification)) => obey(app, &notification),
            // Only the server itself closes its pool, once it stops.
            Ok(None) | Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "the listener of the database is lost");
                return;
            }
        }
    }
}

fn wake_all(app: &App) {
    app.agents.wake_desired();
    app.agents.wake_boosts();
}

fn obey(app: &App, notification: &PgNotification) {
    match notification.channel() {
        DESIRED => app.agents.wake_desired(),
        BOOSTS => app.agents.wake_boosts(),
        DOUBTS => match serde_json::from_str::<Vec<Uuid>>(notification.payload()) {
            Ok(nodes) => app.agents.doubt(&nodes),
            Err(error) => tracing::debug!(%error, "another server doubts what this one cannot read"),
        },
        ASSISTS => match serde_json::from_str::<PassedOn>(notification.payload()) {
            Ok(assist) if assist.server == app.agents.server() => {}
            Ok(PassedOn { node, name, groups, .. }) => {
                app.agents.assists().deliver(node, &name, &groups);
            }
            Err(error) => tracing::debug!(%error, "another server passed on what this one cannot read"),
        },
        FAST_STARTS => match serde_json::from_str::<ToTell>(notification.payload()) {
            Ok(ToTell { by, .. }) if by == app.agents.server() => {}
            Ok(ToTell { node, start, .. }) => app.agents.fast_starts().deliver(node, start),
            Err(error) => {
                tracing::debug!(%error, "another server tells a fast start that this one cannot read")
            }
        },
        other => tracing::debug!(channel = other, "nobody listens to this channel"),
    }
}

/// Passes an assist on to the other servers.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn pass_on(app: &App, node: Uuid, name: &Name, groups: &[LetGo]) -> Result<(), StoreError> {
    let server = app.agents.server();
    let mut payloads = Vec::new();
    for groups in groups.chunks(MOST_GROUPS) {
        let assist = PassedOn { server, node, name: name.clone(), groups: groups.to_vec() };
        let payload = serde_json::to_string(&assist);
        payloads.push(payload.map_err(|error| StoreError::inconsistent("assists", node, error))?);
    }
    let mut conn = app.db.acquire().await?;
    assists::notify(&mut conn, &payloads).await
}

#[cfg(test)]
mod tests {
    use api_types::assist::LetGoReason;

    use super::*;

    #[test]
    fn the_longest_assist_fits_into_a_notification() {
        let let_go = LetGo {
            group_id: Uuid::max(),
            source: "fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
            sequence: u16::MAX,
            reason: LetGoReason::CarrierLost,
        };
        let name = "a".repeat(63).parse().unwrap();
        let longest =
            PassedOn { server: Uuid::max(), node: Uuid::max(), name, groups: vec![let_go; MOST_GROUPS] };
        assert!(serde_json::to_string(&longest).unwrap().len() < 8_000);
    }
}
