//! What a scenario is, and all of them.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::cell::{Family, MacMode, Shape};
use crate::expected::Expected;
use crate::measure::{Run, Trial};
use crate::scenarios;

/// A fault or a wish, and what shall come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// What is done, in a sentence.
    pub(crate) what: &'static str,
    pub(crate) expected: Expected,
    /// How many runs a cell shall have.
    pub(crate) runs: usize,
    /// Has a bench of its own, with so many groups and a client that asks less often.
    pub(crate) groups: Option<u8>,
    /// The only interval, in milliseconds, at which it is judged.
    pub(crate) only_at: Option<u32>,
    /// The only family over which it is judged.
    pub(crate) only_over: Option<Family>,
    /// The only MAC mode in which it is judged.
    pub(crate) only_in: Option<MacMode>,
    /// The shortest interval, in milliseconds, at which it is judged.
    pub(crate) from_interval_ms: u32,
    /// The longest that a cell of it takes.
    pub(crate) takes: Duration,
    /// Done before anything is measured.
    pub(crate) prepare: fn(&Bench<'_>) -> Result<()>,
    /// Done while it is measured, until all is quiet again.
    pub(crate) act: fn(&Bench<'_>) -> Result<()>,
    /// Done afterwards, so that `n1` will hold everything again.
    pub(crate) restore: fn(&Bench<'_>) -> Result<()>,
}

/// How many runs are enough for most.
pub(crate) const RUNS: usize = 20;

impl Scenario {
    /// A scenario that needs neither preparation nor restoration.
    pub(crate) const fn new(
        name: &'static str,
        what: &'static str,
        expected: Expected,
        act: fn(&Bench<'_>) -> Result<()>,
    ) -> Self {
        Self {
            name,
            what,
            expected,
            runs: RUNS,
            groups: None,
            only_at: None,
            only_over: None,
            only_in: None,
            from_interval_ms: 0,
            takes: Duration::from_secs(180),
            prepare: nothing,
            act,
            restore: nothing,
        }
    }

    /// Whether it is judged on such a bench; `groups` is how many most benches have.
    pub(crate) fn is_judged_on(&self, shape: Shape, groups: u8) -> bool {
        self.groups.unwrap_or(groups) == shape.groups
            && self.only_at.is_none_or(|only| only == shape.interval_ms)
            && self.only_over.is_none_or(|only| only == shape.family)
            && self.only_in.is_none_or(|only| only == shape.mac_mode)
            && self.from_interval_ms <= shape.interval_ms
    }

    /// Does it once on a bench that has settled, and leaves it settled.
    pub(crate) fn run(&self, bench: &Bench<'_>) -> Result<Vec<Run>> {
        (self.prepare)(bench)?;
        let trial = Trial::begin(bench)?;
        (self.act)(bench)?;
        let runs = trial.finish(bench)?;
        (self.restore)(bench)?;
        bench.settle()?;
        Ok(runs)
    }
}

fn nothing(_: &Bench<'_>) -> Result<()> {
    Ok(())
}

/// Every scenario, in the order of the report.
pub(crate) const ALL: &[Scenario] = &[
    scenarios::undisturbed::UNDISTURBED,
    scenarios::stop::STOPPED,
    scenarios::stop::RETURNS,
    scenarios::switchover::REQUESTED,
    scenarios::switchover::UNDONE,
    scenarios::switchover::NOT_TAKEN,
    scenarios::drain::DRAINED,
    scenarios::drain::UNDRAINED,
    scenarios::restart::RESTARTED,
    scenarios::restart::UPGRADED,
    scenarios::priority::LOWERED,
    scenarios::priority::RAISED,
    scenarios::membership::MEMBER_REMOVED,
    scenarios::membership::ADDRESS_REMOVED,
    scenarios::crash::WORKER_KILLED,
    scenarios::crash::WORKER_KILLED_AGAIN,
    scenarios::crash::PARENT_KILLED,
    scenarios::crash::ALL_KILLED,
    scenarios::hang::WORKER_STOPPED,
    scenarios::hang::ALL_STOPPED,
    scenarios::alone::GUARD,
    scenarios::alone::NFTABLES_LEASE,
    scenarios::alone::ADDRESS_LEASE,
    scenarios::alone::SELF_CHECK,
    scenarios::link::INTERFACE_DOWN,
    scenarios::link::CARRIER_LOST,
    scenarios::link::INTERFACE_DOWN_ALONE,
    scenarios::link::CARRIER_LOST_ALONE,
    scenarios::split::CUT_OFF,
    scenarios::split::HEALED,
    scenarios::split::LONG_HEALED,
    scenarios::announcements::LOST,
    scenarios::fast_start::FAST_START,
    scenarios::saturated::SATURATED,
];
