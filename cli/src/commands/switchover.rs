//! `baton switchover`: moves the addresses of a group to one of its nodes, and takes that back.

use std::time::Duration;

use api_types::group::Group;
use api_types::switchover::{Switchover, SwitchoverSpec, SwitchoverState};
use api_types::{Name, Timestamp};
use clap::{Args as ClapArgs, Subcommand};
use tokio::time::{Instant, sleep};

use super::get::not_found;
use super::kind::Kind;
use crate::client::Client;
use crate::errors::{ExitStatus, Failure};
use crate::output::{self, Cell, Column, LineFormat, Named, age, span};

/// How long `--wait` looks for the outcome: the server gives the node 2 s, and the failover is concluded a
/// second after the move.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How many switchovers are listed.
const LIST_LIMIT: usize = 100;

#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  baton switchover web --to lb2
  baton switchover web --to lb2 --wait
  baton switchover list web
  baton switchover undo web

The node takes over at once, without a gap, and keeps the addresses whatever the
priorities say: until `undo`, until another switchover, or until it fails. One
that is not ready is refused with the reason. With --wait the outcome is told:
the status is 1 when the node did not take over.
A group whose name is list or undo is named by its id."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The group, by its name or id
    #[arg(required = true)]
    group: Option<String>,
    /// The node that shall hold the addresses
    #[arg(long, required = true, value_name = "NODE")]
    to: Option<Name>,
    /// Wait until the node holds them, and say how long nobody answered
    #[arg(short, long)]
    wait: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the switchovers of a group, the newest first
    #[command(after_help = "Example:\n  baton switchover list web")]
    List {
        /// The group, by its name or id
        group: String,
    },
    /// Take back the switchover that is in effect: priorities say who holds
    #[command(after_help = "Example:\n  baton switchover undo web")]
    Undo {
        /// The group, by its name or id
        group: String,
    },
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let client = super::client()?;
    match (args.action, args.group, args.to) {
        (Some(Action::List { group }), _, _) => list(&client, &group).await,
        (Some(Action::Undo { group }), _, _) => undo(&client, &group).await,
        (None, Some(group), Some(to)) => switch(&client, &group, to, args.wait).await,
        (None, _, _) => Ok(ExitStatus::Usage),
    }
}

async fn switch(client: &Client, group: &str, to: Name, wait: bool) -> Result<ExitStatus, Failure> {
    let path = [Kind::Groups.path(), group, "switchovers"];
    let asked = client.post::<Switchover>(&path, &SwitchoverSpec { to }).await;
    let mut switchover = asked.map_err(|error| not_found(error, Kind::Groups, group))?;
    if wait {
        switchover = outcome(client, switchover).await?;
    }
    output::print(&output::clean(&told(&switchover)))?;
    Ok(if matches!(switchover.state, SwitchoverState::Active) || !wait {
        ExitStatus::Done
    } else {
        ExitStatus::Failing
    })
}

/// The switchover once it has come about, with its failover where that is concluded in time, or has not.
async fn outcome(client: &Client, mut switchover: Switchover) -> Result<Switchover, Failure> {
    let until = Instant::now() + PATIENCE;
    let (group, id) = (switchover.group_id.to_string(), switchover.id.to_string());
    let is_open = |switchover: &Switchover| match switchover.state {
        SwitchoverState::Requested => true,
        SwitchoverState::Active => switchover.failover.is_none(),
        SwitchoverState::Undone
        | SwitchoverState::Ended
        | SwitchoverState::Failed
        | SwitchoverState::Superseded => false,
    };
    while is_open(&switchover) && Instant::now() < until {
        sleep(BETWEEN_LOOKS).await;
        switchover = client.get(&[Kind::Groups.path(), &group, "switchovers", &id]).await?;
    }
    Ok(switchover)
}

fn told(switchover: &Switchover) -> String {
    let Switchover { group, from, to, state, .. } = switchover;
    let mut text = match (state, &switchover.reason) {
        (SwitchoverState::Requested, _) => format!("group/{group}  {to} was told to take over from {from}\n"),
        (SwitchoverState::Active, _) => {
            format!("group/{group}  {to} holds the addresses, before it {from}\n")
        }
        (_, reason) => {
            let reason = reason.as_deref().unwrap_or_default();
            format!("group/{group}  switchover to {to} {}: {reason}\n", state.as_str())
        }
    };
    if let (Some(gap), Some(method)) = (switchover.gap_ms, switchover.gap_method) {
        text.push_str(&format!("    nobody answered for {} ({})\n", span(gap), method.as_str()));
    }
    if let Some(bound) = switchover.bound_at {
        let took = milliseconds(switchover.requested_at, bound);
        text.push_str(&format!(
            "    bound {} after the request, by the clocks of the server and of {to}\n",
            span(took)
        ));
    }
    text
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_datetime() - from.as_datetime()).as_seconds_f64() * 1_000.0
}

async fn list(client: &Client, group: &str) -> Result<ExitStatus, Failure> {
    let path = [Kind::Groups.path(), group, "switchovers"];
    let listed = client.list::<Switchover>(&path, &[], Some(LIST_LIMIT)).await;
    let listed = listed.map_err(|error| not_found(error, Kind::Groups, group))?;
    output::print(&output::lines(&listed.items, LineFormat::Table, listed.at))?;
    if listed.items.is_empty() {
        output::complain("There are no switchovers.");
    }
    Ok(ExitStatus::Done)
}

async fn undo(client: &Client, group: &str) -> Result<ExitStatus, Failure> {
    let found = client.get::<Group>(&[Kind::Groups.path(), group]).await;
    let found = found.map_err(|error| not_found(error, Kind::Groups, group))?;
    let text = match found.status.switchover {
        Some(switchover) => {
            let id = switchover.id.to_string();
            client.delete(&[Kind::Groups.path(), group, "switchovers", &id], &[]).await?;
            format!(
                "group/{}  switchover to {} undone: priorities say who holds\n",
                found.name, switchover.to
            )
        }
        None => format!("group/{}  no switchover is in effect\n", found.name),
    };
    output::print(&output::clean(&text))?;
    Ok(ExitStatus::Done)
}

impl Named for Switchover {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("AGE", |switchover, table| Cell::plain(age(switchover.requested_at, table.now))),
        Column::new("FROM", |switchover, _| Cell::plain(&switchover.from)),
        Column::new("TO", |switchover, _| Cell::plain(&switchover.to)),
        Column::new("STATE", |switchover, _| Cell::plain(switchover.state.as_str())),
        Column::new("GAP", |switchover, _| Cell::maybe(switchover.gap_ms.map(span))),
        Column::new("BY", |switchover, _| Cell::maybe(switchover.actor.name.as_ref())),
        Column::new("BECAUSE", |switchover, _| Cell::maybe(switchover.reason.as_ref())),
    ];

    fn reference(&self) -> String {
        format!("switchover/{}", self.id)
    }
}
