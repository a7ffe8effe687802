//! Two web servers; the address leaves the one whose nginx has ended.

use anyhow::{Result, ensure};
use e2e::{BOUND, Lab, Nginx, VIP, eventually};

use super::UseCase;

#[test]
fn a_web_server_that_ends_loses_the_address_and_what_was_written_is_still_there() -> Result<()> {
    Lab::run(|lab| {
        // As on a disk that both machines have.
        let documents = lab.directory().join("documents");
        std::fs::create_dir(&documents)?;
        let servers = std::cell::RefCell::new(Vec::new());
        let pair = UseCase::start(lab, "nginx-pair.yaml", ["web1", "web2"], |site| {
            for node in &site.nodes {
                servers.borrow_mut().push(Nginx::start(&node.host, &documents)?);
            }
            Ok(())
        })?;
        pair.is_at("web1")?;
        let note = format!("http://{VIP}/note");
        eventually("it can be written", BOUND, || {
            pair.curl(&["--upload-file", "Cargo.toml", "--output", "/dev/null", &note]).map(drop)
        })?;
        let written = std::fs::read_to_string("Cargo.toml")?;
        ensure!(pair.curl(&[&note])? == written);

        let mut servers = servers.into_inner();
        servers.remove(0).stop()?;
        pair.is_at("web2")?;
        eventually("it can be read", BOUND, || {
            let answer = pair.curl(&["--include", &note])?;
            ensure!(answer.ends_with(&written) && answer.contains("Served-By: web2"), "{answer}");
            Ok(())
        })?;
        pair.was_moved_by("nginx", "web1", "web2", "web")?;

        servers.push(Nginx::start(pair.host("web1")?, &documents)?);
        pair.is_at("web1")
    })
}
