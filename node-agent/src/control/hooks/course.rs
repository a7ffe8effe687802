//! The hooks of one group, one after the other.

use api_types::hook::{HookStatus, HookTime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Hooks;
use super::agenda::{self, Agenda, Cause, Job, Next, Standing};
use crate::control::clock;
use crate::messages::Command;
use crate::program::{self, Ended, Order, Outcome};

/// See the module.
pub(super) struct Course {
    hooks: Hooks,
    group: Uuid,
    agenda: Agenda,
    statuses: Vec<HookStatus>,
}

impl Course {
    pub(super) fn new(hooks: Hooks, group: Uuid) -> Self {
        Self { hooks, group, agenda: Agenda::default(), statuses: Vec::new() }
    }

    /// Runs until nobody says any longer how the member stands.
    pub(super) async fn run(mut self, mut standing: watch::Receiver<Standing>) {
        loop {
            let now = standing.borrow_and_update().clone();
            let next = self.agenda.next(&now, Instant::now());
            let goes_on = match next {
                Next::Run(job) => {
                    self.carry_out(job, &now, &mut standing).await;
                    standing.has_changed().is_ok()
                }
                Next::At(at) => tokio::select! {
                    () = sleep_until(at) => true,
                    changed = standing.changed() => changed.is_ok(),
                },
                Next::Nothing => standing.changed().await.is_ok(),
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn carry_out(&mut self, job: Job, standing: &Standing, told: &mut watch::Receiver<Standing>) {
        let outcome = match self.order(&job, standing) {
            Ok(order) => {
                let unwanted = async {
                    // Also when nobody says anything any more.
                    let _gone = told.wait_for(|standing| !agenda::is_wanted(&job, standing)).await;
                };
                order.run_until(&self.hooks.agent, unwanted).await
            }
            Err(why) => Outcome::not_run(why),
        };
        let (group, hook, on) = (standing.desired.name.as_str(), job.hook.as_str(), job.cause.on().as_str());
        match &outcome.ended {
            _ if outcome.is_success() => tracing::info!(group, hook, on, "hook succeeded"),
            Ended::Unwanted => tracing::info!(group, hook, on, "hook ended: the member is in another state"),
            Ended::NotRun(_) | Ended::Exited(_) | Ended::Signalled(_) | Ended::TimedOut => {
                tracing::warn!(group, hook, on, outcome = outcome.describe(), "hook failed");
            }
        }
        if outcome.ended != Ended::Unwanted {
            self.note(&job, &outcome);
        }
        if let Cause::Entrance { attempt } = job.cause
            && outcome.ended != Ended::Unwanted
        {
            let went =
                if outcome.is_success() { Ok(()) } else { Err(format!("{hook}: {}", outcome.describe())) };
            let command = Command::PreActive { group_id: self.group, attempt, outcome: went };
            // A dataplane that has ended waits for nothing.
            let _ended = self.hooks.commands.send(command).await;
        }
        self.agenda.note(job, outcome.is_success(), Instant::now());
    }

    fn order(&self, job: &Job, standing: &Standing) -> Result<Order, String> {
        let desired = &standing.desired;
        let is_it = |name: &&api_types::Name| name.as_str() == job.hook;
        let named = desired.hooks.iter().map(|hook| &hook.hook);
        let mut named = named.chain(desired.pre_active.iter().map(|pre_active| &pre_active.hook));
        let name = named.find(is_it).ok_or("the group no longer names it")?;
        let program = program::declared(&self.hooks.policy.hooks, "hook", name)?;
        let addresses: Vec<_> = desired.virtual_addresses.iter().map(ToString::to_string).collect();
        let about = [
            ("BATON_NODE", standing.node.clone()),
            ("BATON_GROUP", desired.name.to_string()),
            ("BATON_STATE", job.cause.on().as_str().to_owned()),
            ("BATON_INTERFACE", desired.interface.clone()),
            ("BATON_VRID", desired.vrid.get().to_string()),
            ("BATON_VIRTUAL_ADDRESSES", addresses.join(" ")),
        ];
        Ok(Order::of(program, &about, job.timeout))
    }

    fn note(&mut self, job: &Job, outcome: &Outcome) {
        let (on, hook): (HookTime, &str) = (job.cause.on(), &job.hook);
        let is_it = |known: &HookStatus| known.on == on && known.hook == hook;
        let runs = self.statuses.iter().find(|known| is_it(known)).map_or(0, |known| known.runs) + 1;
        self.statuses.retain(|known| !is_it(known));
        let status = HookStatus {
            on,
            hook: hook.to_owned(),
            runs,
            exit_code: outcome.exit_code(),
            detail: outcome.describe(),
            succeeded: Some(outcome.is_success()),
            ended_at: Some(clock::wall_now().into()),
        };
        self.statuses.push(status.clone());
        self.hooks.tell(self.group, status);
    }
}
