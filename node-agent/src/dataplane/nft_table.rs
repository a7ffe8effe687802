//! Keeps one table of nftables as somebody wants it.
//!
//! It is written whole, in one transaction, by the program `nft` on a thread that may wait, and looked at
//! again from time to time: whoever flushes all rules of the host, or changes ours, is noticed and put right.
//! A table that nothing is wanted of is removed, whoever has left it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::address_table::AgentNumber;
use super::background::Background;
use super::nft::{self, NftError, TableName};

/// How soon a table that was refused is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often to look whether the table is there as it was written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look takes at most one part in so many of the time, however long the table is.
const REST_PER_LOOK: u32 = 20;

/// What is wanted of a table.
pub(super) trait Contents: Clone + Default + PartialEq + Send + Sync + 'static {
    /// The family of the table, in the words of `nft`.
    const FAMILY: &'static str;
    /// What its name has at its end, beside the agent's number.
    const SUFFIX: &'static str = "";
    /// What the table does, for people.
    const PURPOSE: &'static str;
    /// Whether what was written before must not stay when it cannot be replaced.
    const FAILS_OPEN: bool;

    /// Whether there need be no table.
    fn is_empty(&self) -> bool;

    /// The commands that fill the table, which is there and empty.
    fn fill(&self, table: &TableName) -> String;
}

/// What the table has, as far as anybody can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Applied<C> {
    pub(super) contents: C,
    /// Why it is not as it should be.
    pub(super) refused: Option<String>,
}

/// What the table has now.
#[derive(Debug)]
struct Written<C> {
    contents: C,
    /// As `nft` lists it.
    listing: Option<String>,
    /// Whether it was not as it had been written.
    restored: bool,
}

/// Why the table is not as it should be, as far as anybody can tell.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// Whether what was written before is known not to be there.
    is_gone: bool,
}

impl From<NftError> for Failure {
    fn from(error: NftError) -> Self {
        Self { reason: error.to_string(), is_gone: false }
    }
}

/// The table, or why it is not as it should be, and how long it took to find out.
type Outcome<C> = (Result<Written<C>, Failure>, Duration);

/// Keeps the table as it is wanted.
pub(super) struct TableKeeper<C> {
    background: Background,
    table: TableName,
    wanted: C,
    /// Whether the table is to be written although nothing else is wanted of it.
    stale: bool,
    /// As `nft` listed it when it was written; `None` when it is not looked for.
    listing: Option<String>,
    notices: Vec<String>,
    applied: Arc<watch::Sender<Applied<C>>>,
    busy: Option<BoxFuture<'static, Option<Outcome<C>>>>,
    nap: Option<BoxFuture<'static, ()>>,
}

impl<C: Contents> TableKeeper<C> {
    /// A keeper that has not looked yet what an earlier life of the agent has left.
    pub(super) fn new(agent: AgentNumber, background: Background) -> Self {
        Self {
            background,
            table: TableName { family: C::FAMILY, name: format!("baton_{:08x}{}", agent.0, C::SUFFIX) },
            wanted: C::default(),
            stale: true,
            listing: None,
            notices: Vec::new(),
            applied: Arc::new(watch::Sender::new(Applied::default())),
            busy: None,
            nap: None,
        }
    }

    /// What the table has, for whoever waits for it.
    pub(super) fn applied(&self) -> watch::Receiver<Applied<C>> {
        self.applied.subscribe()
    }

    /// What the table has now.
    pub(super) fn now(&self) -> watch::Ref<'_, Applied<C>> {
        self.applied.borrow()
    }

    /// Its name.
    pub(super) const fn table(&self) -> &TableName {
        &self.table
    }

    /// Has this asked about the table, once everything that was begun before is done.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&TableName) -> T + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let table = self.table.clone();
        self.background.run(move || question(&table))
    }

    /// Exactly this is wanted.
    pub(super) fn want(&mut self, wanted: C) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.stale = true;
            self.nap = None;
        }
        self.proceed();
    }

    /// What is wanted.
    pub(super) const fn wanted(&self) -> &C {
        &self.wanted
    }

    /// Whether the table is as it is wanted, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.busy.is_none() && (!self.stale || self.applied.borrow().refused.is_some())
    }

    /// What people should read in the log, each once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Returns once something that was begun has been done; true after a look or a change that went well. May
    /// be dropped and called again.
    pub(super) async fn done(&mut self) -> bool {
        let mut is_well = false;
        if let Some(busy) = &mut self.busy {
            let outcome = busy.await;
            self.busy = None;
            is_well = self.finish(outcome);
        } else if let Some(nap) = &mut self.nap {
            nap.await;
            self.nap = None;
            match self.listing.clone() {
                Some(listing) if !self.stale => self.look(listing),
                Some(_) | None => self.stale = true,
            }
        } else {
            std::future::pending::<()>().await;
        }
        self.proceed();
        is_well
    }

    fn proceed(&mut self) {
        if !self.stale || self.busy.is_some() || self.nap.is_some() {
            return;
        }
        self.stale = false;
        let (table, contents) = (self.table.clone(), self.wanted.clone());
        self.begin(move || {
            let outcome = write(&table, &contents);
            // Without the program nothing can be there either.
            let listing = if contents.is_empty() { None } else { outcome? };
            Ok(Written { contents, listing, restored: false })
        });
    }

    /// Sees to it that the table is as it was written.
    fn look(&mut self, written: String) {
        let (table, contents) = (self.table.clone(), self.wanted.clone());
        self.begin(move || {
            let restored = nft::list(&table)?.as_ref() != Some(&written);
            let gone = |failure| Failure { is_gone: true, ..failure };
            let listing = if restored { write(&table, &contents).map_err(gone)? } else { Some(written) };
            Ok(Written { contents, listing, restored })
        });
    }

    fn begin(&mut self, work: impl FnOnce() -> Result<Written<C>, Failure> + Send + 'static) {
        let timed = move || {
            let begun = Instant::now();
            let outcome = work();
            (outcome, begun.elapsed())
        };
        self.busy = Some(Box::pin(self.background.run(timed)));
    }

    fn tell(&mut self, outcome: &Result<Written<C>, Failure>) {
        let before = self.applied.borrow().refused.clone();
        let (table, purpose) = (&self.table, C::PURPOSE);
        match outcome {
            Ok(written) if written.restored && !self.stale => self.notices.push(format!(
                "somebody changed or removed the nftables table {table}, which {purpose}; it is there again"
            )),
            Ok(_) if before.is_some() => {
                self.notices.push(format!("the nftables table {table} is as it should be again"));
            }
            Err(Failure { reason, .. }) if before.as_ref() != Some(reason) => self
                .notices
                .push(format!("the nftables table {table}, which {purpose}, cannot be written: {reason}")),
            Ok(_) | Err(_) => {}
        }
    }

    /// Takes account of what was done; true if it went well.
    fn finish(&mut self, outcome: Option<Outcome<C>>) -> bool {
        let ended = || Failure { reason: "the thread that runs nft has ended".to_owned(), is_gone: false };
        let (outcome, took) = outcome.unwrap_or_else(|| (Err(ended()), Duration::ZERO));
        let wait = match &outcome {
            Ok(_) => LOOK_EVERY.max(took * REST_PER_LOOK),
            Err(_) => RETRY_AFTER,
        };
        let refused = outcome.is_err();
        self.tell(&outcome);
        self.listing = outcome.as_ref().ok().and_then(|written| written.listing.clone());
        self.applied.send_if_modified(|applied| {
            let before = applied.clone();
            match outcome {
                Ok(written) => *applied = Applied { contents: written.contents, refused: None },
                Err(Failure { reason, is_gone }) => {
                    applied.refused = Some(reason);
                    if is_gone {
                        applied.contents = C::default();
                    }
                }
            }
            *applied != before
        });
        self.stale |= refused;
        if refused || !self.wanted.is_empty() {
            // What is wanted by now and was not asked for does not wait.
            let behind = !refused && self.stale;
            self.nap = (!behind).then(|| Box::pin(tokio::time::sleep(wait)) as BoxFuture<'static, ()>);
        }
        !refused
    }
}

/// Writes the table, and lists it.
fn write<C: Contents>(table: &TableName, contents: &C) -> Result<Option<String>, Failure> {
    if let Err(error) = nft::change(&script(table, contents)) {
        // An `nft` that is gone has written nothing in this life; an earlier one's table may still be there.
        let is_gone = C::FAILS_OPEN && super::nfnetlink::remove_table(table).is_ok();
        return Err(Failure { is_gone, ..Failure::from(error) });
    }
    Ok(nft::list(table)?)
}

/// What makes the table, or removes it, in one transaction.
fn script<C: Contents>(table: &TableName, contents: &C) -> String {
    let mut script = format!("add table {table}\ndelete table {table}\n");
    if !contents.is_empty() {
        script.push_str(&format!("add table {table}\n"));
        script.push_str(&contents.fill(table));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Default, PartialEq)]
    struct Words(&'static str);

    impl Contents for Words {
        const FAMILY: &'static str = "inet";
        const PURPOSE: &'static str = "is a test";
        const FAILS_OPEN: bool = false;

        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        fn fill(&self, _table: &TableName) -> String {
            self.0.to_owned()
        }
    }

    #[test]
    fn a_table_is_replaced_as_a_whole_and_removed_when_nothing_is_wanted_of_it() {
        let table = TableName { family: "inet", name: "t".to_owned() };
        let gone = "add table inet t\ndelete table inet t\n";
        assert_eq!(script(&table, &Words("")), gone);
        assert_eq!(
            script(&table, &Words("add chain inet t c\n")),
            format!("{gone}add table inet t\nadd chain inet t c\n")
        );
    }
}
