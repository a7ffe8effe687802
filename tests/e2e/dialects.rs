//! Groups that speak otherwise than in version 3 over IPv4 multicast, from the REST API to the kernel.

use std::net::Ipv6Addr;

use anyhow::{Result, ensure};
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
fn settle(site: &Site<'_>, group: &Value, holds: impl Fn() -> Result<()>) -> Result<()> {
    let _written: Group = site.api.put("groups/web", group)?;
    eventually("n1 holds alone", BOUND, holds)?;
    eventually("the server names the holder, and nothing is amiss", BOUND, || {
        let seen: Group = site.api.get("groups/web")?;
        ensure!(seen.status.active == ["n1"] && seen.status.conditions.is_empty(), "{:?}", seen.status);
        Ok(())
    })
}

#[test]
fn version_2_unicast_and_a_virtual_mac_are_elected_in_and_handed_over() -> Result<()> {
    for fields in [
        json!({"version": 2, "advertisement_interval_ms": 1_000}),
        json!({"transport": "unicast"}),
        json!({"mac_mode": "virtual", "virtual_routes": [{"destination": "198.51.100.0/24"}]}),
        json!({
            "version": 2,
            "advertisement_interval_ms": 1_000,
            "authentication": {"type": "simple_text", "text": "s3cret"},
        }),
    ] {
        Lab::run(|lab| {
            let site = Site::start(lab, &["n1", "n2"])?;
            settle(&site, &group(fields.clone()), || lab.only_holder(VIP, "n1"))?;
            site.node("n1")?.stop()?;
            eventually("n2 holds alone", BOUND, || lab.only_holder(VIP, "n2"))?;
            ensure!(site.wait_for_failover_to("n2")?.from.as_deref() == Some("n1"));
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_group_over_ipv6_is_elected_and_handed_over() -> Result<()> {
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
    const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x100);
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        for node in &site.nodes {
            node.host.speak_ipv6()?;
        }
        let _lan: Value =
            site.api.create("segments", &json!({"name": "lan6", "prefixes": ["2001:db8:77::/64"]}))?;
        let holds_alone = |holder: &str| {
            for node in &site.nodes {
                for address in [LINK_LOCAL, GLOBAL] {
                    let holds = node.host.has_ipv6_address(address)?;
                    ensure!(holds == (node.name() == holder), "{}: {address}: {holds}", node.name());
                }
            }
            Ok(())
        };
        let addresses = [format!("{LINK_LOCAL}/64"), format!("{GLOBAL}/64")];
        let fields = json!({"family": "ipv6", "segment": "lan6", "virtual_addresses": addresses});
        settle(&site, &group(fields), || holds_alone("n1"))?;
        site.node("n1")?.stop()?;
        eventually("n2 holds alone", BOUND, || holds_alone("n2"))?;
        ensure!(site.wait_for_failover_to("n2")?.from.as_deref() == Some("n1"));
        Ok(())
    })
}
