//! `baton describe`: one object in full, for somebody who has to find out what is wrong with it.

mod check;
mod group;
mod hooks;
mod node;

use api_types::Timestamp;
use api_types::check::Check;
use api_types::condition::Condition;
use api_types::group::Group;
use api_types::node::Node;
use chrono::Utc;
use clap::{Args as ClapArgs, ValueEnum};

use super::get::not_found;
use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Table, Terminal, age};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton describe group web
  baton describe node lb1
  baton describe check nginx

Of a group: how its members speak, what is wrong, how each member stands, and
which routers each has heard. Only the active router advertises, so a backup is
known from the last time that it was active. DROPPED names why packets about the
virtual router are dropped in these seconds, after how many there were.
EFFECTIVE is the priority with what the checks add to it.
Of a node: its interfaces and what is dropped on them.
Of a check: what it looks at, and how it stands on each member that runs it.
`baton get ... -o yaml` shows all there is.")]
pub(crate) struct Args {
    /// What it is
    #[arg(value_enum)]
    kind: Describable,
    /// Its name or id
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Describable {
    #[value(alias = "groups")]
    Group,
    #[value(alias = "nodes")]
    Node,
    #[value(alias = "checks")]
    Check,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    let table = Table { wide: true, now: Utc::now().into(), terminal: Terminal::of_stdout() };
    let kind = match args.kind {
        Describable::Group => Kind::Groups,
        Describable::Node => Kind::Nodes,
        Describable::Check => Kind::Checks,
    };
    let path = [kind.path(), args.name.as_str()];
    let missing = |error| not_found(error, kind, &args.name);
    let sections = match args.kind {
        Describable::Group => group::sections(&client.get::<Group>(&path).await.map_err(missing)?, &table),
        Describable::Node => node::sections(&client.get::<Node>(&path).await.map_err(missing)?, &table),
        Describable::Check => {
            let check = client.get::<Check>(&path).await.map_err(missing)?;
            let mut groups = Vec::new();
            for name in &check.status.groups {
                // One that was deleted meanwhile runs it no more.
                groups.extend(client.find::<Group>(&[Kind::Groups.path(), name]).await?);
            }
            let groups: Vec<_> = groups.into_iter().map(|found| found.object).collect();
            check::sections(&check, &groups, &table)
        }
    };
    let sections: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    output::print(&sections.join("\n"))?;
    Ok(ExitStatus::Done)
}

/// Lines of a word and what there is to say about it; those about which there is nothing are left out.
fn facts(facts: &[(&str, String)]) -> String {
    let said: Vec<_> = facts.iter().filter(|(_, text)| !text.is_empty()).collect();
    let width = said.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    said.iter()
        .map(|(word, text)| format!("{word:width$}  {}\n", output::clean(text).replace('\n', " ")))
        .collect()
}

/// What is wrong, a line each with the sentence of the server.
fn problems(conditions: &[Condition], now: Timestamp, terminal: Terminal) -> String {
    let line = |condition: &Condition| {
        let what = format!("{} for {}", condition.kind.as_str(), age(condition.since, now));
        let what = if condition.kind.is_advice() { terminal.warning(&what) } else { terminal.bad(&what) };
        format!("{what}\n    {}\n", output::clean(&condition.detail))
    };
    conditions.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
