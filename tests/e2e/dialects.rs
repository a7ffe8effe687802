//! Groups that speak version 2, from the REST API to the kernel. IPv6, unicast and the virtual MAC are examples.

use anyhow::{Result, ensure};
use api_types::condition::ConditionKind;
use api_types::group::Group;
use e2e::{BOUND, Lab, Site, VIP, eventually};
use serde_json::{Value, json};

/// The group `web` of two nodes, with these fields set.
fn group(fields: Value) -> Value {
    let mut group = Site::group(&[("n1", 200), ("n2", 150)]);
    if let (Value::Object(group), Value::Object(fields)) = (&mut group, fields) {
        group.extend(fields);
    }
    group
}

/// Writes the group, and waits until its address is where it belongs and the server knows it.
fn settle(site: &Site<'_>, group: &Value, conditions: &[ConditionKind]) -> Result<()> {
    let _written: Group = site.api.put("groups/web", group)?;
    eventually("n1 holds alone", BOUND, || site.lab.only_holder(VIP, "n1"))?;
    eventually("the server names the holder, and nothing else is amiss", BOUND, || {
        let status = site.api.get::<Group>("groups/web")?.status;
        let kinds: Vec<_> = status.conditions.iter().map(|condition| condition.kind).collect();
        ensure!(status.active == ["n1"] && kinds == conditions, "{status:?}");
        Ok(())
    })
}

#[test]
fn version_2_is_elected_in_and_handed_over_with_a_text_and_without() -> Result<()> {
    let version_2 = json!({"version": 2, "advertisement_interval_ms": 1_000});
    let mut with_text = version_2.clone();
    with_text["authentication"] = json!({"type": "simple_text", "text": "s3cret"});
    for (fields, conditions) in
        [(version_2, &[][..]), (with_text, &[ConditionKind::AuthenticationInsecure][..])]
    {
        Lab::run(|lab| {
            let site = Site::start(lab, &["n1", "n2"])?;
            settle(&site, &group(fields), conditions)?;
            site.node("n1")?.stop()?;
            eventually("n2 holds alone", BOUND, || lab.only_holder(VIP, "n2"))?;
            ensure!(site.wait_for_failover_to("n2")?.from.as_deref() == Some("n1"));
            Ok(())
        })?;
    }
    Ok(())
}
