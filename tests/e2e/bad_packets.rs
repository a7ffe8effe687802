//! An attacker on the LAN sends packets that no router would: dropped, counted by cause, nothing moves.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use e2e::{BOUND, Forgery, Lab, Moment, Ports, Site, VIP, VRID, eventually};

const REPEATS: u64 = 5;

/// What is wrong with each, and the cause it is counted under. All claim a priority that would win.
fn forgeries() -> Vec<(&'static str, Forgery)> {
    let valid = Forgery::valid(VRID, 250, 10, VIP);
    vec![
        ("ttl", Forgery { ttl: 254, ..valid.clone() }),
        ("checksum", Forgery { checksum_error: 1, ..valid.clone() }),
        ("version", Forgery { version: 5, ..valid.clone() }),
        ("type", Forgery { kind: 2, ..valid.clone() }),
        ("length", Forgery { octets_sent: 6, ..valid.clone() }),
        ("length", Forgery { count: 200, ..valid.clone() }),
        ("interval", Forgery { interval_cs: 0, ..valid.clone() }),
        ("vrid", Forgery { vrid: 77, ..valid }),
    ]
}

#[test]
fn they_are_dropped_counted_by_cause_and_move_nothing() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let attacker = lab.host("attacker", 66, Ports::Lan)?;
        let n1 = site.node("n1")?;
        let dropped = || -> Result<BTreeMap<String, u64>> {
            let status: serde_json::Value = serde_json::from_str(&n1.status_json()?)?;
            Ok(serde_json::from_value(status["dropped_packets"].clone())?)
        };
        let before = dropped()?;
        let sent = Moment::now();
        let mut expected = BTreeMap::<&str, u64>::new();
        for (cause, forgery) in forgeries() {
            for _ in 0..REPEATS {
                forgery.send(&attacker)?;
            }
            *expected.entry(cause).or_default() += REPEATS;
        }
        eventually("each is counted under its cause", BOUND, || {
            let now = dropped()?;
            let grown = |cause: &str| {
                now.get(cause).copied().unwrap_or_default() - before.get(cause).copied().unwrap_or_default()
            };
            let wrong: Vec<_> = expected
                .iter()
                .filter(|(cause, count)| grown(cause) != **count)
                .map(|(cause, _)| *cause)
                .collect();
            ensure!(wrong.is_empty(), "{wrong:?} are not as expected in {now:?}");
            Ok(())
        })?;

        eventually("n1 goes on as if nothing had been", BOUND, || {
            let adverts = site.capture.adverts_from(VRID, n1.host.lan, sent);
            ensure!(adverts.len() >= 20, "{} adverts", adverts.len());
            ensure!(adverts.iter().all(|(_, one)| one.priority == 200), "{adverts:?}");
            Ok(())
        })?;
        lab.only_holder(VIP, "n1")?;

        // The same packet without a fault is believed: the forgeries above failed for their faults alone.
        eventually("a valid advert of a higher priority moves the address", BOUND, || {
            Forgery::valid(VRID, 250, 10, VIP).send(&attacker)?;
            let holders = lab.holders(VIP)?;
            ensure!(holders.is_empty(), "{holders:?}");
            Ok(())
        })
    })
}
