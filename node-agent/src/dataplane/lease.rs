//! The kernel answers for a virtual address only while its member advertises: a lease that its own
//! advertisements renew as they leave, by nftables. No process is needed to end it. Agent and parent may be
//! dead, stopped, or kept from running: once nothing has left for three intervals the address is silent,
//! although it is still bound, and no Backup has taken over before that.
//!
//! # What it proves
//! That the agent sent, and that the interface took it. Not that the wire carried it: of a LAN that is cut in
//! two, both halves have their holder.
//!
//! # Never in the way
//! - The rules are there from the time when a group comes until it has gone, so a failover never waits for
//!   `nft`. A member that takes over advertises before it announces, and with that has its lease.
//! - While the rules are not those that the groups want (an interval has grown, an interface has another
//!   address, the program is slow) the agent itself renews the leases as it advertises, for as long as they
//!   must last.
//! - Rules that cannot be replaced are removed: the address then answers without a lease, and the status says
//!   why.
//! - Once a second the rules are looked at, and the leases of Active members asked for. One that is missing
//!   although the member advertises in time is counted, told, renewed at once, and from then on by the agent.
//! - A member that resigns renews its lease for as long as it waits for a successor.
//!
//! An owner's addresses are the host's own and have no lease. Groups that speak to each peer alone are
//! renewed by the agent, since a packet whose next hop does not answer ARP never comes to where the kernel
//! could see it.

mod before;
mod fenced;
mod plan;
mod renewer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use api_types::fences::FenceStatus;
use futures_util::future::BoxFuture;
use vrrp::{Claim, Instance, Instant, Role};

use self::fenced::Fenced;
pub(super) use self::fenced::LeaseKey;
use self::plan::Plan;
use self::renewer::{Renewer, Until};
use super::address_table::AgentNumber;
use super::background::Background;
use super::group::Group;
use super::interfaces::Interfaces;
use super::nft_table::{Contents, TableKeeper};

/// How many leases are asked for at a time.
const EXAMINED_AT_ONCE: usize = 64;
/// How many groups a line of the log names.
const NAMED: usize = 3;

/// The leases of all groups.
pub(super) struct Leases {
    is_on: bool,
    keeper: TableKeeper<Fenced>,
    renewer: Renewer,
    names: BTreeMap<LeaseKey, String>,
    uncovered: BTreeSet<String>,
    /// Those that the agent renews, of those that the kernel has.
    renewed_here: BTreeSet<LeaseKey>,
    /// Those that were missing although the member had advertised in time.
    doubtful: BTreeSet<LeaseKey>,
    renewals: Vec<Until>,
    /// When each lease ends that an advertisement has renewed.
    ends: BTreeMap<LeaseKey, Instant>,
    examination_due: bool,
    examination: Option<BoxFuture<'static, Vec<LeaseKey>>>,
    examined: Option<LeaseKey>,
    /// Groups that the kernel had silenced, because the agent was late.
    silenced: BTreeSet<LeaseKey>,
    acted: u64,
    lapsed: u64,
    notices: Vec<String>,
}

impl Leases {
    /// No lease yet; the table of an earlier life is as it was. `is_on` says whether any are wanted.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(super) fn start(agent: AgentNumber, background: Background, is_on: bool) -> io::Result<Self> {
        let keeper = TableKeeper::new(agent, background);
        let renewer = Renewer::start(keeper.table().clone())?;
        Ok(Self {
            is_on,
            keeper,
            renewer,
            names: BTreeMap::new(),
            uncovered: BTreeSet::new(),
            renewed_here: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            renewals: Vec::new(),
            ends: BTreeMap::new(),
            examination_due: false,
            examination: None,
            examined: None,
            silenced: BTreeSet::new(),
            acted: 0,
            lapsed: 0,
            notices: Vec::new(),
        })
    }

    /// The virtual routers that an earlier life of the agent left, and that the kernel has silenced since. To
    /// be asked before anything is wanted.
    pub(super) async fn silenced_before(&self) -> BTreeSet<LeaseKey> {
        let silenced = self.keeper.ask(before::silenced).await;
        // Where nftables does not answer it silences nothing.
        silenced.and_then(Result::ok).unwrap_or_default()
    }

    /// Exactly these groups are to have one, as far as they can.
    pub(super) fn want<'a>(&mut self, groups: impl Iterator<Item = &'a Group>, interfaces: &Interfaces) {
        let plan = if self.is_on { Plan::of(groups, interfaces) } else { Plan::default() };
        (self.names, self.uncovered) = (plan.names, plan.uncovered);
        self.ends.retain(|key, _| self.names.contains_key(key));
        self.keeper.want(plan.fenced);
        self.choose_renewed();
    }

    /// Whether the rules are as they are wanted, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.keeper.is_settled()
    }

    /// An advertisement of the group has left. Its `last_sent` is still that of the one before.
    pub(super) fn note_sent(&mut self, group: &Group, claim: Claim, at: Instant) {
        let Some(key) = plan::key(group).filter(|key| self.names.contains_key(key)) else { return };
        let lasts = plan::lasts(group.desired());
        match claim {
            Claim::Holds(_) => {
                let written = self.keeper.now().contents.0.get(&key).map(|lease| lease.lasts);
                let before = match written {
                    Some(written) => self.ends.insert(key, at + written.max(lasts)),
                    None => self.ends.remove(&key),
                };
                let was_active = group.last_sent().is_some_and(|before| group.since() < before);
                if was_active && before.is_some_and(|before| before < at) {
                    self.acted += 1;
                    self.silenced.insert(key);
                }
                if self.renewed_here.contains(&key) {
                    self.renewals.push(Until { key, until: at + lasts });
                }
            }
            // It answers for two more intervals at most, or four for its sync group, and the last that renewed may
            // have left an interval ago.
            Claim::Resigns if group.wants_addresses() && self.has(key) => {
                let releases_at = group.instance().and_then(Instance::releases_at);
                let until = (at + lasts * 5 / 6).max(releases_at.unwrap_or(at));
                self.renewals.push(Until { key, until });
            }
            Claim::Resigns => {}
        }
    }

    /// Whether the kernel no longer answers for the group, since none of its advertisements has left for too
    /// long.
    pub(super) fn has_silenced(&self, group: &Group, now: Instant) -> bool {
        let ended = |key| self.ends.get(&key).is_some_and(|end| *end < now);
        plan::key(group).is_some_and(|key| self.has(key) && ended(key))
    }

    /// So many groups were silenced, and have let go.
    pub(super) fn note_silenced(&mut self, groups: usize) {
        self.acted += u64::try_from(groups).unwrap_or(u64::MAX);
    }

    /// Has everything renewed that was noted.
    pub(super) fn renew(&mut self) {
        if !self.renewals.is_empty() {
            self.renewer.renew(std::mem::take(&mut self.renewals));
        }
    }

    /// Asks for some of the leases that must be there, if it is time to.
    pub(super) fn examine<'a>(&mut self, groups: impl Iterator<Item = &'a Group>) {
        if !std::mem::take(&mut self.examination_due) || self.examination.is_some() {
            return;
        }
        let lives = |group: &Group| {
            let key = plan::key(group).filter(|key| self.has(*key))?;
            let holds = group.role() == Role::Active && group.departure().is_none();
            let sent = group.last_sent().filter(|sent| holds && group.since() < *sent)?;
            Some((key, sent + plan::lasts(group.desired())))
        };
        let living: BTreeMap<_, _> = groups.filter_map(lives).collect();
        let rest = self.examined.filter(|last| living.keys().next_back() != Some(last));
        let after = living.iter().filter(|(key, _)| rest.is_none_or(|last| last < **key));
        let leases: Vec<_> =
            after.take(EXAMINED_AT_ONCE).map(|(key, until)| Until { key: *key, until: *until }).collect();
        self.examined = leases.last().map(|lease| lease.key);
        if !leases.is_empty() {
            self.examination = Some(self.renewer.examine(leases));
        }
    }

    /// What people should read in the log, each once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        [self.keeper.take_notices(), std::mem::take(&mut self.notices)].concat()
    }

    /// Returns once something that was begun has been done. May be dropped and called again.
    pub(super) async fn done(&mut self) {
        let examination = async {
            match &mut self.examination {
                Some(examination) => examination.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            is_well = self.keeper.done() => self.follow_table(is_well),
            missing = examination => {
                self.examination = None;
                self.follow_missing(&missing);
            }
        }
    }

    /// How the fence stands.
    pub(super) fn status(&self) -> FenceStatus {
        let applied = self.keeper.now();
        let status = match &applied.refused {
            Some(reason) => FenceStatus {
                broken: !self.keeper.wanted().is_empty(),
                ..FenceStatus::not_armed(format!(
                    "{reason}; it needs the program nft and a kernel with an egress hook (Linux 5.16)"
                ))
            },
            None if self.keeper.wanted().is_empty() => FenceStatus::not_armed(
                self.exceptions().unwrap_or_else(|| "there is no group to cover".to_owned()),
            ),
            None if applied.contents.is_empty() => FenceStatus::not_armed("its rules are being written"),
            None => FenceStatus { detail: self.exceptions(), ..FenceStatus::armed() },
        };
        FenceStatus { acted: self.acted, lapsed: self.lapsed, ..status }
    }

    fn exceptions(&self) -> Option<String> {
        let uncovered: Vec<_> = self.uncovered.iter().cloned().collect();
        (!uncovered.is_empty()).then(|| format!("not for {}", uncovered.join(", ")))
    }

    /// Whether the kernel has a lease for it that may live or not.
    fn has(&self, key: LeaseKey) -> bool {
        self.keeper.now().contents.0.contains_key(&key)
    }

    fn choose_renewed(&mut self) {
        let renewed = self.keeper.wanted().renewed_here(&self.keeper.now().contents, &self.doubtful);
        self.renewed_here = renewed;
    }

    fn follow_table(&mut self, is_well: bool) {
        self.examination_due |= is_well;
        self.choose_renewed();
        let silenced = std::mem::take(&mut self.silenced);
        if !silenced.is_empty() {
            self.notices.push(format!(
                "the kernel had silenced {}: no advertisement had left for three intervals",
                self.name(&silenced)
            ));
        }
    }

    fn follow_missing(&mut self, missing: &[LeaseKey]) {
        if missing.is_empty() {
            return;
        }
        self.lapsed += u64::try_from(missing.len()).unwrap_or(u64::MAX);
        self.doubtful.extend(missing);
        self.choose_renewed();
        self.notices.push(format!(
            "the kernel had silenced {} although advertisements had left in time; from now on the agent itself \
             tells it when they do",
            self.name(&missing.iter().copied().collect())
        ));
    }

    fn name(&self, keys: &BTreeSet<LeaseKey>) -> String {
        let names: Vec<_> = keys.iter().filter_map(|key| self.names.get(key)).cloned().collect();
        let more = names.len().saturating_sub(NAMED);
        let named = names[..names.len() - more].join(", ");
        if more > 0 { format!("{named} and {more} more") } else { named }
    }
}
