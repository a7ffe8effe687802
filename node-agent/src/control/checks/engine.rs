//! Runs the checks of the desired state that is applied: each in a task of its own, one run at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::check::CheckSpec;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::probes::{Host, Prober};
use super::rise_and_fall::Tally;
use super::sentence;
use super::standing::Standing;
use crate::control::clock;
use crate::control::overview::Overview;
use crate::messages::CheckFinding;

/// How far apart the first runs of checks begin that came together.
const APART: Duration = Duration::from_millis(3);
/// All of them have begun by then.
const ALL_BEGUN: Duration = Duration::from_secs(1);

/// What every check has found, by name.
pub(crate) type Found = BTreeMap<String, CheckFinding>;

/// Keeps the wanted checks running.
pub(crate) struct Engine {
    host: Arc<Host>,
    overview: watch::Sender<Overview>,
    found: watch::Sender<Found>,
    running: BTreeMap<String, Running>,
}

struct Running {
    spec: CheckSpec,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    /// An engine that runs nothing yet.
    pub(crate) fn new(host: Host, overview: watch::Sender<Overview>, found: watch::Sender<Found>) -> Self {
        Self { host: Arc::new(host), overview, found, running: BTreeMap::new() }
    }

    /// Runs what is wanted until nobody can want anything any more.
    pub(crate) async fn run(mut self, mut wanted: watch::Receiver<Vec<CheckSpec>>) {
        loop {
            let checks = wanted.borrow_and_update().clone();
            self.follow(checks).await;
            if wanted.changed().await.is_err() {
                return;
            }
        }
    }

    /// What did not change goes on. What is defined anew stands as before until it has run.
    async fn follow(&mut self, wanted: Vec<CheckSpec>) {
        let is_wanted = |name: &String| wanted.iter().any(|spec| spec.name.as_str() == name);
        let gone: Vec<_> = self.running.keys().filter(|name| !is_wanted(name)).cloned().collect();
        for name in gone {
            self.end(&name).await;
        }
        self.overview.send_if_modified(|overview| {
            let before = overview.checks.len();
            overview.checks.retain(|name, _| is_wanted(name));
            overview.checks.len() != before
        });
        self.found.send_if_modified(|found| {
            let before = found.len();
            found.retain(|name, _| is_wanted(name));
            found.len() != before
        });
        let is_news = |spec: &CheckSpec| {
            let known = self.running.get(spec.name.as_str());
            known.is_none_or(|known| {
                CheckSpec { description: spec.description.clone(), ..known.spec.clone() } != *spec
            })
        };
        let news: Vec<_> = wanted.into_iter().filter(is_news).collect();
        let mut after = Duration::ZERO;
        for spec in news {
            let name = spec.name.to_string();
            self.end(&name).await;
            let before = self.overview.borrow().checks.get(&name).and_then(|standing| standing.passes);
            let keeper = Keeper {
                tally: Tally::new(spec.rise, spec.fall, before),
                prober: Prober::new(&spec, &self.host),
                spec: spec.clone(),
                overview: self.overview.clone(),
                found: self.found.clone(),
            };
            let task = tokio::spawn(keeper.keep_running(after));
            self.running.insert(name, Running { spec, task });
            after = (after + APART).min(ALL_BEGUN);
        }
    }

    /// Returns once a check says nothing any more.
    async fn end(&mut self, name: &str) {
        if let Some(mut running) = self.running.remove(name) {
            running.task.abort();
            // It was told to, so that this is the one way for it to end.
            let _aborted = (&mut running.task).await;
        }
    }
}

/// Runs one check again and again.
struct Keeper {
    spec: CheckSpec,
    tally: Tally,
    prober: Prober,
    overview: watch::Sender<Overview>,
    found: watch::Sender<Found>,
}

impl Keeper {
    async fn keep_running(mut self, first_after: Duration) {
        tokio::time::sleep(first_after).await;
        loop {
            self.prober.make_ready().await;
            let began = Instant::now();
            let limit = self.spec.timeout_ms.as_duration();
            let outcome = tokio::time::timeout(limit, self.prober.run()).await;
            let outcome =
                outcome.unwrap_or_else(|_| Err(format!("no answer within {} ms", limit.as_millis())));
            self.conclude(outcome, began.elapsed());
            // Who looks at what tells of itself need not wait.
            let next = began + self.spec.interval_ms.as_duration();
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.prober.news() => {}
            }
        }
    }

    fn conclude(&mut self, outcome: Result<String, String>, took: Duration) {
        let passed = outcome.is_ok();
        let text = outcome.unwrap_or_else(|why| why);
        let passes = self.tally.count(passed);
        let detail = match self.tally.doubt() {
            Some((runs, needed)) => sentence::of(&format!("{text} ({runs} of {needed} runs)")),
            None => sentence::of(&text),
        };
        let name = self.spec.name.as_str();
        let before = self.overview.borrow().checks.get(name).and_then(|standing| standing.passes);
        self.overview.send_if_modified(|overview| {
            let standing = overview
                .checks
                .entry(name.to_owned())
                .or_insert_with(|| Standing { kind: self.spec.probe.kind(), ..Standing::default() });
            let is_news = standing.passes != Some(passes) || standing.detail != detail;
            if standing.passes != Some(passes) {
                standing.since = Some(clock::wall_now().into());
            }
            *(if passed { &mut standing.passed } else { &mut standing.failed }) += 1;
            (standing.passes, standing.took) = (Some(passes), took);
            standing.detail.clone_from(&detail);
            is_news
        });
        if before != Some(passes) {
            if passes {
                tracing::info!(check = name, detail, "check passes");
            } else {
                tracing::warn!(check = name, detail, "check fails");
            }
        }
        // The dataplane is told when something changes for it, not with each other word for the same.
        self.found.send_if_modified(|found| {
            if found.get(name).is_some_and(|known| known.passes == passes) {
                return false;
            }
            found.insert(name.to_owned(), CheckFinding { passes, detail: sentence::of(&text) });
            true
        });
    }
}

#[cfg(test)]
mod tests;
