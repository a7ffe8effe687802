//! `baton get`: lists of objects, or one of them.

mod audit_detail;
mod columns;

use api_types::audit::AuditEvent;
use api_types::auth::{JoinToken, Token};
use api_types::check::Check;
use api_types::failover::Failover;
use api_types::group::Group;
use api_types::node::Node;
use api_types::segment::Segment;
use api_types::sync_group::SyncGroup;
use api_types::transition::Transition;
use chrono::Utc;
use clap::{Args as ClapArgs, value_parser};
use serde::de::DeserializeOwned;
use serde_yaml_ng::Mapping;

use super::kind::Kind;
use crate::client::{Client, List, RequestError};
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Document, Format, LineFormat, Named};

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
  baton get group web -o yaml > web.yaml   # edit it, then apply it

The oldest segments, nodes, groups, checks and sync groups come first; the
failovers, transitions and audit events that were recorded last come first.
Where there are more than are shown, standard error says so.")]
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
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), conflicts_with = "name")]
    limit: Option<u32>,
    /// All there are
    #[arg(long, conflicts_with_all = ["name", "limit"])]
    all: bool,
    /// Only those of this group (failovers, transitions, audit)
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    group: Option<String>,
    /// Only those of this node (failovers, transitions, audit)
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    node: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    match args.kind {
        Kind::Segments => show::<Segment>(&client, &args).await,
        Kind::Nodes => show::<Node>(&client, &args).await,
        Kind::Groups => show::<Group>(&client, &args).await,
        Kind::Checks => show::<Check>(&client, &args).await,
        Kind::SyncGroups => show::<SyncGroup>(&client, &args).await,
        Kind::Failovers => show::<Failover>(&client, &args).await,
        Kind::Transitions => show::<Transition>(&client, &args).await,
        Kind::Audit => show::<AuditEvent>(&client, &args).await,
        Kind::Tokens => show::<Token>(&client, &args).await,
        Kind::JoinTokens => show::<JoinToken>(&client, &args).await,
    }
}

async fn show<T: Named + DeserializeOwned>(client: &Client, args: &Args) -> Result<ExitStatus, Failure> {
    match args.output {
        Format::Json => documents(client, args, output::json, |items| output::json(&items)).await,
        Format::Yaml if args.kind.can_be_applied() => {
            let manifest = |item: &Document| output::yaml(&as_manifest(args.kind, item));
            let stream = |items: &[Document]| {
                let texts = items.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
                Ok(texts.join("---\n"))
            };
            documents(client, args, manifest, stream).await
        }
        Format::Yaml => documents(client, args, output::yaml, |items| output::yaml(&items)).await,
        Format::Table => lines::<T>(client, args, LineFormat::Table).await,
        Format::Wide => lines::<T>(client, args, LineFormat::Wide).await,
        Format::Name => lines::<T>(client, args, LineFormat::Name).await,
    }
}

/// What is asked for, as the server answers it, written by `one` or `several`.
async fn documents(
    client: &Client,
    args: &Args,
    one: impl FnOnce(&Document) -> Result<String, Failure>,
    several: impl FnOnce(&[Document]) -> Result<String, Failure>,
) -> Result<ExitStatus, Failure> {
    if let Some(name) = &args.name {
        output::print(&one(&find(client, args.kind, name).await?)?)?;
    } else {
        let list = list(client, args).await?;
        output::print(&several(&list.items)?)?;
        mention_the_rest(args, &list);
    }
    Ok(ExitStatus::Done)
}

async fn lines<T: Named + DeserializeOwned>(
    client: &Client,
    args: &Args,
    format: LineFormat,
) -> Result<ExitStatus, Failure> {
    if let Some(name) = &args.name {
        let object: T = find(client, args.kind, name).await?;
        output::print(&output::lines(&[object], format, Utc::now().into()))?;
    } else {
        let list = list::<T>(client, args).await?;
        output::print(&output::lines(&list.items, format, list.at))?;
        if list.items.is_empty() {
            output::complain(&format!("There are no {}.", args.kind.plural()));
        }
        mention_the_rest(args, &list);
    }
    Ok(ExitStatus::Done)
}

async fn find<T: DeserializeOwned>(client: &Client, kind: Kind, name: &str) -> Result<T, Failure> {
    client.get(&[kind.path(), name]).await.map_err(|error| not_found(error, kind, name))
}

async fn list<T: DeserializeOwned>(client: &Client, args: &Args) -> Result<List<T>, Failure> {
    let limit = match args.limit {
        Some(limit) => usize::try_from(limit).ok(),
        None if args.all || !args.kind.is_log() => None,
        None => Some(LOG_LIMIT),
    };
    let filters: Vec<(&str, &str)> = [("group", &args.group), ("node", &args.node)]
        .into_iter()
        .filter_map(|(key, value)| value.as_deref().map(|value| (key, value)))
        .collect();
    let listed = client.list::<T>(&[args.kind.path()], &filters, limit).await;
    listed.map_err(|error| match error.not_found() {
        // A list is always there; what it is filtered by may not be.
        Some(refusal) if !filters.is_empty() => Failure::NoSuchName { detail: refusal.detail() },
        Some(_) | None => error.into(),
    })
}

/// Says on standard error that a list is not all there is, and how to see more.
fn mention_the_rest<T>(args: &Args, list: &List<T>) {
    if list.more {
        let which = if args.kind.is_log() { "newest" } else { "oldest" };
        let (shown, what) = (list.items.len(), args.kind.plural());
        output::complain(&format!(
            "The {which} {shown} {what} are shown and there are more: --limit N shows N, --all shows all."
        ));
    }
}

/// An object of the API as a document of a manifest: with its kind in front.
fn as_manifest(kind: Kind, object: &Document) -> Document {
    let mut manifest = Mapping::from_iter([("kind".into(), kind.singular().into())]);
    manifest.extend(object.as_mapping().cloned().unwrap_or_default());
    manifest.into()
}

/// A missing object in the words of the command line; anything else as it is.
pub(super) fn not_found(error: RequestError, kind: Kind, name: &str) -> Failure {
    match error.not_found() {
        Some(_) => Failure::NoSuch { kind: kind.singular(), name: name.to_owned() },
        None => error.into(),
    }
}
