//! Hooks: programs of this host that follow the state of a member here.
//!
//! Level-triggered. What counts is the state that a member is in: a hook of that state runs until it has succeeded, or
//! the member is in another one. The hooks of a group run one after the other, in their order; those of different
//! groups know nothing of each other. A worker that has just been started does not know what an earlier one has run, so
//! a hook may run again for the same state and must not mind.

mod agenda;
mod course;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use api_types::channel::DesiredGroup;
use api_types::hook::HookStatus;
use api_types::node::RejectionReason;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::agenda::Standing;
use self::course::Course;
use super::overview::Overview;
use crate::messages::{Command, GroupSnapshot};
use crate::policy::Policy;
use crate::program;

/// Runs the hooks of all groups.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    /// Declares the programs.
    pub(crate) policy: Arc<Policy>,
    /// The program of the agent, which runs them.
    pub(crate) agent: PathBuf,
    /// What the dataplane is told of a `pre_active` hook.
    pub(crate) commands: mpsc::Sender<Command>,
    /// Says how the members stand, and is told how the hooks went.
    pub(crate) overview: watch::Sender<Overview>,
}

impl Hooks {
    /// Runs them until it is dropped: then whatever runs is ended.
    pub(crate) async fn run(self) {
        let mut overview = self.overview.subscribe();
        let mut courses: BTreeMap<Uuid, watch::Sender<Standing>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let standings = standings(&overview.borrow_and_update());
            // A course whose standing nobody tells any longer ends.
            courses.retain(|group, _| standings.contains_key(group));
            for (group, standing) in standings {
                if let Some(course) = courses.get(&group) {
                    course.send_if_modified(|known| {
                        let differs = *known != standing;
                        *known = standing;
                        differs
                    });
                } else {
                    let (tell, told) = watch::channel(standing);
                    tasks.spawn(Course::new(self.clone(), group).run(told));
                    courses.insert(group, tell);
                }
            }
            while tasks.try_join_next().is_some() {}
            if overview.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says how a hook went for whoever asks the agent.
    fn tell(&self, group: Uuid, status: HookStatus) {
        self.overview.send_modify(|overview| {
            let hooks = overview.hooks.entry(group).or_default();
            hooks.retain(|known| (known.on, &known.hook) != (status.on, &status.hook));
            hooks.push(status);
        });
    }
}

fn standings(overview: &Overview) -> BTreeMap<Uuid, Standing> {
    let has_hooks =
        |group: &&GroupSnapshot| group.desired.pre_active.is_some() || !group.desired.hooks.is_empty();
    let groups = overview.snapshot.groups.iter().filter(has_hooks);
    groups.map(|group| (group.desired.id, Standing::of(group, overview.node.as_deref()))).collect()
}

/// Which hooks the groups name that this host does not declare.
pub(crate) fn undeclared(groups: &[DesiredGroup], policy: &Policy) -> Vec<RejectionReason> {
    let mut reasons = Vec::new();
    for group in groups {
        let pre_active =
            group.pre_active.iter().map(|pre_active| ("pre_active/hook".to_owned(), &pre_active.hook));
        let others = group.hooks.iter().enumerate();
        let others = others.map(|(position, hook)| (format!("hooks/{position}/hook"), &hook.hook));
        for (field, name) in pre_active.chain(others) {
            let refusal = program::declared(&policy.hooks, "hook", name).err();
            reasons.extend(refusal.map(|why| RejectionReason {
                group: Some(group.name.to_string()),
                detail: format!("{field}: {why}"),
            }));
        }
    }
    reasons
}
