//! `baton drain` and `baton undrain`: take a node out of all its groups, and let it take part again.

use api_types::drain::{Drain, DrainSpec};
use clap::Args as ClapArgs;

use super::get::not_found;
use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton drain lb1
  baton drain lb1 --reason 'new power supply'
  baton undrain lb1

The node lets go of all addresses without a gap, and takes part in none of its
groups until `baton undrain`, whatever is restarted meanwhile. Where no other
member of a group is ready it is refused, and --force drains it all the same.")]
pub(crate) struct Args {
    /// The node, by its name or id
    node: String,
    /// Why, for people
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Drain it although nobody else could hold the addresses of its groups
    #[arg(long)]
    force: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  baton undrain lb1")]
pub(crate) struct UndrainArgs {
    /// The node, by its name or id
    node: String,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    let query: &[_] = if args.force { &[("force", "true")] } else { &[] };
    let path = [Kind::Nodes.path(), args.node.as_str(), "drain"];
    let drained = client.set::<Drain>(&path, query, &DrainSpec { reason: args.reason }).await;
    drained.map_err(|error| not_found(error, Kind::Nodes, &args.node))?;
    output::print(&output::clean(&format!("node/{}  drained\n", args.node)))?;
    Ok(ExitStatus::Done)
}

pub(super) async fn undo(args: UndrainArgs) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    let done = client.delete(&[Kind::Nodes.path(), &args.node, "drain"], &[]).await;
    done.map_err(|error| not_found(error, Kind::Nodes, &args.node))?;
    output::print(&output::clean(&format!("node/{}  takes part again\n", args.node)))?;
    Ok(ExitStatus::Done)
}
