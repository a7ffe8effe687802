//! `baton explain`: why somebody holds the addresses, and what happens if it fails.

use api_types::explanation::Explanation;
use clap::{Args as ClapArgs, ValueEnum};

use super::get::not_found;
use super::kind::Kind;
use crate::errors::{ExitStatus, Failure};
use crate::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  baton explain group web

Says who holds the addresses of the group and why, how they came there, what
each other member is, and what happens if the holder fails.")]
pub(crate) struct Args {
    /// What it is
    #[arg(value_enum)]
    kind: Explainable,
    /// Its name or id
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Explainable {
    #[value(alias = "groups")]
    Group,
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let Explainable::Group = args.kind;
    let client = super::client()?;
    let explained = client.get::<Explanation>(&[Kind::Groups.path(), &args.name, "explanation"]).await;
    let explained = explained.map_err(|error| not_found(error, Kind::Groups, &args.name))?;
    output::print(&text(&explained))?;
    Ok(ExitStatus::Done)
}

/// A sentence to a line.
fn text(explained: &Explanation) -> String {
    explained.sentences.iter().map(|sentence| format!("{}\n", output::clean(sentence))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_has_a_line_and_no_control_characters() {
        let sentences = vec!["lb1 holds the addresses.".to_owned(), "lb2 \u{1b}[31mis drained.".to_owned()];
        let (holder, next) = (Some("lb1".to_owned()), None);
        let shown = text(&Explanation { group: "web".into(), holder, next, sentences });
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
