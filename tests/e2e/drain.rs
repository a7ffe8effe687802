//! An operator takes a node out of use: everything moves off it without a lost packet, and nothing but the
//! operator brings it back.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::group::Group;
use api_types::transition::State;
use e2e::{BOUND, Lab, Moment, Operator, Served, UdpProber, VIP, VRID, eventually};
use serde_json::json;

const SECOND_VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);
const SECOND_VRID: u8 = 52;
const ADDRESSES: [Ipv4Addr; 2] = [VIP, SECOND_VIP];

/// Two nodes and two groups; n1 holds the addresses of both.
struct Scene<'lab> {
    served: Served<'lab>,
    operator: Operator,
}

impl<'lab> Scene<'lab> {
    fn start(lab: &'lab Lab) -> Result<Self> {
        let served = Served::start(lab, &[("n1", 240), ("n2", 200)])?;
        let mut second = served.group.clone();
        second["name"] = json!("second");
        second["vrid"] = json!(SECOND_VRID);
        second["virtual_addresses"] = json!([format!("{SECOND_VIP}/24")]);
        let _second: Group = served.site.api.put("groups/second", &second)?;
        let operator = Operator::log_in(lab, &served.site.server)?;
        let scene = Self { served, operator };
        scene.all_at("n1")?;
        scene.until_ready("n2")?;
        Ok(scene)
    }

    /// Waits until the node alone holds both addresses.
    fn all_at(&self, node: &str) -> Result<()> {
        ADDRESSES.into_iter().try_for_each(|address| {
            let lab = self.served.site.lab;
            eventually(&format!("{node} holds {address} alone"), BOUND, || lab.only_holder(address, node))
        })
    }

    fn until_ready(&self, node: &str) -> Result<()> {
        ["web", "second"].into_iter().try_for_each(|group| self.served.site.api.until_ready(group, node))
    }

    /// Does what moves everything to `to`; not one question of a client to either address is lost.
    fn moves(&self, what: &[&str], to: &str) -> Result<()> {
        let client = &self.served.site.client;
        let prober = UdpProber::start(client, &ADDRESSES.map(IpAddr::V4), Duration::from_millis(1))?;
        prober.warm_up(BOUND)?;
        let asked = Moment::now();
        self.operator.baton(what)?;
        self.all_at(to)?;
        prober.warm_up(BOUND)?;
        for (address, timeline) in ADDRESSES.iter().zip(prober.finish()?) {
            let ((sent, lost), gap) = (timeline.lost(asked), timeline.worst_gap(asked).length);
            println!("baton {}: {address}: {lost} of {sent} lost, longest gap {gap:?}", what.join(" "));
            ensure!(lost == 0, "{address}: {lost} of {sent} lost");
        }
        Ok(())
    }

    /// Whether n1 has said nothing on the LAN since then, and n2 still holds everything.
    fn n1_takes_no_part(&self, since: Moment) -> Result<()> {
        let site = &self.served.site;
        site.wait_for_adverts(10, Moment::now())?;
        let n1 = site.node("n1")?.host.lan;
        for vrid in [VRID, SECOND_VRID] {
            let said = site.capture.adverts_from(vrid, n1, since);
            ensure!(said.is_empty(), "n1 takes part in {vrid}: {said:?}");
        }
        ADDRESSES.into_iter().try_for_each(|address| site.lab.only_holder(address, "n2"))
    }

    /// Waits until the agent of n1 runs both groups, drained.
    fn n1_is_drained(&self) -> Result<()> {
        let n1 = self.served.site.node("n1")?;
        eventually("n1 runs its groups and takes no part", BOUND, || {
            let status = n1.status()?;
            let states: Vec<_> = status.groups.iter().map(|group| group.state).collect();
            ensure!(states == [State::Initialize; 2], "{states:?}");
            Ok(())
        })
    }
}

#[test]
fn everything_moves_off_the_node_and_no_restart_brings_it_back() -> Result<()> {
    Lab::run(|lab| {
        let scene = Scene::start(lab)?;
        let site = &scene.served.site;
        let n1 = site.node("n1")?;
        scene.moves(&["drain", "n1", "--reason", "new power supply"], "n2")?;

        let drained = Moment::now();
        n1.stop()?;
        n1.restart()?;
        scene.n1_is_drained()?;
        scene.n1_takes_no_part(drained)?;

        // Its host loses power and boots, while no server is there to say anything.
        site.server.stop()?;
        n1.kill()?;
        n1.host.set_interface(false)?;
        n1.host.set_interface(true)?;
        n1.restart()?;
        scene.n1_is_drained()?;
        scene.n1_takes_no_part(drained)?;

        site.server.restart()?;
        for node in &site.nodes {
            site.wait_until_connected(node)?;
        }
        scene.n1_is_drained()?;
        scene.n1_takes_no_part(drained)?;

        let refusal = scene.operator.baton(&["drain", "n2"]).err().context("the last one was drained")?;
        let refusal = refusal.to_string();
        for why in ["group web: n1 is drained", "group second: n1 is drained", "--force"] {
            ensure!(refusal.contains(why), "{why} is not in {refusal}");
        }
        scene.n1_takes_no_part(drained)?;
        scene.until_ready("n2")?;

        scene.moves(&["undrain", "n1"], "n1")?;
        scene.until_ready("n2")?;
        scene.operator.baton(&["drain", "n1"])?;
        scene.all_at("n2")?;
        scene.operator.baton(&["drain", "n2", "--force"])?;
        eventually("nobody holds anything", BOUND, || {
            for address in ADDRESSES {
                let holders = lab.holders(address)?;
                ensure!(holders.is_empty(), "{address}: {holders:?}");
            }
            Ok(())
        })
    })
}
