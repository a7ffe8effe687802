//! A change through REST reaches a connected agent by push: long before any poll would have fetched it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{BOUND, Lab, Moment, Site, VIP, VRID, eventually};
use serde_json::json;

#[test]
fn an_edit_is_on_the_wire_within_a_second() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let members = [("n1", 200), ("n2", 150)];
        site.settle(&Site::group(&members), "n1")?;
        let n1 = site.node("n1")?;
        let mut slowest = Duration::ZERO;
        for priority in [201, 202, 203, 204, 205] {
            let asked = Moment::now();
            let _group: api_types::group::Group =
                site.api.put("groups/web", &Site::group(&[("n1", priority), members[1]]))?;
            let seen = eventually("an advert with the new priority", BOUND, || {
                let adverts = site.capture.adverts_from(VRID, n1.host.lan, asked);
                let new = adverts.iter().find(|(_, one)| one.priority == priority);
                new.map(|(at, _)| *at).with_context(|| format!("{} adverts", adverts.len()))
            })?;
            slowest = slowest.max(seen - asked);
        }
        ensure!(slowest < Duration::from_secs(1), "the slowest of five took {slowest:?}");

        let mut longer = Site::group(&members);
        longer["virtual_addresses"] = json!([format!("{VIP}/24"), "10.77.0.101/24"]);
        let asked = Moment::now();
        let _group: api_types::group::Group = site.api.put("groups/web", &longer)?;
        let second = lab.lan_address(101);
        let announced = eventually("the added address is announced", BOUND, || {
            let announced = site.capture.announcements(second, asked);
            announced.first().map(|(at, _)| *at).context("not yet")
        })?;
        ensure!(announced - asked < Duration::from_secs(1), "it took {:?}", announced - asked);
        lab.only_holder(second, "n1")?;
        lab.only_holder(VIP, "n1")
    })
}
