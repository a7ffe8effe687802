//! Which hook of a group is next. Pure: told how the member stands and what has run, it says what to run and when.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::hook::HookTime;
use api_types::transition::State;
use tokio::time::Instant;

use crate::messages::{Entrance, GroupSnapshot};

/// How long after a failure a hook runs again; twice as long after each further one, up to the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);

/// How a member stands, as far as hooks are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) node: String,
    pub(super) desired: DesiredGroup,
    pub(super) state: State,
    pub(super) since_boottime_ns: u64,
    pub(super) entrance: Option<Entrance>,
}

impl Standing {
    pub(super) fn of(group: &GroupSnapshot, node: Option<&str>) -> Self {
        Self {
            node: node.unwrap_or_default().to_owned(),
            desired: group.desired.clone(),
            state: group.state,
            since_boottime_ns: group.since_boottime_ns,
            entrance: group.entrance,
        }
    }

    /// The attempt whose hook nobody has said anything about yet.
    fn waits(&self) -> Option<u64> {
        self.entrance.filter(|entrance| !entrance.open).map(|entrance| entrance.attempt)
    }
}

/// One run of one hook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) cause: Cause,
    pub(super) hook: String,
    pub(super) timeout: Duration,
}

/// Why it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// The member has begun to hold the addresses, and waits for it.
    Entrance { attempt: u64 },
    /// The member is in this state since then.
    State { on: HookTime, since_boottime_ns: u64 },
}

impl Cause {
    pub(super) const fn on(self) -> HookTime {
        match self {
            Self::Entrance { .. } => HookTime::PreActive,
            Self::State { on, .. } => on,
        }
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This, now.
    Run(Job),
    /// Something, at this time, if the member still stands as it does.
    At(Instant),
    /// Nothing, as long as the member stands as it does.
    Nothing,
}

/// What has run for the present state.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    done: BTreeMap<Job, Progress>,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    Succeeded,
    Failed { times: u32, again_at: Instant },
}

impl Agenda {
    /// What comes next for a member that stands so.
    pub(super) fn next(&mut self, standing: &Standing, now: Instant) -> Next {
        self.done.retain(|job, _| is_wanted(job, standing));
        let mut earliest: Option<Instant> = None;
        for job in jobs(standing) {
            match self.done.get(&job) {
                None => return Next::Run(job),
                Some(Progress::Succeeded) => {}
                Some(Progress::Failed { again_at, .. }) if *again_at <= now => return Next::Run(job),
                Some(Progress::Failed { again_at, .. }) => {
                    earliest = Some(earliest.map_or(*again_at, |known| known.min(*again_at)));
                }
            }
        }
        earliest.map_or(Next::Nothing, Next::At)
    }

    /// A job has ended.
    pub(super) fn note(&mut self, job: Job, succeeded: bool, now: Instant) {
        // The member is told once how its attempt went, and makes another one if it likes.
        let is_final = succeeded || matches!(job.cause, Cause::Entrance { .. });
        let times = match self.done.get(&job) {
            Some(Progress::Failed { times, .. }) => times.saturating_add(1),
            Some(Progress::Succeeded) | None => 1,
        };
        let wait = AGAIN_AFTER.saturating_mul(1 << (times - 1).min(5)).min(AGAIN_AT_MOST);
        let failed = Progress::Failed { times, again_at: now + wait };
        self.done.insert(job, if is_final { Progress::Succeeded } else { failed });
    }
}

/// Whether the member still stands so that this is to run.
pub(super) fn is_wanted(job: &Job, standing: &Standing) -> bool {
    jobs(standing).contains(job)
}

/// What is to run for a member that stands so. While it waits to answer for the addresses nothing else is.
fn jobs(standing: &Standing) -> Vec<Job> {
    let Standing { desired, state, since_boottime_ns, .. } = standing;
    if let (Some(attempt), Some(pre_active)) = (standing.waits(), &desired.pre_active) {
        return vec![Job {
            cause: Cause::Entrance { attempt },
            hook: pre_active.hook.to_string(),
            timeout: pre_active.timeout_ms.as_duration(),
        }];
    }
    if standing.entrance.is_some() {
        return Vec::new();
    }
    let cause = Cause::State { on: HookTime::from(*state), since_boottime_ns: *since_boottime_ns };
    let mut jobs: Vec<Job> = Vec::new();
    for hook in desired.hooks.iter().filter(|hook| hook.on == *state) {
        let job = Job { cause, hook: hook.hook.to_string(), timeout: hook.timeout_ms.as_duration() };
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::control::test_data;

    fn standing(state: State, since_boottime_ns: u64, entrance: Option<Entrance>) -> Standing {
        let mut group = test_data::group();
        group.desired.hooks = serde_json::from_value(json!([
            {"on": "backup", "hook": "one"}, {"on": "backup", "hook": "two"}, {"on": "active", "hook": "three"}
        ]))
        .unwrap();
        group.desired.pre_active = Some(serde_json::from_value(json!({"hook": "commit"})).unwrap());
        (group.state, group.since_boottime_ns, group.entrance) = (state, since_boottime_ns, entrance);
        Standing::of(&group, Some("lb1"))
    }

    fn runs(next: Next) -> Job {
        let Next::Run(job) = next else { panic!("{next:?}") };
        job
    }

    #[test]
    fn the_hooks_of_a_state_run_in_their_order_once_each_has_succeeded() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        let backup = standing(State::Backup, 1, None);
        for name in ["one", "two"] {
            let job = runs(agenda.next(&backup, now));
            assert_eq!((job.hook.as_str(), job.cause.on()), (name, HookTime::Backup));
            agenda.note(job, true, now);
        }
        assert_eq!(agenda.next(&backup, now), Next::Nothing);
        assert_eq!(
            runs(agenda.next(&standing(State::Backup, 2, None), now)).hook,
            "one",
            "it is Backup anew"
        );
        assert_eq!(runs(agenda.next(&standing(State::Active, 3, None), now)).hook, "three");
        assert_eq!(agenda.next(&standing(State::Fault, 4, None), now), Next::Nothing);
    }

    #[test]
    fn a_hook_that_fails_runs_again_ever_later_and_does_not_keep_the_next_one_waiting() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        let backup = standing(State::Backup, 1, None);
        let one = runs(agenda.next(&backup, now));
        agenda.note(one.clone(), false, now);
        let two = runs(agenda.next(&backup, now));
        agenda.note(two, true, now);
        let mut at = now;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let again = at + Duration::from_secs(seconds);
            assert_eq!(agenda.next(&backup, at), Next::At(again));
            assert_eq!(runs(agenda.next(&backup, again)), one);
            agenda.note(one.clone(), false, again);
            at = again;
        }
        assert_eq!(
            runs(agenda.next(&standing(State::Active, 2, None), at)).hook,
            "three",
            "the state is gone"
        );
        assert_eq!(
            runs(agenda.next(&standing(State::Backup, 3, None), at)),
            Job { cause: Cause::State { on: HookTime::Backup, since_boottime_ns: 3 }, ..one }
        );
    }

    #[test]
    fn a_member_that_waits_to_answer_runs_nothing_but_its_hook_and_that_once() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        let waits = |attempt, open| Some(Entrance { attempt, since_boottime_ns: 5, open });
        let waiting = standing(State::Active, 5, waits(7, false));
        let job = runs(agenda.next(&waiting, now));
        assert_eq!((job.hook.as_str(), job.cause), ("commit", Cause::Entrance { attempt: 7 }));
        let backup =
            Job { cause: Cause::State { on: HookTime::Backup, since_boottime_ns: 1 }, ..job.clone() };
        assert!(is_wanted(&job, &waiting) && !is_wanted(&backup, &waiting));
        agenda.note(job, false, now);
        assert_eq!(agenda.next(&waiting, now + AGAIN_AT_MOST), Next::Nothing, "the member decides");
        assert_eq!(agenda.next(&standing(State::Active, 5, waits(7, true)), now), Next::Nothing);
        assert_eq!(runs(agenda.next(&standing(State::Active, 9, waits(8, false)), now)).hook, "commit");
        assert_eq!(runs(agenda.next(&standing(State::Active, 9, None), now)).hook, "three");
    }
}
