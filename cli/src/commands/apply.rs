//! `baton apply`: makes the objects on the server what the files say, and tells what that changed.
//!
//! Each object is read, compared, and written only if it differs, under the condition that nobody changed it
//! in between. The first refusal ends the run: what follows may depend on it.

mod spec;

use std::path::PathBuf;

use api_types::condition::Condition;
use api_types::manifest::Manifest;
use clap::Args as ClapArgs;
use serde_json::Value;
use thiserror::Error;

use self::spec::Spec;
use crate::client::{Client, Found, Precondition, Refusal, RequestError};
use crate::diff::{Change, changes};
use crate::errors::{ExitStatus, Failure};
use crate::manifest::{self, Document, Origin};
use crate::output::{self, Terminal};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  baton apply -f examples/haproxy-pair.yaml
  baton apply -f segments.yaml -f groups/
  cat *.yaml | baton apply -f -
  baton get groups -o yaml | baton apply -f -

A file holds documents with --- between them; `kind` says what each is: segment,
node, check, group or sync-group. Groups are applied after what they name, and
sync groups last.
Everything is read and checked before the first object is sent. An object that
the files do not name stays as it is: `baton delete` removes. What only the
server writes (id, generation, created_at, updated_at, status) is passed over.

The first object that the server refuses ends the run, and what was applied
before it stays. Running it again is safe: what is as the files say is left
alone, and what somebody else changed in between is not overwritten.")]
pub(crate) struct Args {
    /// A YAML file of at most 4 MiB, a directory of them, or - for standard input; may be repeated
    #[arg(short, long, required = true, value_name = "FILE")]
    file: Vec<PathBuf>,
}

/// What became of one object.
#[derive(Debug)]
struct Applied {
    outcome: Outcome,
    /// What the server advises against in it.
    advice: Vec<Condition>,
}

#[derive(Debug)]
enum Outcome {
    Created,
    Updated(Vec<Change>),
    Unchanged,
}

/// The object that ended the run.
#[derive(Debug, Error)]
#[error("{subject} was not applied: {}", reason(.error, .origin))]
pub(crate) struct ApplyError {
    subject: String,
    origin: Box<Origin>,
    error: RequestError,
}

impl ApplyError {
    /// The request that failed.
    pub(crate) const fn request(&self) -> &RequestError {
        &self.error
    }
}

pub(super) async fn run(args: Args) -> Result<ExitStatus, Failure> {
    let documents = manifest::read(&args.file)?;
    let client = super::client()?;
    let terminal = Terminal::of_stdout();

    let width = documents.iter().map(|document| subject(document).len()).max().unwrap_or_default();
    for (index, document) in documents.iter().enumerate() {
        let subject = subject(document);
        match apply(&client, &document.manifest).await {
            Ok(Applied { outcome, advice }) => {
                output::print(&line(&subject, width, &outcome, terminal))?;
                for Condition { kind, detail, .. } in advice {
                    let warning = format!("warning: {subject}: {}: {detail}", kind.as_str());
                    output::complain(&output::clean(&warning));
                }
            }
            Err(error) => {
                let rest = documents.get(index..).unwrap_or_default();
                output::complain(&not_applied(rest, index));
                return Err(ApplyError { subject, origin: Box::new(document.origin.clone()), error }.into());
            }
        }
    }
    Ok(ExitStatus::Done)
}

fn subject(document: &Document) -> String {
    let (kind, name) = manifest::subject(&document.manifest);
    format!("{kind}/{name}")
}

async fn apply(client: &Client, manifest: &Manifest) -> Result<Applied, RequestError> {
    match manifest {
        Manifest::Segment(spec) => put(client, spec).await,
        Manifest::Node(spec) => put(client, spec).await,
        Manifest::Check(spec) => put(client, spec).await,
        Manifest::Group(spec) => put(client, spec).await,
        Manifest::SyncGroup(spec) => put(client, spec).await,
    }
}

async fn put<S: Spec>(client: &Client, spec: &S) -> Result<Applied, RequestError> {
    let path = [S::PATH, spec.name()];
    let Some(Found { object, etag }) = client.find::<S::Object>(&path).await? else {
        let written = client.put(&path, spec, &Precondition::Absent).await?;
        return Ok(Applied { outcome: Outcome::Created, advice: advice::<S>(written.as_ref()) });
    };
    let changes = changes(&fields(&S::of(&object)), &fields(spec));
    if changes.is_empty() {
        return Ok(Applied { outcome: Outcome::Unchanged, advice: advice::<S>(Some(&object)) });
    }
    let written = client.put(&path, spec, &Precondition::Unchanged { etag }).await?;
    Ok(Applied { outcome: Outcome::Updated(changes), advice: advice::<S>(written.as_ref()) })
}

fn advice<S: Spec>(object: Option<&S::Object>) -> Vec<Condition> {
    let conditions = object.map(S::conditions).unwrap_or_default();
    conditions.iter().filter(|condition| condition.kind.is_advice()).cloned().collect()
}

/// A specification of the contract is always an object of JSON.
fn fields(spec: &impl Spec) -> Value {
    serde_json::to_value(spec).unwrap_or(Value::Null)
}

fn line(subject: &str, width: usize, outcome: &Outcome, terminal: Terminal) -> String {
    let word = match outcome {
        Outcome::Created => terminal.good("created"),
        Outcome::Updated(_) => terminal.warning("updated"),
        Outcome::Unchanged => "unchanged".to_owned(),
    };
    let mut text = format!("{subject:width$}  {word}\n");
    if let Outcome::Updated(changes) = outcome {
        text.extend(changes.iter().map(|change| format!("    {}\n", output::clean(&change.to_string()))));
    }
    text
}

fn not_applied(rest: &[Document], done: usize) -> String {
    let names: Vec<String> = rest.iter().map(subject).collect();
    format!("{done} of {} applied; not applied: {}", done + rest.len(), names.join(", "))
}

/// Why an object was refused, each field with the line it stands on.
fn reason(error: &RequestError, origin: &Origin) -> String {
    match error {
        RequestError::Refused(refusal) => refused(refusal, origin),
        RequestError::Trust(_)
        | RequestError::Unreachable { .. }
        | RequestError::Untrusted { .. }
        | RequestError::NotKnown { .. }
        | RequestError::NotUnderstood { .. } => format!("{error}\n  {}", origin.place("")),
    }
}

fn refused(refusal: &Refusal, origin: &Origin) -> String {
    let mut text = refusal.headline();
    if refusal.fields().is_empty() {
        text.push_str(&format!("\n  {}", origin.place("")));
    }
    for field in refusal.fields() {
        let place = origin.place(&field.pointer);
        text.push_str(&format!("\n  {place}: {}: {}", field.pointer, field.detail));
    }
    if let Some(id) = refusal.request_id() {
        text.push_str(&format!("\n  request {id}"));
    }
    text
}
