//! `baton get`: lists of objects, or one of them.

mod columns;

use api_types::audit::AuditEvent;
use api_types::auth::{JoinToken, Token};
use api_types::failover::Failover;
use api_types::group::Group;
use api_types::node::Node;
use api_types::segment::Segment;
use api_types::transition::Transition;
use clap::Args as ClapArgs;
use serde::de::DeserializeOwned;

use super::kind::Kind;
use crate::client::{Client, RequestError};
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Format, Named};

/// How many entries of a log are shown when nobody says.
const LOG_LIMIT: usize = 100;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton get groups
  baton get group web -o yaml
  baton get nodes -o wide
  baton get failovers --group web --limit 5
  baton get transitions --node lb1 --all -o json

The oldest segments, nodes and groups come first; the newest failovers,
transitions and audit events come first.")]
pub(crate) struct Args {
    /// What to list
    #[arg(value_enum)]
    kind: Kind,
    /// Only the one with this name or id
    name: Option<String>,
    /// The form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// At most so many (default: 100 of the failovers, transitions and audit log; all of the others)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "name")]
    limit: Option<u32>,
    /// All there are
    #[arg(long, conflicts_with_all = ["name", "limit"])]
    all: bool,
    /// Only those of this group (failovers, transitions)
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    group: Option<String>,
    /// Only those of this node (failovers, transitions)
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    node: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    match args.kind {
        Kind::Segments => show::<Segment>(&client, &args).await,
        Kind::Nodes => show::<Node>(&client, &args).await,
        Kind::Groups => show::<Group>(&client, &args).await,
        Kind::Failovers => show::<Failover>(&client, &args).await,
        Kind::Transitions => show::<Transition>(&client, &args).await,
        Kind::Audit => show::<AuditEvent>(&client, &args).await,
        Kind::Tokens => show::<Token>(&client, &args).await,
        Kind::JoinTokens => show::<JoinToken>(&client, &args).await,
    }
}

async fn show<T: Named + DeserializeOwned>(client: &Client, args: &Args) -> Result<ExitStatus, Failure> {
    if let Some(name) = &args.name {
        let object: T =
            client.get(&[args.kind.path(), name]).await.map_err(|error| not_found(error, args.kind, name))?;
        output::print(&output::object(object, args.output)?)?;
        return Ok(ExitStatus::Done);
    }

    let limit = match args.limit {
        Some(limit) => usize::try_from(limit).ok(),
        None if args.all || !args.kind.is_log() => None,
        None => Some(LOG_LIMIT),
    };
    let filters: Vec<(&str, &str)> = [("group", &args.group), ("node", &args.node)]
        .into_iter()
        .filter_map(|(key, value)| value.as_deref().map(|value| (key, value)))
        .collect();
    let list = client.list::<T>(args.kind.path(), &filters, limit).await?;
    output::print(&output::objects(&list.items, args.output)?)?;

    if matches!(args.output, Format::Table | Format::Wide) {
        if list.items.is_empty() {
            output::complain(&format!("There are no {}.", args.kind.plural()));
        } else if list.more {
            let shown = list.items.len();
            output::complain(&format!("{shown} are shown and there are more: --limit N, or --all."));
        }
    }
    Ok(ExitStatus::Done)
}

/// A missing object in the words of the command line; anything else as it is.
pub(super) fn not_found(error: RequestError, kind: Kind, name: &str) -> Failure {
    let RequestError::Refused(refusal) = &error else { return error.into() };
    if refusal.code() == Some("not_found") {
        return Failure::NoSuch { kind: kind.singular(), name: name.to_owned() };
    }
    error.into()
}
