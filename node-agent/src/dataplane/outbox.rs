//! Reports on their way to control.
//!
//! The dataplane never waits for control. Answers and transitions are kept until the channel takes them; of the
//! snapshots only the newest is worth keeping, and notices are not worth it.

use std::collections::VecDeque;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::messages::{Report, Snapshot};

/// Reports that the channel has not taken yet.
pub(super) struct Outbox {
    channel: Sender<Report>,
    kept: VecDeque<Report>,
}

impl Outbox {
    /// An outbox in front of a channel.
    pub(super) const fn new(channel: Sender<Report>) -> Self {
        Self { channel, kept: VecDeque::new() }
    }

    /// Sends the report, or keeps it until the channel takes it.
    pub(super) fn send(&mut self, report: Report) {
        self.kept.push_back(report);
        self.flush();
    }

    /// Sends the snapshot if the channel takes it now.
    pub(super) fn offer(&mut self, snapshot: Snapshot) {
        self.send_or_drop(Report::Snapshot(snapshot));
    }

    /// Has control write this to the log, if the channel takes it now.
    pub(super) fn notice(&mut self, text: String) {
        self.send_or_drop(Report::Notice(text));
    }

    fn send_or_drop(&mut self, report: Report) {
        self.flush();
        if self.kept.is_empty() {
            // Control is too slow, or gone: the next snapshot will tell.
            let _dropped = self.channel.try_send(report);
        }
    }

    /// Whether everything has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns once the channel may take what is kept; never while nothing is kept.
    pub(super) async fn writable(&self) {
        if self.is_empty() {
            std::future::pending::<()>().await;
        }
        // An error says that the channel is closed; flushing finds that out too.
        drop(self.channel.reserve().await);
    }

    /// Sends what the channel takes now.
    pub(super) fn flush(&mut self) {
        while let Some(report) = self.kept.pop_front() {
            match self.channel.try_send(report) {
                Ok(()) => {}
                Err(TrySendError::Full(report)) => return self.kept.push_front(report),
                // Nobody is left to tell.
                Err(TrySendError::Closed(_)) => self.kept.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::channel::Revision;
    use tokio::sync::mpsc;

    use super::*;

    fn applied(counter: i64) -> Report {
        Report::Applied(Revision { epoch: 1, counter })
    }

    #[tokio::test]
    async fn nothing_but_snapshots_is_lost_when_control_is_slow() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        (1..=3).for_each(|counter| outbox.send(applied(counter)));
        outbox.offer(Snapshot::default());
        assert!(!outbox.is_empty());

        let mut taken = Vec::new();
        while let Ok(report) = receiver.try_recv() {
            taken.push(report);
            outbox.writable().await;
            outbox.flush();
            if outbox.is_empty() {
                taken.extend(receiver.try_recv());
                break;
            }
        }
        assert_eq!(taken, [applied(1), applied(2), applied(3)]);
    }
}
