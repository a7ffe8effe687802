//! Two load balancers before one server; the address leaves the one whose HAProxy is stopped.

use anyhow::{Result, ensure};
use e2e::{BOUND, Haproxy, Lab, Nginx, Ports, VIP, eventually};

use super::UseCase;

#[test]
fn a_load_balancer_that_is_stopped_loses_the_address() -> Result<()> {
    Lab::run(|lab| {
        let documents = lab.directory().join("documents");
        std::fs::create_dir(&documents)?;
        let store = lab.host("store", 30, Ports::Lan)?;
        let _store = Nginx::start(&store, &documents)?;
        let balancers = std::cell::RefCell::new(Vec::new());
        let pair = UseCase::start(lab, "haproxy-check.yaml", ["lb1", "lb2"], |site| {
            for node in &site.nodes {
                balancers.borrow_mut().push(Haproxy::checked(&node.host, VIP, &store)?);
            }
            Ok(())
        })?;
        pair.is_at("lb1")?;
        let note = format!("http://{VIP}/note");
        let written = std::fs::read_to_string("Cargo.toml")?;
        eventually("it can be written", BOUND, || {
            pair.curl(&["--upload-file", "Cargo.toml", "--output", "/dev/null", &note]).map(drop)
        })?;

        balancers.borrow_mut().remove(0).kill();
        pair.is_at("lb2")?;
        eventually("it can be read", BOUND, || {
            let answer = pair.curl(&["--include", &note])?;
            ensure!(answer.ends_with(&written) && answer.contains("x-served-by: lb2"), "{answer}");
            Ok(())
        })?;
        pair.was_moved_by("haproxy", "lb1", "lb2", "web")
    })
}
