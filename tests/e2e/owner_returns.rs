//! The owner of the address (priority 255: it is the address of its own interface) dies and returns.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::node::Node as NodeResource;
use e2e::{ArpProber, BOUND, Lab, Moment, Site, VIP, VRID, eventually};

#[test]
fn an_owner_that_returns_has_its_address_to_itself_again() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        n1.host.add_address(VIP)?;
        eventually("n1 reports its address", BOUND, || {
            let node: NodeResource = site.api.get("nodes/n1")?;
            let interfaces = node.status.interfaces.unwrap_or_default();
            ensure!(interfaces.iter().any(|one| one.has_address(VIP.into())), "{interfaces:?}");
            Ok(())
        })?;
        site.settle(&Site::group(&[("n1", 255), ("n2", 150)]), "n1")?;

        let died = lab.cut(&n1.host)?;
        n1.kill()?;
        eventually("n2 holds it for the owner", BOUND, || {
            ensure!(n2.host.has_address(VIP)?, "{:?}", lab.holders(VIP)?);
            ensure!(!site.capture.adverts_from(VRID, n2.host.lan, died).is_empty(), "it does not advertise");
            Ok(())
        })?;

        // The host boots: its own address is there before its agent is.
        ensure!(n1.host.has_address(VIP)?, "the owner's address is not ours to remove");
        lab.heal(&n1.host)?;
        let returned = Moment::now();
        n1.restart()?;
        eventually("n2 lets go", BOUND, || lab.only_holder(VIP, "n1"))?;
        let owner = eventually("the owner advertises", BOUND, || {
            let adverts = site.capture.adverts(VRID, returned);
            let of_owner: Vec<_> = adverts.into_iter().filter(|(_, one)| one.priority == 255).collect();
            ensure!(of_owner.len() >= 5, "{} adverts", of_owner.len());
            Ok(of_owner)
        })?;
        let yielded = owner[0].0 + Duration::from_secs(1);
        eventually("adverts a second later", BOUND, || {
            let later = site.capture.adverts(VRID, yielded);
            ensure!(later.len() >= 3, "{} adverts", later.len());
            ensure!(later.iter().all(|(_, one)| one.priority == 255), "two advertise: {later:?}");
            Ok(())
        })?;
        ensure!(site.capture.announcements(VIP, returned).iter().any(|(_, mac)| *mac == n1.host.mac));

        let asked = Moment::now();
        let _asking = ArpProber::start(&site.observer, VIP, Duration::from_millis(10))?;
        eventually("twenty answers, all of the owner's", BOUND, || {
            let answers = site.capture.claims(VIP, asked, |arp| arp.is_reply);
            ensure!(answers.len() >= 20, "{} answers", answers.len());
            ensure!(answers.iter().all(|(_, mac)| *mac == n1.host.mac), "{answers:?}");
            Ok(())
        })?;

        // Its own address is never removed by us, not even when its agent stops.
        n1.stop()?;
        ensure!(n1.host.has_address(VIP)?, "the agent removed the owner's own address");
        Ok(())
    })
}
