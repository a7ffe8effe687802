//! Tells sessions which boosts their nodes have, as soon as they change.
//!
//! A switchover is over in milliseconds, so nothing else is done on this way: whoever changed a boost wakes
//! it, here or by `NOTIFY` from another server, all boosts there are are read at once, and each session is
//! told its own. The slow poll of `push.rs` wakes it too, so that a lost notification costs time only.

use std::time::Duration;

use tokio::time::timeout;

use crate::app::App;
use crate::store::{StoreError, switchovers};

/// How long to wait before the database is asked again after it failed.
const RETRY: Duration = Duration::from_secs(1);

pub(super) async fn serve(app: &App) {
    let mut stopping = app.stopping.clone();
    loop {
        tokio::select! {
            () = stopping.wait() => return,
            () = app.agents.boosts_changed() => {}
        }
        while let Err(error) = tell(app).await {
            tracing::debug!(%error, "boosts cannot be read now");
            if timeout(RETRY, stopping.wait()).await.is_ok() {
                return;
            }
        }
    }
}

async fn tell(app: &App) -> Result<(), StoreError> {
    let mut conn = app.db.acquire().await?;
    let boosts = switchovers::boosts(&mut conn).await?;
    drop(conn);
    app.agents.boost(boosts);
    Ok(())
}
