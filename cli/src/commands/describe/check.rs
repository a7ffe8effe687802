//! A check: what it looks at, which groups track it, and how it stands on each of their members.

use api_types::check::{Check, CheckStatus};
use api_types::group::Group;

use super::facts;
use crate::commands::{probe, tracked};
use crate::output::{self, Cell, Column, Table, age};

pub(super) fn sections(check: &Check, groups: &[Group], table: &Table) -> Vec<String> {
    let tracks = groups.iter().flat_map(|group| {
        let own = group.track.iter().filter(|track| track.check == check.name);
        own.map(|track| format!("{}: {}", group.name, tracked::in_words(track)))
    });
    let rows: Vec<_> = groups.iter().flat_map(|group| rows(check, group)).collect();
    let summary = facts(&[
        ("check", check.name.to_string()),
        ("description", check.description.clone()),
        ("probe", probe::in_words(&check.probe)),
        ("expects", probe::expectation(&check.probe)),
        (
            "runs",
            format!(
                "every {} ms, for {} ms at most",
                u32::from(check.interval_ms),
                u32::from(check.timeout_ms)
            ),
        ),
        ("passes after", format!("{} good in a row", check.rise.get())),
        ("fails after", format!("{} bad in a row", check.fall.get())),
        ("tracked by", tracks.collect::<Vec<_>>().join(", ")),
    ]);
    vec![summary, output::render(MEMBERS, &rows, table)]
}

struct Row {
    group: String,
    member: String,
    connected: bool,
    status: CheckStatus,
}

fn rows(check: &Check, group: &Group) -> Vec<Row> {
    let row = |member: &api_types::group::MemberStatus| {
        let status = member.checks.iter().find(|status| status.check == check.name.as_str())?;
        Some(Row {
            group: group.name.to_string(),
            member: member.name.clone(),
            connected: member.connected == Some(true),
            status: status.clone(),
        })
    };
    group.status.members.iter().filter_map(row).collect()
}

const MEMBERS: &[Column<Row>] = &[
    Column::new("GROUP", |row, _| Cell::plain(&row.group)),
    Column::new("MEMBER", |row, _| Cell::plain(&row.member)),
    Column::new("WEIGHT", |row, _| Cell::plain(row.status.weight.get().to_string())),
    Column::new("STANDS", |row, _| {
        let (word, tone) = tracked::word(&row.status);
        // Without a session it is what was last known.
        Cell::toned(if row.connected { word.to_owned() } else { format!("{word}?") }, tone)
    }),
    Column::new("FOR", |row, table| Cell::maybe(row.status.since.map(|since| age(since, table.now)))),
    Column::new("DETAIL", |row, _| Cell::plain(&row.status.detail)),
];
