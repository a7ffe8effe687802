//! Stores what an agent says, in the order in which it says it, and tells it what its node shall run.

use api_types::assist;
use api_types::channel::{
    AgentMessage, AgentStatus, DRAIN_CAPABILITY, DesiredGroup, DesiredState, Hello, MAX_MESSAGE_OCTETS,
    Revision, ServerMessage, Welcome,
};
use api_types::convergence::{self, Convergence};
use api_types::node::{Rejection, RejectionReason};
use api_types::sync_group;
use api_types::transition::TransitionRecord;
use api_types::{check, hook};
use axum::extract::ws::Message;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ear::Heard;
use super::end::End;
use super::voice::{Voice, encode};
use crate::agents::hub::{Ending, Membership};
use crate::agents::ingest::{self, ingest};
use crate::agents::protocol::Violation;
use crate::app::App;
use crate::store::audit::Origin;
use crate::store::fast_starts::ToTell;
use crate::store::identities::Enrolled;
use crate::store::sessions::{self, SessionKey};
use crate::store::{StoreError, desired, fast_starts, member_reports};

/// Stores what one agent says, and tells it what its node shall run.
pub(super) struct Clerk<'a> {
    app: &'a App,
    key: SessionKey,
    node: Enrolled,
    origin: Origin,
    voice: &'a Voice,
    /// What the agent can do beyond the first version of the channel.
    capabilities: Vec<String>,
    /// The desired state that was sent last: its revision and digest.
    sent: Option<(Revision, String)>,
    /// Whether the agent has applied something and new groups have not been looked for since.
    applied: bool,
    /// When the database last heard of a sign of life that was nothing more.
    noted: Option<Instant>,
    /// Whether the database knows that the agent is silent.
    silent: bool,
}

impl<'a> Clerk<'a> {
    pub(super) fn new(
        app: &'a App,
        key: SessionKey,
        (node, origin): (Enrolled, Origin),
        voice: &'a Voice,
        capabilities: Vec<String>,
    ) -> Self {
        let (sent, applied, noted, silent) = (None, false, None, false);
        Self { app, key, node, origin, voice, capabilities, sent, applied, noted, silent }
    }

    /// Begins the session, and then stores and answers what is heard until nothing more comes.
    pub(super) async fn work(
        &mut self,
        hello: &Hello,
        membership: &mut Membership,
        welcomed: &watch::Sender<bool>,
        heard: &mut mpsc::Receiver<Heard>,
    ) -> Result<(), End> {
        self.begin(hello).await?;
        self.push().await?;
        self.app.agents.wake_boosts();
        welcomed.send_replace(true);
        loop {
            tokio::select! {
                next = heard.recv() => match next {
                    Some(Heard::Message(message)) => {
                        self.note_voice().await?;
                        self.obey(*message).await?;
                        // What waits may be the status of what was applied, which is looked at then.
                        if self.applied && heard.is_empty() {
                            self.let_new_groups_begin().await?;
                        }
                    }
                    Some(Heard::Alive) => {
                        self.note_voice().await?;
                        let is_doubted = membership.doubted.has_changed().unwrap_or_default();
                        membership.doubted.mark_unchanged();
                        self.note_heard(is_doubted).await?;
                    }
                    Some(Heard::Silence) => self.note_silence().await?,
                    None => return Ok(()),
                },
                Ok(()) = membership.desired.changed() => {
                    let wanted = *membership.desired.borrow_and_update();
                    if self.sent.as_ref().is_none_or(|(sent, _)| *sent < wanted) {
                        self.push().await?;
                    }
                }
                Ok(()) = membership.ending.changed() => match *membership.ending.borrow_and_update() {
                    Some(Ending::Replaced) => return Err(End::Replaced),
                    Some(Ending::Gone) => return Err(End::Gone),
                    None => {}
                },
            }
        }
    }

    async fn begin(&self, hello: &Hello) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        let acknowledged = sessions::begin(&mut tx, self.key, hello, now).await?.ok_or(End::Gone)?;
        commit(tx).await?;
        self.app.agents.begun(self.key);
        let welcome = Welcome {
            node: self.node.name.clone(),
            server_time: self.app.clock.now(),
            acknowledged,
            capabilities: [assist::CAPABILITY, convergence::CAPABILITY].map(str::to_owned).into(),
        };
        self.voice.say(&ServerMessage::Welcome(welcome)).await
    }

    /// Sends what the node shall run now.
    async fn push(&mut self) -> Result<(), End> {
        let state = {
            let _turn = self.app.agents.turn().await;
            desired::read(&self.app.db, self.key.node).await?.ok_or(End::Gone)?
        };
        let state = self.as_understood(state)?;
        let groups = state.groups.iter().map(|group| group.id).collect();
        self.app.agents.assists().learn(self.key, groups);
        let (revision, digest) = (state.revision, state.digest.clone());
        let text = encode(&ServerMessage::DesiredState(state))?;
        if text.len() > MAX_MESSAGE_OCTETS {
            let detail = format!(
                "the desired state has {} octets: at most {MAX_MESSAGE_OCTETS} can be sent; it was not",
                text.len()
            );
            let reasons = vec![RejectionReason { group: None, detail }];
            self.store_rejection(&Rejection { revision, reasons }).await?;
        } else {
            self.voice.send(Message::Text(text)).await?;
            metrics::counter!("baton_desired_pushes_total").increment(1);
        }
        self.sent = Some((revision, digest));
        Ok(())
    }

    /// Without what the agent would take for damage.
    fn as_understood(&self, state: DesiredState) -> Result<DesiredState, End> {
        let knows = |capability| self.capabilities.iter().any(|word| word == capability);
        let (knows_drains, knows_checks) = (knows(DRAIN_CAPABILITY), knows(check::CAPABILITY));
        let knows_hooks = knows(hook::CAPABILITY);
        let knows_sync_groups = knows(sync_group::CAPABILITY);
        let damaged = |group: &DesiredGroup| {
            let has_hooks = group.pre_active.is_some() || !group.hooks.is_empty();
            (group.drained && !knows_drains)
                || (!group.track.is_empty() && !knows_checks)
                || (has_hooks && !knows_hooks)
                || (group.sync_group.is_some() && !knows_sync_groups)
        };
        if !state.groups.iter().any(damaged) {
            return Ok(state);
        }
        let understood = |group: DesiredGroup| DesiredGroup {
            drained: group.drained && knows_drains,
            track: if knows_checks { group.track } else { Vec::new() },
            pre_active: group.pre_active.filter(|_| knows_hooks),
            hooks: if knows_hooks { group.hooks } else { Vec::new() },
            sync_group: group.sync_group.filter(|_| knows_sync_groups),
            ..group
        };
        let groups = state.groups.into_iter().map(understood).collect();
        let checks = if knows_checks { state.checks } else { Vec::new() };
        let state = DesiredState::new(state.revision, groups, checks)
            .map_err(|error| StoreError::inconsistent("groups", self.key.node, error))?;
        Ok(state)
    }

    async fn obey(&mut self, message: AgentMessage) -> Result<(), End> {
        match message {
            AgentMessage::Hello(_) => Err(Violation::GreetedTwice.into()),
            AgentMessage::Applied { revision, digest } => {
                self.applied = true;
                self.store_applied(revision, &digest).await
            }
            AgentMessage::Rejected { revision, reasons } => {
                tracing::warn!(node = %self.node.name, %revision, ?reasons, "the desired state was refused");
                self.store_rejection(&Rejection { revision, reasons }).await
            }
            AgentMessage::Transitions { transitions } => self.store_transitions(&transitions).await,
            AgentMessage::Status(status) => {
                self.store_status(&status).await?;
                self.let_new_groups_begin().await
            }
            AgentMessage::Converged(found) => self.store_convergence(&found).await,
            // The ear has passed it on.
            AgentMessage::Assist(_) => Ok(()),
        }
    }

    async fn store_applied(&self, revision: Revision, digest: &str) -> Result<(), End> {
        let was_sent = self.sent.as_ref();
        if was_sent.is_some_and(|(sent, known)| *sent == revision && known != digest) {
            tracing::warn!(node = %self.node.name, %revision, digest, "the agent applied another state than was sent");
            return Ok(());
        }
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        sessions::applied(&mut tx, self.key.node, revision, now).await?;
        commit(tx).await
    }

    async fn store_rejection(&self, rejection: &Rejection) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        sessions::rejected(&mut tx, self.key.node, rejection, now).await?;
        commit(tx).await
    }

    async fn store_status(&self, status: &AgentStatus) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        sessions::report_interfaces(&mut tx, self.key.node, &status.interfaces, now).await?;
        self.still_ours(&mut tx).await?;
        if let Some(counters) = &status.interface_counters {
            sessions::report_counters(&mut tx, self.key.node, counters).await?;
        }
        if let Some(fences) = &status.fences {
            sessions::report_fences(&mut tx, self.key.node, fences, now).await?;
        }
        if let Some(timing) = &status.timing {
            sessions::report_timing(&mut tx, self.key.node, timing, now).await?;
        }
        let mut groups = member_reports::replace(&mut tx, self.key.node, &status.groups, now).await?;
        groups.extend(member_reports::contested(&mut tx, self.key.node).await?);
        // The others are to show that they live, so that it is known soon how many hold.
        member_reports::doubt_rivals(&mut tx, self.key.node).await?;
        member_reports::judge_groups(&mut tx, &groups, now).await?;
        commit(tx).await
    }

    /// What was said may be the last that was missing. Asked once that is committed: of two members that say
    /// it at the same time, the one that is stored last sees both.
    async fn let_new_groups_begin(&mut self) -> Result<(), End> {
        self.applied = false;
        let agents = &self.app.agents;
        let _turn = agents.turn().await;
        let told =
            fast_starts::offer(&self.app.db, agents.server(), self.key.node, self.app.clock.now()).await?;
        for ToTell { node, start, .. } in told {
            agents.fast_starts().deliver(node, start);
        }
        Ok(())
    }

    async fn store_convergence(&self, found: &Convergence) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        crate::agents::convergence::record(&mut tx, &self.node, found, now).await?;
        commit(tx).await
    }

    /// Answers only after the commit: what is acknowledged is recorded.
    async fn store_transitions(&self, batch: &[TransitionRecord]) -> Result<(), End> {
        let now = self.app.clock.now();
        let ingested = {
            let _turn = self.app.agents.turn().await;
            let mut tx = self.transaction().await?;
            let ingested = ingest(&mut tx, &self.node, &self.origin, batch, now).await?;
            commit(tx).await?;
            ingested
        };
        ingest::count(&ingested);
        match ingested.acknowledged {
            Some(acknowledged) => self.voice.say(&ServerMessage::Ack(acknowledged)).await,
            None => Ok(()),
        }
    }

    /// A sign of life of one that claims to hold what another holds too says that both do.
    async fn note_heard(&mut self, is_doubted: bool) -> Result<(), End> {
        let note = self.app.session_limits.note;
        if !is_doubted && self.noted.is_some_and(|noted| noted.elapsed() < note) {
            return Ok(());
        }
        self.noted = Some(Instant::now());
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        let groups = member_reports::contested(&mut tx, self.key.node).await?;
        if !groups.is_empty() {
            member_reports::judge_groups(&mut tx, &groups, self.app.clock.now()).await?;
        }
        commit(tx).await
    }

    /// Two pings were not answered: nobody should count on this node now.
    async fn note_silence(&mut self) -> Result<(), End> {
        self.silent = true;
        self.store_silence(true).await
    }

    async fn note_voice(&mut self) -> Result<(), End> {
        if std::mem::take(&mut self.silent) { self.store_silence(false).await } else { Ok(()) }
    }

    async fn store_silence(&self, is_silent: bool) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        sessions::set_silent(&mut tx, self.key, is_silent, now).await?;
        commit(tx).await
    }

    /// Refuses to store for a session that is not the one of its node any more.
    async fn still_ours(&self, conn: &mut PgConnection) -> Result<(), End> {
        if sessions::heard(conn, self.key, self.app.clock.now()).await? { Ok(()) } else { Err(End::Gone) }
    }

    async fn transaction(&self) -> Result<Transaction<'static, Postgres>, End> {
        Ok(self.app.db.begin().await.map_err(StoreError::from)?)
    }
}

async fn commit(tx: Transaction<'static, Postgres>) -> Result<(), End> {
    Ok(tx.commit().await.map_err(StoreError::from)?)
}
