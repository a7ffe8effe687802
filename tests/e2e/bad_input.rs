//! Requests that must be refused: each names the field, nothing changes, and no agent notices.

use anyhow::{Context, Result, ensure};
use api_types::group::Group;
use e2e::{BOUND, Lab, Moment, Site, VIP, eventually};
use reqwest::Method;
use serde_json::{Value, json};

fn member(node: &str, interface: &str, priority: i64) -> Value {
    json!({"kind": "node", "node": node, "interface": interface, "priority": priority})
}

/// What is wrong, the fields that are written over the good group, the status, and the field that is named.
fn bad_groups() -> Vec<(&'static str, Value, u16, &'static str)> {
    let good = member("n2", "eth0", 150);
    vec![
        ("VRID 0", json!({"vrid": 0}), 422, "/vrid"),
        ("VRID 256", json!({"vrid": 256}), 422, "/vrid"),
        ("priority 0", json!({"members": [member("n1", "eth0", 0), good]}), 422, "/members/0/priority"),
        ("priority 256", json!({"members": [member("n1", "eth0", 256), good]}), 422, "/members/0/priority"),
        ("interval 15", json!({"advertisement_interval_ms": 15}), 422, "/advertisement_interval_ms"),
        ("interval 0", json!({"advertisement_interval_ms": 0}), 422, "/advertisement_interval_ms"),
        ("interval 41 s", json!({"advertisement_interval_ms": 41_000}), 422, "/advertisement_interval_ms"),
        ("outside", json!({"virtual_addresses": ["192.0.2.1/24"]}), 422, "/virtual_addresses/0"),
        (
            "twice",
            json!({"virtual_addresses": ["10.77.0.7/24", "10.77.0.7/24"]}),
            422,
            "/virtual_addresses/1",
        ),
        (
            "an address of another group",
            json!({"virtual_addresses": ["10.77.0.200/24"]}),
            409,
            "/virtual_addresses/0",
        ),
        ("the VRID of another group", json!({"vrid": 52}), 409, "/vrid"),
        ("unknown node", json!({"members": [member("nobody", "eth0", 9), good]}), 422, "/members/0/node"),
        (
            "unknown interface",
            json!({"members": [member("n1", "eth7", 9), good]}),
            422,
            "/members/0/interface",
        ),
        (
            "two owners",
            json!({"members": [member("n1", "eth0", 255), member("n2", "eth0", 255)]}),
            422,
            "/members/1/priority",
        ),
        ("no members", json!({"members": []}), 422, "/members"),
        ("unknown field", json!({"vird": 51}), 422, "/vird"),
        ("unknown segment", json!({"segment": "nowhere"}), 422, "/segment"),
    ]
}

#[test]
fn every_bad_field_is_named_and_no_agent_notices() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let good = Site::group(&[("n1", 200), ("n2", 150)]);
        site.settle(&good, "n1")?;
        let mut other = good.clone();
        other["name"] = json!("other");
        other["vrid"] = json!(52);
        other["virtual_addresses"] = json!(["10.77.0.200/24"]);
        let _other: Group = site.api.put("groups/other", &other)?;
        let runs_both = || {
            let status = site.node("n1")?.status()?;
            ensure!(status.groups.len() == 2, "{:?}", status.groups);
            status.applied_revision.context("nothing is applied")
        };
        let revision = eventually("n1 runs both groups", BOUND, runs_both)?;
        let before: Group = site.api.get("groups/web")?;
        let begun = Moment::now();

        let mut wrong = Vec::new();
        for (what, fields, status, pointer) in bad_groups() {
            let mut body = good.clone();
            for (name, value) in fields.as_object().into_iter().flatten() {
                body[name] = value.clone();
            }
            let problem = site.api.refused(Method::PUT, "groups/web", Some(&body))?;
            let named = problem.errors.iter().any(|one| one.pointer == pointer && !one.detail.is_empty());
            if problem.status != status || !named {
                wrong.push(format!("{what}: wanted {status} at {pointer}, got {problem:?}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

        let after: Group = site.api.get("groups/web")?;
        ensure!(after.spec() == before.spec() && after.generation == before.generation, "{after:?}");
        let adverts = site.wait_for_adverts(20, begun)?;
        let same = |from, priority| from == site.nodes[0].host.lan && priority == 200;
        ensure!(adverts.iter().all(|(_, one)| same(one.from, one.priority)), "{adverts:?}");
        ensure!(runs_both()? == revision, "an agent was sent something");
        lab.only_holder(VIP, "n1")
    })
}
