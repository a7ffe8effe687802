//! What follows the members of a group, and how it went.

use api_types::group::Group;
use api_types::hook::HookStatus;

use crate::output::{Cell, Column, Tone, age};

/// `conntrackd-commit`, or nothing.
pub(super) fn before_active(group: &Group) -> String {
    group.pre_active.as_ref().map(|first| first.hook.to_string()).unwrap_or_default()
}

/// `conntrackd-backup on backup`.
pub(super) fn in_words(group: &Group) -> String {
    let words = group.hooks.iter().map(|hook| format!("{} on {}", hook.hook, hook.on.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

/// A hook as it went on a node.
pub(super) struct Run {
    member: String,
    status: HookStatus,
}

pub(super) fn runs(group: &Group) -> Vec<Run> {
    let of = |member: &api_types::group::MemberStatus| {
        let name = member.name.clone();
        member.hooks.clone().into_iter().map(move |status| Run { member: name.clone(), status })
    };
    group.status.members.iter().flat_map(of).collect()
}

pub(super) const RUNS: &[Column<Run>] = &[
    Column::new("RUN ON", |run, _| Cell::plain(&run.member)),
    Column::new("HOOK", |run, _| Cell::plain(&run.status.hook)),
    Column::new("WHEN", |run, _| Cell::plain(run.status.on.as_str())),
    Column::new("RUNS", |run, _| Cell::plain(run.status.runs.to_string())),
    Column::new("LAST", |run, _| match run.status.succeeded {
        Some(true) => Cell::toned("succeeded", Tone::Good),
        Some(false) => Cell::toned("failed", Tone::Bad),
        None => Cell::plain(""),
    }),
    Column::new("AGO", |run, table| Cell::maybe(run.status.ended_at.map(|ended| age(ended, table.now)))),
    Column::new("DETAIL", |run, _| Cell::plain(&run.status.detail)),
];
