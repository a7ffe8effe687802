//! An operator moves the addresses by name, group by group, and takes that back.

use anyhow::{Context, Result, ensure};
use api_types::switchover::{Switchover, SwitchoverState};
use e2e::{Moment, eventually};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

/// What makes a host say nothing on the LAN, and hear all.
const MUTE: &str = "
table netdev mute {
  chain out {
    type filter hook egress device eth0 priority 0
    policy drop
  }
}
";

pub(crate) const REQUESTED: Scenario = Scenario {
    prepare: |bench| bench.wait_until_ready(),
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
        bench.wait_until_ready()?;
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

pub(crate) const NOT_TAKEN: Scenario = Scenario {
    prepare: |bench| bench.wait_until_ready(),
    restore: |bench| bench.wait_until_ready(),
    ..Scenario::new(
        "switchover_not_taken",
        "each group is to be moved to a member that nobody hears: after 2 s the switchover is undone by itself",
        Expected::Undisturbed,
        |bench| {
            bench.n2.host.namespace.nft(MUTE)?;
            let api = bench.api.open()?;
            for group in &bench.groups {
                let _record: Switchover = api.create(&switchovers_of(&group.name()), &json!({"to": "n2"}))?;
            }
            eventually("every switchover has failed", BOUND, || {
                bench.groups.iter().try_for_each(|group| has_failed(bench, &group.name()))
            })?;
            bench.wait_until_only(&bench.n1, &bench.n2)?;
            bench.n2.host.namespace.nft("delete table netdev mute")?;
            bench.tail();
            Ok(())
        },
    )
};

fn has_failed(bench: &Bench<'_>, group: &str) -> Result<()> {
    let records: Vec<Switchover> = bench.api.list(&switchovers_of(group))?;
    let newest = records.first().context("there is none")?;
    ensure!(newest.state == SwitchoverState::Failed, "{newest:?}");
    Ok(())
}

pub(super) fn switchovers_of(group: &str) -> String {
    format!("groups/{group}/switchovers")
}

pub(super) fn undo(bench: &Bench<'_>) -> Result<()> {
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
