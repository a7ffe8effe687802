//! An operator moves the addresses by name, group by group, and takes that back.

use anyhow::{Result, ensure};
use api_types::switchover::Switchover;
use e2e::{Moment, eventually};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const REQUESTED: Scenario = Scenario {
    prepare: wait_until_ready,
    restore: undo,
    ..Scenario::new(
        "switchover",
        "each group is moved to the other member by `POST /groups/{g}/switchovers`, one after the other over a \
         connection that is open",
        Expected::Switchover,
        |bench| {
            let api = bench.api.open()?;
            for (number, group) in bench.groups.iter().enumerate() {
                bench.call_since(number, &bench.n2, Moment::now());
                let _record: Switchover = api.create(&switchovers_of(&group.name()), &json!({"to": "n2"}))?;
            }
            bench.wait_until_only(&bench.n2, &bench.n1)?;
            bench.tail();
            Ok(())
        },
    )
};

pub(crate) const UNDONE: Scenario = Scenario {
    prepare: |bench| {
        wait_until_ready(bench)?;
        (REQUESTED.act)(bench)
    },
    ..Scenario::new(
        "switchover_undone",
        "each switchover is taken back: the member of higher priority has the addresses again",
        Expected::Planned,
        |bench| {
            undo(bench)?;
            bench.wait_until_only(&bench.n1, &bench.n2)?;
            bench.tail();
            Ok(())
        },
    )
};

fn switchovers_of(group: &str) -> String {
    format!("groups/{group}/switchovers")
}

/// Until the server has heard from `n2` that it hears the holder: a switchover to one that does not is
/// refused.
fn wait_until_ready(bench: &Bench<'_>) -> Result<()> {
    for group in &bench.groups {
        eventually(&format!("{} has a member that is ready", group.name()), BOUND, || {
            let seen: api_types::group::Group = bench.api.get(&format!("groups/{}", group.name()))?;
            ensure!(seen.status.conditions.is_empty(), "{:?}", seen.status);
            ensure!(seen.status.active == ["n1"], "{:?}", seen.status);
            Ok(())
        })?;
    }
    Ok(())
}

fn undo(bench: &Bench<'_>) -> Result<()> {
    for group in &bench.groups {
        let records: Vec<Switchover> = bench.api.list(&switchovers_of(&group.name()))?;
        for record in records.iter().filter(|record| record.state.is_in_effect()) {
            let path = format!("{}/{}", switchovers_of(&group.name()), record.id);
            let reply = bench.api.send(Method::DELETE, &path, None)?;
            ensure!(reply.status == StatusCode::OK, "{reply:?}");
        }
    }
    Ok(())
}
