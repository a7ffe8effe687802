//! A gateway over IPv6 with all that a group may ask for, from the REST API to the kernel.

use std::net::Ipv6Addr;

use anyhow::{Result, ensure};
use api_types::group::Group;
use e2e::{BOUND, Lab, Site, eventually};
use serde_json::{Value, json};

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x100);

/// The group `web` of two nodes, over IPv6.
fn gateway() -> Value {
    let mut group = Site::group(&[("n1", 200), ("n2", 150)]);
    let fields = json!({
        "family": "ipv6",
        "segment": "lan6",
        "virtual_addresses": [format!("{LINK_LOCAL}/64"), format!("{GLOBAL}/64")],
        "mac_mode": "virtual",
        "accept_mode": false,
        "virtual_routes": [{"destination": "2001:db8:98::/48", "gateway": "fe80::9"}],
        "virtual_rules": [{"from": format!("{GLOBAL}/128"), "table": 1_000, "preference": 99}],
    });
    if let (Value::Object(group), Value::Object(fields)) = (&mut group, fields) {
        group.extend(fields);
    }
    group
}

#[test]
fn an_ipv6_gateway_with_a_virtual_mac_is_elected_and_handed_over() -> Result<()> {
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
        let _written: Group = site.api.put("groups/web", &gateway())?;
        eventually("n1 holds alone", BOUND, || holds_alone("n1"))?;
        eventually("the server names the holder, and nothing is amiss", BOUND, || {
            let status = site.api.get::<Group>("groups/web")?.status;
            ensure!(status.active == ["n1"] && status.conditions.is_empty(), "{status:?}");
            Ok(())
        })?;
        site.node("n1")?.stop()?;
        eventually("n2 holds alone", BOUND, || holds_alone("n2"))?;
        ensure!(site.wait_for_failover_to("n2")?.from.as_deref() == Some("n1"));
        Ok(())
    })
}
