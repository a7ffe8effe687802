//! Three nodes are told of a group: one of them holds its address, and everybody on the LAN knows where it
//! is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::transition::{State, Transition};
use e2e::{ArpProber, BOUND, Haproxy, Lab, Moment, Site, VIP, VRID, eventually, http_prober};

#[test]
fn the_highest_priority_holds_the_address_and_answers_for_it() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2", "n3"])?;
        let n2 = &site.node("n2")?.host;
        let begun = Moment::now();
        site.settle(&Site::group(&[("n1", 180), ("n2", 200), ("n3", 160)]), "n2")?;

        let adverts = site.capture.adverts_from(VRID, n2.lan, begun);
        for (_, advert) in &adverts {
            ensure!((advert.version, advert.ttl, advert.priority) == (3, 255, 200), "{advert:?}");
            ensure!((advert.interval_ms, &advert.addresses[..]) == (100, &[VIP.into()][..]), "{advert:?}");
        }
        let (first, _) = adverts[0];
        let announced = site.capture.announcements(VIP, begun);
        let by_n2 = announced.iter().find(|(_, mac)| *mac == n2.mac);
        let (announced_at, _) = by_n2.with_context(|| format!("{} never announced {VIP}", n2.mac))?;
        ensure!(*announced_at >= first, "announced before it was advertised");

        let asked = Moment::now();
        let _asking = ArpProber::start(&site.observer, VIP, Duration::from_millis(10))?;
        let answers = eventually("twenty answers to who has the address", BOUND, || {
            let answers = site.capture.claims(VIP, asked, |arp| arp.is_reply);
            ensure!(answers.len() >= 20, "{} answers", answers.len());
            Ok(answers)
        })?;
        ensure!(answers.iter().all(|(_, mac)| *mac == n2.mac), "somebody else answers: {answers:?}");

        let _web = Haproxy::answering(n2)?;
        let http = http_prober::start(&site.client, VIP)?;
        http.wait_until_answered("n2", 25, asked, BOUND)?;

        eventually("every member's first transitions are recorded", BOUND, || {
            let transitions: Vec<Transition> = site.api.list("transitions?group=web")?;
            let came_to =
                |node: &str, to: State| transitions.iter().any(|one| one.node == node && one.record.to == to);
            let all =
                came_to("n2", State::Active) && came_to("n1", State::Backup) && came_to("n3", State::Backup);
            ensure!(all, "{transitions:?}");
            Ok(())
        })
    })
}

#[test]
fn among_equals_one_ends_up_alone() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        // Both may take over in the same moment; the addresses of the two decide then.
        let written: api_types::group::Group =
            site.api.put("groups/web", &Site::group(&[("n1", 150), ("n2", 150)]))?;
        ensure!(written.generation == 1);
        eventually("one of the two holds it", BOUND, || {
            let holders = lab.holders(VIP)?;
            ensure!(holders.len() == 1, "{holders:?}");
            Ok(())
        })?;
        let begun = Moment::now();
        let adverts = eventually("ten adverts in a row from one source", BOUND, || {
            let adverts = site.capture.adverts(VRID, begun);
            let last_ten = adverts.get(adverts.len().saturating_sub(10)..).unwrap_or_default().to_vec();
            ensure!(last_ten.len() == 10, "{} adverts", adverts.len());
            ensure!(last_ten.iter().all(|(_, one)| one.from == last_ten[0].1.from), "{last_ten:?}");
            Ok(last_ten)
        })?;
        let holder = site.nodes.iter().find(|node| node.host.lan == adverts[0].1.from);
        lab.only_holder(VIP, holder.context("a stranger advertises")?.name())
    })
}
