//! What people use virtual addresses for, with the software that they use and the example that they apply. Each
//! writes through the address before it moves, and reads what it wrote back afterwards.

mod haproxy;
mod nginx;
mod postgres;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use api_types::failover::Failover;
use api_types::group::Group;
use e2e::{BOUND, Host, Lab, Operator, Site, VIP, binaries, eventually, output_of};

/// Two nodes, and an example that somebody applied for them.
struct UseCase<'lab> {
    site: Site<'lab>,
    operator: Operator,
}

impl<'lab> UseCase<'lab> {
    /// Prepares the hosts of the nodes and applies the example.
    fn start(
        lab: &'lab Lab,
        example: &str,
        nodes: [&str; 2],
        prepare: impl Fn(&Site<'lab>) -> Result<()>,
    ) -> Result<Self> {
        let site = Site::start(lab, &nodes)?;
        prepare(&site)?;
        let operator = Operator::log_in(lab, &site.server)?;
        let path = binaries::workspace().join("examples").join(example);
        operator.baton(&["apply", "-f", path.to_str().context("a path that is no text")?])?;
        Ok(Self { site, operator })
    }

    /// Waits until one host alone has the address.
    fn is_at(&self, node: &str) -> Result<()> {
        eventually(&format!("{node} holds {VIP} alone"), BOUND, || self.site.lab.only_holder(VIP, node))
    }

    fn host(&self, node: &str) -> Result<&Host> {
        Ok(&self.site.node(node)?.host)
    }

    /// Waits until the record of a move from one node to another names the check that made it.
    fn was_moved_by(&self, check: &str, from: &str, to: &str, group: &str) -> Result<()> {
        eventually(&format!("the record names {check}"), BOUND, || {
            let failovers: api_types::Page<Failover> =
                self.site.api.get(&format!("failovers?group={group}"))?;
            let names = |failover: &&Failover| {
                (failover.from.as_deref(), failover.to.as_str()) == (Some(from), to)
                    && failover.failing_checks.iter().any(|failing| failing == check)
            };
            ensure!(failovers.items.iter().any(|failover| names(&failover)), "{:?}", failovers.items);
            Ok(())
        })?;
        let seen: Group = self.site.api.get(&format!("groups/{group}"))?;
        ensure!(seen.status.active == [to], "{:?}", seen.status);
        Ok(())
    }

    /// What a client's `curl` with these arguments prints.
    fn curl(&self, arguments: &[&str]) -> Result<String> {
        let mut curl: Command = self.site.client.namespace.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "2"]).args(arguments);
        output_of(&mut curl)
    }
}
