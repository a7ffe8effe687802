//! `baton delete`: removes one object.

use api_types::audit::ActorKind;
use api_types::auth::Token;
use clap::{Args as ClapArgs, ValueEnum};
use serde::Deserialize;

use super::get::not_found;
use super::kind::Kind;
use super::login::Caller;
use crate::client::Client;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Question};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton delete group web
  baton delete node lb3
  baton delete token terraform
  baton delete group web --yes

On a terminal, a group with an active member is removed only once you have said
yes. The API token that this command itself uses is removed only with --yes.

The members of a group that is removed let go of its addresses as soon as their
agents hear of it. A segment, node or check that a group names cannot be removed
before the group, nor a node whose agent has not heard of it yet: see APPLIED in
`baton status -o wide`.")]
pub(crate) struct Args {
    /// What to remove
    #[arg(value_enum)]
    kind: Removable,
    /// Its name or id
    name: String,
    /// Remove a node although its agent may hold addresses, and nobody can tell it to let go afterwards
    #[arg(long)]
    force: bool,
    /// Remove without asking a group that is in use, and the API token that this command uses
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Removable {
    #[value(alias = "segments")]
    Segment,
    #[value(alias = "nodes")]
    Node,
    #[value(alias = "groups")]
    Group,
    #[value(alias = "checks")]
    Check,
    #[value(alias = "sync-groups")]
    SyncGroup,
    /// An API token
    #[value(alias = "tokens")]
    Token,
    /// A join token, by its id
    #[value(alias = "join-tokens")]
    JoinToken,
}

impl Removable {
    const fn kind(self) -> Kind {
        match self {
            Self::Segment => Kind::Segments,
            Self::Node => Kind::Nodes,
            Self::Group => Kind::Groups,
            Self::Check => Kind::Checks,
            Self::SyncGroup => Kind::SyncGroups,
            Self::Token => Kind::Tokens,
            Self::JoinToken => Kind::JoinTokens,
        }
    }
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    if args.force && args.kind != Removable::Node {
        return Err(Failure::ForceIsForNodes { kind: args.kind.kind().singular() });
    }
    let client = super::client()?;
    let kind = args.kind.kind();
    let name = args.name;
    let key = match args.kind {
        Removable::Token => token_id(&client, &name).await?,
        Removable::Segment
        | Removable::Node
        | Removable::Group
        | Removable::Check
        | Removable::SyncGroup
        | Removable::JoinToken => name.clone(),
    };
    if !args.yes {
        match args.kind {
            Removable::Token => refuse_own_token(&client, &key, &name).await?,
            Removable::Group if Question::can_be_asked() => ask_for_group(&client, &name).await?,
            Removable::Group
            | Removable::Segment
            | Removable::Node
            | Removable::Check
            | Removable::SyncGroup
            | Removable::JoinToken => {}
        }
    }
    let query: &[_] = if args.force { &[("force", "true")] } else { &[] };
    client.delete(&[kind.path(), &key], query).await.map_err(|error| not_found(error, kind, &name))?;
    output::print(&output::clean(&format!("{}/{name}  deleted\n", kind.singular())))?;
    Ok(ExitStatus::Done)
}

/// An error when the token with this id is the one we are known by.
async fn refuse_own_token(client: &Client, id: &str, name: &str) -> Result<(), Failure> {
    let caller: Caller = client.get(&["auth", "self"]).await?;
    let is_own =
        caller.actor.kind == ActorKind::Token && caller.actor.id.is_some_and(|own| own.to_string() == id);
    if is_own { Err(Failure::OwnToken { name: name.to_owned() }) } else { Ok(()) }
}

/// What matters of a group that shall be removed.
#[derive(Deserialize)]
struct Serving {
    virtual_addresses: Vec<String>,
    status: Activity,
}

#[derive(Deserialize)]
struct Activity {
    active: Vec<String>,
}

/// Asks whether a group that serves shall be removed; an error when not.
async fn ask_for_group(client: &Client, name: &str) -> Result<(), Failure> {
    let group: Serving = client
        .get(&[Kind::Groups.path(), name])
        .await
        .map_err(|error| not_found(error, Kind::Groups, name))?;
    if group.status.active.is_empty() {
        return Ok(());
    }
    let question = format!(
        "{} is active for group {}: {} will no longer be served.",
        group.status.active.join(", "),
        name,
        group.virtual_addresses.join(", ")
    );
    if (Question { about: &question, verb: "Remove it" }).ask()? {
        Ok(())
    } else {
        Err(Failure::NotConfirmed)
    }
}

/// The API knows tokens by id; people know them by name.
async fn token_id(client: &Client, name: &str) -> Result<String, Failure> {
    let tokens = client.list::<Token>(&[Kind::Tokens.path()], &[], None).await?;
    let named = tokens.items.into_iter().find(|token| token.name.as_str() == name);
    Ok(named.map_or_else(|| name.to_owned(), |token| token.id.to_string()))
}
