//! A desired state that the agent must refuse: its host would not answer for a virtual address.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::condition::ConditionKind;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use e2e::{BOUND, Lab, Moment, Site, VIP, VRID, always, eventually};

#[test]
fn it_is_refused_with_its_reason_and_the_one_before_goes_on() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let n1 = site.node("n1")?;
        let running = n1.status()?.applied_revision;

        // With arp_ignore 2 the kernel answers only askers within the subnet of the address, and ours is a
        // /32.
        n1.host.namespace.set_sysctl("net/ipv4/conf/eth0/arp_ignore", "2")?;
        let edited = Moment::now();
        let _group: Group = site.api.put("groups/web", &Site::group(&[("n1", 100), ("n2", 150)]))?;
        eventually("the server has the reason", BOUND, || {
            let node: NodeResource = site.api.get("nodes/n1")?;
            let reasons = node.status.rejection.map(|rejection| rejection.reasons).unwrap_or_default();
            let told = reasons
                .iter()
                .any(|one| one.group.as_deref() == Some("web") && one.detail.contains("arp_ignore"));
            let condition =
                node.status.conditions.iter().any(|one| one.kind == ConditionKind::ConfigRejected);
            ensure!(told && condition, "{reasons:?}, {:?}", node.status.conditions);
            ensure!(node.status.applied_revision == running, "{:?}", node.status.applied_revision);
            Ok(())
        })?;
        always("n1 holds on", Duration::from_secs(1), || lab.only_holder(VIP, "n1"))?;
        let adverts = site.capture.adverts(VRID, edited);
        ensure!(adverts.iter().all(|(_, one)| one.priority == 200), "half applied: {adverts:?}");
        let status = n1.status()?;
        ensure!(status.rejection.is_some() && status.applied_revision == running, "{status:?}");

        // What stood in the way is removed; the same edit, made again by another, goes through.
        n1.host.namespace.set_sysctl("net/ipv4/conf/eth0/arp_ignore", "0")?;
        site.settle(&Site::group(&[("n1", 101), ("n2", 150)]), "n2")?;
        eventually("the condition is over", BOUND, || {
            let node: NodeResource = site.api.get("nodes/n1")?;
            ensure!(node.status.rejection.is_none(), "{:?}", node.status.rejection);
            ensure!(node.status.conditions.is_empty(), "{:?}", node.status.conditions);
            Ok(())
        })
    })
}
