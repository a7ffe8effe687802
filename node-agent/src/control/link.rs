//! Keeps the agent known to and connected with its server, for as long as it runs.
//!
//! First an identity: the one on disk, or one for the join token from the configuration, or one that the
//! `enrol` command brings while this waits. Then sessions, one after the other, with growing pauses between
//! failed ones. An identity that the `enrol` command replaces ends the session and the pause. Nothing here is
//! needed for a failover.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::backoff::Backoff;
use super::clock;
use super::dial::{DialError, dial};
use super::enrolment::{EnrolmentError, enrol_once};
use super::error_chain::chain;
use super::identity::{AgentKey, Identity};
use super::join_token::JoinToken;
use super::overview::Overview;
use super::session::{Session, SessionContext, told_to_finish};
use super::tls;
use crate::config::ServerConfig;

/// How often an agent looks for an identity, or for another one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A clock that is off by less is not the reason for a refusal.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(2);

pub(crate) struct Link<'a> {
    pub(crate) server: &'a ServerConfig,
    pub(crate) state_dir: &'a Path,
    pub(crate) context: SessionContext,
}

/// Why a session ended, and how long it lived.
struct SessionEnd {
    error: String,
    life: Duration,
}

impl Link<'_> {
    /// Runs until `finish` turns true.
    pub(crate) async fn run(self, finish: watch::Receiver<bool>) {
        let mut finished = finish.clone();
        tokio::select! {
            () = self.keep_connected(finish) => {}
            // A session ends itself, so that it can say goodbye.
            () = async {
                told_to_finish(&mut finished).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            } => {}
        }
    }

    async fn keep_connected(&self, finish: watch::Receiver<bool>) {
        let mut sessions: u64 = 0;
        let mut identity = self.identity().await;
        loop {
            self.context.overview.send_modify(|overview| overview.node = Some(identity.node.clone()));
            self.interfaces_are_known().await;
            let replaced = tokio::select! {
                replaced = self.replaced(&identity) => replaced,
                () = self.keep_connected_as(&identity, &mut sessions, &finish) => return,
            };
            tracing::info!(node = replaced.node, node_id = %replaced.node_id, "this agent was enrolled anew");
            self.disconnected("this agent was enrolled anew".to_owned());
            identity = replaced;
        }
    }

    /// Runs until the agent stops.
    async fn keep_connected_as(
        &self,
        identity: &Identity,
        sessions: &mut u64,
        finish: &watch::Receiver<bool>,
    ) {
        let mut backoff = Backoff::default();
        let mut clock_offset = TimeDelta::zero();
        loop {
            let outcome = self.session(identity, &mut clock_offset, sessions, finish).await;
            let error = match outcome {
                Ok(SessionEnd { error, life }) => {
                    backoff.session_lived(life);
                    error
                }
                Err(error) => error,
            };
            if *finish.borrow() {
                return;
            }
            let pause = backoff.next_pause();
            if self.is_news(&error) {
                tracing::warn!(error, "no session with the server");
            } else {
                tracing::debug!(error, retry_in_ms = pause.as_millis(), "still no session with the server");
            }
            self.disconnected(error);
            tokio::time::sleep(pause).await;
        }
    }

    /// One session from beginning to end; an error when it never began.
    async fn session(
        &self,
        identity: &Identity,
        clock_offset: &mut TimeDelta,
        sessions: &mut u64,
        finish: &watch::Receiver<bool>,
    ) -> Result<SessionEnd, String> {
        let key = AgentKey::load_or_make(self.state_dir).map_err(|error| chain(&error))?;
        let config = tls::trusting(&identity.ca_pem).map_err(|error| format!("ca.pem: {}", chain(&error)))?;
        let connector = TlsConnector::from(Arc::new(config));
        let url = &self.server.url;
        let sign = |offset: TimeDelta| {
            key.sign(identity.node_id, clock::wall_now() + offset).map_err(|error| chain(&error))
        };

        let mut dialled = dial(url, &connector, &sign(*clock_offset)?).await;
        if let Err(DialError::Unauthenticated { server_time: Some(server_time), .. }) = &dialled
            && let Some(corrected) = corrected_offset(*clock_offset, *server_time, clock::wall_now())
        {
            tracing::warn!(off_by_s = corrected.num_seconds(), "this host's clock differs from the server's");
            *clock_offset = corrected;
            dialled = dial(url, &connector, &sign(corrected)?).await;
        }
        let socket = dialled.map_err(|error| not_let_in(&error, &identity.node))?;
        let (session, welcome) = Session::open(socket, self.context.clone(), identity.origin())
            .await
            .map_err(|error| chain(&error))?;
        *clock_offset = welcome.server_time.as_datetime() - clock::wall_now();
        *sessions += 1;
        tracing::info!(node = %welcome.node, %url, "session with the server");
        self.connected(*sessions);
        let began = Instant::now();
        let error = chain(&session.run(finish.clone()).await);
        Ok(SessionEnd { error, life: began.elapsed() })
    }

    fn connected(&self, sessions: u64) {
        self.context.overview.send_modify(|overview| {
            overview.connected = true;
            overview.link_since = Some(clock::wall_now().into());
            overview.last_error = None;
            overview.reconnects = sessions - 1;
        });
    }

    fn disconnected(&self, error: String) {
        self.context.overview.send_modify(|overview| {
            if overview.connected || overview.link_since.is_none() {
                overview.link_since = Some(clock::wall_now().into());
            }
            overview.connected = false;
            overview.last_error = Some(error);
        });
    }

    /// A `hello` without interfaces would say that the node has none.
    async fn interfaces_are_known(&self) {
        let mut overview = self.context.overview.subscribe();
        let _ = overview.wait_for(|overview: &Overview| overview.snapshot_seen).await;
    }

    /// Waits until there is another identity than this one. One that is gone or cannot be read replaces nothing.
    async fn replaced(&self, identity: &Identity) -> Identity {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let state_dir = self.state_dir.to_owned();
            // A disk that hangs must not hold up a session.
            let looked = tokio::task::spawn_blocking(move || Identity::load(&state_dir)).await;
            if let Ok(Ok(Some(found))) = looked
                && found != *identity
            {
                return found;
            }
        }
    }

    /// Waits until there is an identity.
    async fn identity(&self) -> Identity {
        let mut backoff = Backoff::default();
        let mut refused: Option<JoinToken> = None;
        loop {
            match Identity::load(self.state_dir) {
                Ok(Some(identity)) => return identity,
                Ok(None) => {}
                Err(error) => {
                    self.wait_without_identity(chain(&error), LOOK_AGAIN).await;
                    continue;
                }
            }
            let Some(file) = &self.server.join_token_file else {
                let advice = "not enrolled: run `baton-agent enrol --join-token-file FILE`".to_owned();
                self.wait_without_identity(advice, LOOK_AGAIN).await;
                continue;
            };
            let token = match JoinToken::read(file) {
                Ok(token) => token,
                Err(error) => {
                    self.wait_without_identity(format!("not enrolled: {}", chain(&error)), LOOK_AGAIN).await;
                    continue;
                }
            };
            if refused.as_ref() == Some(&token) {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            match enrol_once(&self.server.url, &token, self.state_dir).await {
                Ok(identity) => return identity,
                Err(error) => {
                    let pause = self.after_failed_enrolment(&error, token, &mut refused, &mut backoff);
                    self.wait_without_identity(format!("not enrolled: {}", chain(&error)), pause).await;
                }
            }
        }
    }

    /// A token that was refused is not sent again; another one in the same file is.
    fn after_failed_enrolment(
        &self,
        error: &EnrolmentError,
        token: JoinToken,
        refused: &mut Option<JoinToken>,
        backoff: &mut Backoff,
    ) -> Duration {
        if error.is_transient() {
            return backoff.next_pause();
        }
        *refused = Some(token);
        LOOK_AGAIN
    }

    fn is_news(&self, error: &str) -> bool {
        self.context.overview.borrow().last_error.as_deref() != Some(error)
    }

    async fn wait_without_identity(&self, error: String, pause: Duration) {
        if self.is_news(&error) {
            tracing::warn!(error, "no identity");
            self.disconnected(error);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Why a connection was refused, and what to do where the refusal does not say it. The clock was corrected by
/// then, so a server that does not know this agent knows another one, or none.
fn not_let_in(error: &DialError, node: &str) -> String {
    let said = chain(error);
    match error {
        DialError::Unauthenticated { server_time: Some(_), .. } => format!(
            "{said}; another agent has enrolled as {node}, or the node was deleted: join again with \
             `baton-agent enrol --replace --join-token-file FILE`"
        ),
        DialError::Unauthenticated { .. }
        | DialError::Connect(_)
        | DialError::Timeout(_)
        | DialError::Tls(_)
        | DialError::HostName(_)
        | DialError::Refused { .. }
        | DialError::Upgrade(_)
        | DialError::Token => said,
    }
}

/// What must be added to this host's clock to sign for the server's; `None` when `offset` is as good as it
/// gets.
fn corrected_offset(offset: TimeDelta, server_time: DateTime<Utc>, now: DateTime<Utc>) -> Option<TimeDelta> {
    let corrected = server_time - now;
    ((corrected - offset).abs() > CLOCK_TOLERANCE).then_some(corrected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_the_server_no_longer_knows_is_told_to_join_again_and_one_that_a_proxy_refuses_is_not() {
        let refused = |server_time| {
            let detail = "the JWT is not accepted: the signature is wrong".to_owned();
            not_let_in(&DialError::Unauthenticated { server_time, detail }, "lb1")
        };
        assert_eq!(
            refused(Some(Utc::now())),
            "the server refused this agent (HTTP 401): the JWT is not accepted: the signature is wrong; \
             another agent has enrolled as lb1, or the node was deleted: join again with `baton-agent enrol \
             --replace --join-token-file FILE`"
        );
        assert!(refused(None).ends_with("the signature is wrong"));
    }

    #[test]
    fn the_clock_is_corrected_once_and_not_for_a_second_or_two() {
        let now = Utc::now();
        let hour = TimeDelta::hours(1);
        assert_eq!(corrected_offset(TimeDelta::zero(), now + hour, now), Some(hour));
        assert_eq!(corrected_offset(TimeDelta::zero(), now - hour, now), Some(-hour));
        assert_eq!(corrected_offset(hour, now + hour, now), None);
        assert_eq!(corrected_offset(TimeDelta::zero(), now + TimeDelta::seconds(1), now), None);
    }
}
