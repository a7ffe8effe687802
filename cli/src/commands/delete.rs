//! `baton delete`: removes one object.

use api_types::auth::Token;
use clap::{Args as ClapArgs, ValueEnum};

use super::get::not_found;
use super::kind::Kind;
use crate::client::Client;
use crate::errors::{ExitStatus, Failure};
use crate::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton delete group web
  baton delete node lb3
  baton delete token terraform

The members of a group that is removed let go of its addresses as soon as their
agents hear of it. A segment or node that a group names cannot be removed before
the group, nor a node whose agent has not heard of it yet: see APPLIED in
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Removable {
    #[value(alias = "segments")]
    Segment,
    #[value(alias = "nodes")]
    Node,
    #[value(alias = "groups")]
    Group,
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
        Removable::Segment | Removable::Node | Removable::Group | Removable::JoinToken => name.clone(),
    };
    let query: &[_] = if args.force { &[("force", "true")] } else { &[] };
    client.delete(&[kind.path(), &key], query).await.map_err(|error| not_found(error, kind, &name))?;
    output::print(&output::clean(&format!("{}/{name}  deleted\n", kind.singular())))?;
    Ok(ExitStatus::Done)
}

/// The API knows tokens by id; people know them by name.
async fn token_id(client: &Client, name: &str) -> Result<String, Failure> {
    let tokens = client.list::<Token>(Kind::Tokens.path(), &[], None).await?;
    let named = tokens.items.into_iter().find(|token| token.name.as_str() == name);
    Ok(named.map_or_else(|| name.to_owned(), |token| token.id.to_string()))
}
