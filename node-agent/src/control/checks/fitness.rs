//! Which checks of a desired state this host cannot or must not run. A state with one of them is refused before the
//! dataplane hears of it; what is run is judged again by whoever runs it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api_types::channel::DesiredState;
use api_types::check::{CheckSpec, Probe};
use api_types::node::{Interface, RejectionReason};

use super::probes::{http, process};
use crate::policy::{Policy, allowed_are};
use crate::program;

/// The most checks of a node.
const MOST: usize = 1_000;

/// One reason for each check or group that cannot be. `interfaces` are those of the host, once they are known.
pub(crate) fn refusals(
    state: &DesiredState,
    policy: &Policy,
    interfaces: Option<&[Interface]>,
) -> Vec<RejectionReason> {
    let mut reasons = Vec::new();
    if state.checks.len() > MOST {
        let detail = format!("checks: {} of them: allowed are at most {MOST}", state.checks.len());
        reasons.push(RejectionReason { group: None, detail });
    }
    let mut names = BTreeSet::new();
    for check in &state.checks {
        let name = &check.name;
        if !names.insert(name) {
            reasons.push(reason(state, check, format!("check {name}: there are two of this name")));
        }
        if let Err(detail) = judge(check, policy, interfaces) {
            reasons.push(reason(state, check, format!("check {name}: {detail}")));
        }
    }
    for group in &state.groups {
        if let Some(track) = group.track.iter().find(|track| !names.contains(&track.check)) {
            let detail = format!("track: there is no check {}", track.check);
            reasons.push(RejectionReason { group: Some(group.name.to_string()), detail });
        }
    }
    reasons
}

/// A reason names the first group that has a check.
fn reason(state: &DesiredState, check: &CheckSpec, detail: String) -> RejectionReason {
    let tracks =
        |name| state.groups.iter().find(|group| group.track.iter().any(|track| &track.check == name));
    RejectionReason { group: tracks(&check.name).map(|group| group.name.to_string()), detail }
}

fn judge(check: &CheckSpec, policy: &Policy, interfaces: Option<&[Interface]>) -> Result<(), String> {
    match &check.probe {
        Probe::Interface { interface } => {
            let is_name = (1..=15).contains(&interface.len())
                && !interface.contains(|letter: char| matches!(letter, '/' | ':') || letter.is_whitespace());
            if is_name { Ok(()) } else { Err(format!("interface: {interface:?} is no name of an interface")) }
        }
        Probe::Tcp { address, .. } => judge_target("address", *address, policy, interfaces),
        Probe::Http { url, .. } => {
            judge_target("url", url.address(), policy, interfaces)?;
            http::Http::new(&check.probe).map(drop)
        }
        Probe::Process { process } => process::judge_name(process),
        Probe::File { path } => match policy.place_of_file(path) {
            Some(_) => Ok(()),
            None => Err(format!(
                "path: the policy of this host does not allow {path:?}: {}",
                allowed_are(&policy.check_files)
            )),
        },
        Probe::Script { script } => program::declared(&policy.scripts, "script", script)
            .map(drop)
            .map_err(|why| format!("script: {why}")),
    }
}

fn judge_target(
    field: &str,
    address: IpAddr,
    policy: &Policy,
    interfaces: Option<&[Interface]>,
) -> Result<(), String> {
    // What addresses the host has is not known before the dataplane has said it; then each run looks.
    if interfaces.is_none_or(|interfaces| may_connect(address, policy, interfaces)) {
        return Ok(());
    }
    Err(format!("{field}: {}", forbidden_target(address, policy)))
}

/// Whether a check may connect there.
pub(super) fn may_connect(address: IpAddr, policy: &Policy, interfaces: &[Interface]) -> bool {
    let is_own =
        || interfaces.iter().any(|interface| interface.addresses.iter().any(|net| net.addr() == address));
    policy.allows_target(address) || is_own()
}

/// Why not.
pub(super) fn forbidden_target(address: IpAddr, policy: &Policy) -> String {
    let mut allowed = vec!["loopback".to_owned(), "the host's own addresses".to_owned()];
    allowed.extend(policy.check_targets.iter().map(ToString::to_string));
    format!(
        "the policy of this host does not allow checks to connect to {address}: {}",
        allowed_are(&allowed)
    )
}

#[cfg(test)]
mod tests;
