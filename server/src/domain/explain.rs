//! Why the addresses of a group are where they are, in sentences that an on-call person understands, and what happens if
//! the holder fails.
//!
//! The rules are those of the election (RFC 9568 §6.4); this file only says what they come to here.

use api_types::explanation::Explanation;
use api_types::failover::{Failover, FailoverCause};
use api_types::group::{Group, Member};
use api_types::transition::State;
use vrrp::Priority;

use super::holder::{Observed, ObservedNode};
use super::readiness;

/// What there is to explain.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The group, with what was made of the reports.
    pub group: &'a Group,
    /// Its members as they were last reported, in the order of the specification.
    pub observed: &'a [Observed],
    /// Its last failover.
    pub last: Option<&'a Failover>,
}

/// Explains it.
#[must_use]
pub fn explain(scene: &Scene<'_>) -> Explanation {
    let holder = readiness::holder(scene.observed).map(Observed::name);
    let mut sentences = vec![scene.who_holds(holder)];
    if let Some(holder) = holder {
        sentences.extend(scene.why(holder));
        sentences.extend(scene.checks_of(holder));
    }
    sentences.extend(scene.last.map(|last| how_they_came(last, holder)));
    for member in &scene.group.members {
        let name = member.name().as_str();
        if Some(name) != holder {
            sentences.push(scene.what_is(member));
            sentences.extend(scene.checks_of(name));
        }
    }
    let standby = &scene.group.status.standby;
    sentences.extend(holder.map(|holder| scene.what_next(holder)));
    Explanation {
        group: scene.group.name.to_string(),
        holder: holder.map(str::to_owned),
        next: holder.and_then(|_| standby.ready.first().cloned()),
        sentences,
    }
}

impl Scene<'_> {
    fn node(&self, name: &str) -> Option<&ObservedNode> {
        self.observed.iter().find_map(|member| match member {
            Observed::Node(node) if node.name == name => Some(node),
            Observed::Node(_) | Observed::External { .. } => None,
        })
    }

    fn configured(&self, name: &str) -> Option<Priority> {
        self.group.members.iter().find(|member| member.name().as_str() == name).map(Member::priority)
    }

    /// What it advertises, or would.
    fn effective(&self, name: &str) -> Option<Priority> {
        let said =
            self.node(name).and_then(ObservedNode::fresh_report).map(|report| report.effective_priority);
        said.or_else(|| self.configured(name))
    }

    fn who_holds(&self, holder: Option<&str>) -> String {
        let several = &self.group.status.active;
        match holder {
            Some(holder) if several.len() > 1 => format!(
                "{} hold the addresses at the same time; {holder} is the one that the others should yield to.",
                several.join(" and ")
            ),
            Some(holder) => {
                let since = self.node(holder).and_then(|node| node.report).map(|report| report.since);
                let since = since.map_or_else(String::new, |since| format!(" since {since}"));
                format!("{holder} holds the addresses of group {}{since}.", self.group.name)
            }
            None => match several.as_slice() {
                [] => format!("Nobody is known to hold the addresses of group {}.", self.group.name),
                last => format!(
                    "Nobody who can be asked says who holds the addresses of group {}; the last to say so was {}.",
                    self.group.name,
                    last.join(" and ")
                ),
            },
        }
    }

    /// Why this one and no other.
    fn why(&self, holder: &str) -> Vec<String> {
        if let Some(switchover) = &self.group.status.switchover {
            let to = &switchover.to;
            let at = switchover.requested_at;
            return vec![if to == holder {
                format!(
                    "An operator moved them there (requested at {at}): they stay, whatever the priorities say, until \
                     `baton switchover undo {}` or until {to} fails.",
                    self.group.name
                )
            } else {
                format!("An operator asked for {to} to hold them (at {at}), which has not taken over yet.")
            }];
        }
        let Some(own) = self.effective(holder) else { return Vec::new() };
        if own.is_owner() {
            return vec![format!(
                "{holder} owns the addresses (priority 255): it holds them whenever it takes part."
            )];
        }
        let above: Vec<_> = self
            .group
            .members
            .iter()
            .map(|member| member.name().as_str())
            .filter(|name| *name != holder && self.effective(name) > Some(own))
            .collect();
        if above.is_empty() {
            let priority = format!("Its priority of {own} is the highest of the members");
            return vec![if self.group.members.len() == 1 {
                format!("It is the only member; its priority is {own}.")
            } else {
                format!("{priority}, so everybody else yields to it.")
            }];
        }
        above.into_iter().map(|name| self.why_not_above(name, holder, own)).collect()
    }

    /// Why `name`, whose priority is higher, does not hold them.
    fn why_not_above(&self, name: &str, holder: &str, own: Priority) -> String {
        let higher = self.effective(name).map_or_else(String::new, |priority| priority.to_string());
        let begins = format!("{name} has a higher priority ({higher}, {holder} has {own})");
        if let Some(why) = self.not_ready(name) {
            return format!("{begins}, but {why}.");
        }
        let delay = self.group.preempt_delay_ms.as_millis();
        match (self.group.preempt_mode, delay) {
            (false, _) => format!(
                "{begins}, but preempt_mode is off: who holds the addresses keeps them until it fails or is drained."
            ),
            (true, 0) => format!("{begins}, and is about to take over."),
            (true, delay) => format!(
                "{begins}, and takes over once it has heard {holder} for {delay} ms (preempt_delay_ms)."
            ),
        }
    }

    fn not_ready(&self, name: &str) -> Option<&str> {
        let not_ready = &self.group.status.standby.not_ready;
        not_ready.iter().find(|one| one.member == name).map(|one| one.reason.as_str())
    }

    /// What a member is that does not hold them, and whether it could.
    fn what_is(&self, member: &Member) -> String {
        let name = member.name().as_str();
        let priority = self.effective(name).unwrap_or_else(|| member.priority());
        if let Member::External(external) = member {
            return format!(
                "{name} at {} is a router without an agent, expected to have priority {priority}: it takes over by its \
                 own rules, and nobody can tell whether it could now.",
                external.address
            );
        }
        if let Some(why) = self.not_ready(name) {
            return format!("{name} could not take over: it {why}.");
        }
        let state = self.node(name).and_then(ObservedNode::fresh_report).map(|report| report.state);
        let state = state.map_or("of unknown state", State::as_str);
        let ready = self.group.status.standby.ready.iter().any(|ready| ready == name);
        let could = if ready { "could take over now" } else { "holds nothing" };
        format!("{name} is {state} with priority {priority} and {could}.")
    }

    /// What the checks of a member come to, where it is not what was configured.
    fn checks_of(&self, name: &str) -> Option<String> {
        let node = self.node(name)?;
        let failing: Vec<_> = node
            .fresh_details()
            .into_iter()
            .flat_map(|details| &details.checks)
            .filter(|check| check.passing == Some(false))
            .map(|check| format!("{} ({})", check.check, check.detail))
            .collect();
        let (configured, effective) = (self.configured(name)?, self.effective(name)?);
        let is_boosted = node.fresh_details().is_some_and(|details| details.boost.is_some());
        let differs = (configured != effective && !is_boosted)
            .then(|| format!("{name} is configured with priority {configured} and stands at {effective}"));
        match (differs, failing.is_empty()) {
            (None, true) => None,
            (Some(differs), true) => Some(format!("{differs} by its checks.")),
            (Some(differs), false) => Some(format!("{differs}: failing checks are {}.", failing.join(", "))),
            (None, false) => Some(format!("Failing checks of {name}: {}.", failing.join(", "))),
        }
    }

    fn what_next(&self, holder: &str) -> String {
        let standby = &self.group.status.standby;
        let unknown = match standby.unknown.as_slice() {
            [] => String::new(),
            names => format!(" {} may take over by its own rules.", names.join(" or ")),
        };
        let Some((next, then)) = standby.ready.split_first() else {
            let reasons: Vec<_> =
                standby.not_ready.iter().map(|one| format!("{} {}", one.member, one.reason)).collect();
            let why = match (reasons.as_slice(), self.group.members.len()) {
                (_, 1) => "it is the only member".to_owned(),
                ([], _) => "no other member has an agent".to_owned(),
                (reasons, _) => reasons.join("; "),
            };
            return format!("If {holder} fails, nobody is known to take over: {why}.{unknown}");
        };
        let by = self.effective(next).map_or_else(String::new, |priority| format!(" (priority {priority})"));
        let interval = self.group.advertisement_interval_ms;
        let then = match then {
            [] => "nobody after it".to_owned(),
            [then, ..] => format!("{then} after it"),
        };
        format!(
            "If {holder} fails, {next}{by} takes over, {then}: at once where {holder} can still say so, else within \
             four intervals of {interval}.{unknown}"
        )
    }
}

fn how_they_came(last: &Failover, holder: Option<&str>) -> String {
    let Failover { from, to, .. } = last;
    let before = from.as_deref().unwrap_or("nobody");
    let because = match last.cause {
        FailoverCause::NoResponse if from.is_none() => "since nobody was heard".to_owned(),
        FailoverCause::NoResponse => format!("since {before} fell silent"),
        FailoverCause::PriorityZero => format!("since {before} resigned: it was stopped, drained or failed"),
        FailoverCause::Preempting => format!("since {to} has the higher priority"),
        FailoverCause::OwnerStarted => format!("since {to} owns them and was back"),
        FailoverCause::Switchover => "since an operator asked for it".to_owned(),
    };
    let at = last.announced_at.or(last.bound_at).unwrap_or(last.recorded_at);
    let gap =
        last.gap_ms.map_or_else(String::new, |gap| format!("; nobody answered for {gap:.0} ms at most"));
    let news = if holder == Some(to.as_str()) { "" } else { " That record is of the past." };
    format!("They last moved at {at}, from {before} to {to}, {because}{gap}.{news}")
}

#[cfg(test)]
mod tests;
