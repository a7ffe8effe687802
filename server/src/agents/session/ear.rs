//! The reading half of a connection. It reads a few messages ahead of the clerk, so that an assist never
//! waits for the database: that is passed on as soon as it is read, and recorded afterwards.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use api_types::assist::{Assist, LetGo};
use api_types::channel::{AgentMessage, Hello};
use api_types::node::Interface;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::end::End;
use crate::agents::ingest::agent;
use crate::agents::limits::Limits;
use crate::agents::listen;
use crate::agents::protocol::{Conversation, Violation};
use crate::app::App;
use crate::store::audit::{self, Entry, Origin, Target};
use crate::store::identities::Enrolled;
use crate::store::{StoreError, assists};

/// How many messages are read ahead of the clerk.
pub(super) const AHEAD: usize = 4;
/// How many assists an agent may send in a second. Groups that fail at once let go one after the other, and
/// each says so when its addresses are gone.
const ASSISTS_PER_SECOND: u32 = 100;

/// What was heard from an agent.
pub(super) enum Heard {
    /// A message.
    Message(Box<AgentMessage>),
    /// A sign of life, and no more.
    Alive,
    /// Nothing, for as long as one that lives is not silent.
    Silence,
}

/// The reading half of a connection.
pub(super) struct Ear {
    app: App,
    node: Enrolled,
    origin: Origin,
    boot_id: Uuid,
    conversation: Conversation,
    /// Every address that the agent has called its node's own in this session: one that lost its link may
    /// have lost them, too.
    addresses: HashSet<IpAddr>,
    assists: Allowance,
}

impl Ear {
    pub(super) fn new(
        app: &App,
        node: &Enrolled,
        origin: &Origin,
        conversation: Conversation,
        hello: &Hello,
    ) -> Self {
        let mut ear = Self {
            app: app.clone(),
            node: node.clone(),
            origin: origin.clone(),
            boot_id: hello.boot_id,
            conversation,
            addresses: HashSet::new(),
            assists: Allowance::from(Instant::now()),
        };
        ear.learn(&hello.interfaces);
        ear
    }

    /// Hears the agent, once it is welcomed, until its session ends, and leaves what it says to the clerk.
    pub(super) async fn listen(
        mut self,
        stream: &mut SplitStream<WebSocket>,
        clerk: mpsc::Sender<Heard>,
        mut welcomed: watch::Receiver<bool>,
        limits: Limits,
    ) -> End {
        if welcomed.wait_for(|welcomed| *welcomed).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            let soon = timeout(limits.silent, next_message(stream)).await;
            let heard = match soon {
                Ok(heard) => Ok(heard),
                Err(_) => {
                    let _ = clerk.send(Heard::Silence).await;
                    timeout(limits.idle.saturating_sub(limits.silent), next_message(stream)).await
                }
            };
            let heard = match heard {
                Err(_) => return End::Silent(limits.idle),
                Ok(Err(end)) => return end,
                Ok(Ok(heard)) => heard,
            };
            let Some(text) = heard else {
                // Where the clerk is behind, what it has not read yet is a sign of life as well.
                let _ = clerk.try_send(Heard::Alive);
                continue;
            };
            match self.conversation.receive(&text) {
                Err(violation) => return violation.into(),
                Ok(AgentMessage::Assist(assist)) => self.pass_on(&assist),
                Ok(message) => {
                    if let AgentMessage::Status(status) = &message {
                        self.learn(&status.interfaces);
                    }
                    if clerk.send(Heard::Message(Box::new(message))).await.is_err() {
                        return std::future::pending().await;
                    }
                }
            }
        }
    }

    fn learn(&mut self, interfaces: &[Interface]) {
        let addresses = interfaces.iter().flat_map(|interface| &interface.addresses);
        self.addresses.extend(addresses.map(|address| address.addr()));
    }

    /// Tells the other members, as far as the agent speaks of what is its own.
    fn pass_on(&mut self, assist: &Assist) {
        let assists = self.app.agents.assists();
        let mut groups = assists.own(self.node.id, &assist.groups);
        groups.retain(|let_go| self.addresses.contains(&let_go.source));
        if assist.boot_id != self.boot_id || groups.is_empty() {
            tracing::warn!(node = %self.node.name, "an assist speaks of what is not the node's own");
            return;
        }
        if !self.assists.take(Instant::now()) {
            metrics::counter!("baton_assists_refused_total").increment(1);
            tracing::warn!(node = %self.node.name, "more than {ASSISTS_PER_SECOND} assists in a second");
            return;
        }
        let told = assists.deliver(self.node.id, &self.node.name, &groups);
        metrics::counter!("baton_assists_total").increment(1);
        tokio::spawn(afterwards(self.app.clone(), self.node.clone(), self.origin.clone(), groups, told));
    }
}

/// Passes an assist on to the other servers, and records it.
async fn afterwards(app: App, node: Enrolled, origin: Origin, groups: Vec<LetGo>, told: usize) {
    let done = async {
        listen::pass_on(&app, node.id, &node.name, &groups).await?;
        record(&app, &node, origin, &groups, told).await
    };
    if let Err(error) = done.await {
        tracing::warn!(node = %node.name, %error, "an assist reached this server's sessions only, or is not recorded");
    }
}

async fn record(
    app: &App,
    node: &Enrolled,
    origin: Origin,
    groups: &[LetGo],
    told: usize,
) -> Result<(), StoreError> {
    let ids: Vec<_> = groups.iter().map(|let_go| let_go.group_id).collect();
    let mut tx = app.db.begin().await?;
    let names = assists::group_names(&mut tx, &ids).await?;
    let groups: Vec<_> = groups
        .iter()
        .map(|let_go| {
            json!({"group": names.get(&let_go.group_id), "group_id": let_go.group_id, "source": let_go.source,
                   "sequence": let_go.sequence, "reason": let_go.reason})
        })
        .collect();
    let target = Target::new("node", node.id, &node.name);
    let after = json!({"groups": groups, "told": told});
    let entry = Entry::done(agent(node), origin, "assist", target).after(&after);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(())
}

/// So many in each second.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    const fn from(since: Instant) -> Self {
        Self { left: ASSISTS_PER_SECOND, since }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::from(now);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// The next text of the agent; `None` for a sign of life.
pub(super) async fn next_message<S>(stream: &mut S) -> Result<Option<Utf8Bytes>, End>
where
    S: StreamExt<Item = Result<Message, axum::Error>> + Unpin,
{
    match stream.next().await {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => {
            Err(Violation::Malformed("binary: messages are text".to_owned()).into())
        }
        Some(Ok(Message::Close(_))) | None => Err(End::Left),
        Some(Err(error)) if is_too_large(&error) => Err(End::TooLarge),
        Some(Err(error)) => Err(End::Connection(error)),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(|source| source.to_string().starts_with("Space limit exceeded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_assist_so_often_in_a_second() {
        let start = Instant::now();
        let mut allowance = Allowance::from(start);
        let mut taken = |after_ms| {
            let now = start + Duration::from_millis(after_ms);
            (0..50).filter(|_| allowance.take(now)).count()
        };
        assert_eq!([taken(0), taken(1), taken(999)], [50, 50, 0]);
        assert_eq!([taken(1_000), taken(1_500), taken(1_999)], [50, 50, 0]);
    }
}
