//! Text to objects.
//!
//! A document is read as plain YAML first, to learn its `kind`, and then as a specification of that kind, so
//! that the first wrong field is known by its path. Its line is looked up only when something is wrong.

use std::sync::Arc;

use api_types::check::CheckSpec;
use api_types::group::{ExternalMember, GroupSpec, NodeMemberSpec};
use api_types::manifest::Manifest;
use api_types::node::NodeSpec;
use api_types::segment::SegmentSpec;
use api_types::sync_group::SyncGroupSpec;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _, IgnoredAny};
use serde_path_to_error::{Path, Segment};
use serde_yaml_ng::{Deserializer, Value};

use super::value::{Any, Oversize};
use super::{Document, Mistake, Origin};

const KINDS: &str = "allowed are segment, node, check, group and sync-group";

/// What `baton get … -o yaml` shows and only the server writes: it is passed over.
pub(crate) const SERVER_OWNED: [&str; 5] = ["id", "generation", "created_at", "updated_at", "status"];

/// Adds the objects of a file, and what is wrong in it.
pub(super) fn documents(
    file: &Arc<str>,
    text: &Arc<str>,
    documents: &mut Vec<Document>,
    mistakes: &mut Vec<Mistake>,
) {
    for (index, document) in Deserializer::from_str(text).enumerate() {
        let origin = Origin { file: Arc::clone(file), text: Arc::clone(text), index };
        let mut oversize = Oversize::default();
        let value = match Any(&mut oversize).deserialize(document) {
            // Nothing between two `---`, or only comments.
            Ok(Value::Null) => continue,
            Ok(value) => value,
            Err(error) => {
                let place = origin.at(error.location().map(|location| location.line()));
                if is_yaml(text, index) {
                    mistakes.push(Mistake { place, detail: without_place(&error) });
                    continue;
                }
                mistakes.push(Mistake { place, detail: format!("it is no YAML: {error}") });
                // What follows a break of the syntax cannot be told apart.
                return;
            }
        };
        match manifest(value) {
            Ok(manifest) => documents.push(Document { manifest, origin }),
            Err(Wrong { pointer, detail }) => {
                mistakes.push(Mistake { place: origin.place(&pointer), detail: oversize.restored(detail) });
            }
        }
    }
}

/// Whether the document with this index breaks no rule of the syntax.
fn is_yaml(text: &str, index: usize) -> bool {
    Deserializer::from_str(text).nth(index).is_some_and(|document| IgnoredAny::deserialize(document).is_ok())
}

/// What an error says before the place in the file, which stands in front of the whole message.
fn without_place(error: &serde_yaml_ng::Error) -> String {
    let said = error.to_string();
    said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said).to_owned()
}

/// What is wrong, and in which field.
struct Wrong {
    pointer: String,
    detail: String,
}

impl Wrong {
    fn new(pointer: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), detail: detail.into() }
    }
}

fn manifest(mut value: Value) -> Result<Manifest, Wrong> {
    let Value::Mapping(fields) = &mut value else {
        return Err(Wrong::new("", "a document must be an object with `kind` and `name`"));
    };
    let Some(kind) = fields.remove("kind") else {
        return Err(Wrong::new("", format!("there is no `kind`: {KINDS}")));
    };
    for field in SERVER_OWNED {
        fields.remove(field);
    }
    match kind.as_str() {
        Some("segment") => spec::<SegmentSpec>(value).map(Manifest::Segment),
        Some("node") => spec::<NodeSpec>(value).map(Manifest::Node),
        Some("check") => spec::<CheckSpec>(value).map(Manifest::Check),
        Some("group") => group(value).map(Manifest::Group),
        Some("sync-group") => spec::<SyncGroupSpec>(value).map(Manifest::SyncGroup),
        Some(other) => Err(Wrong::new("/kind", format!("kind: {other:?} is not known: {KINDS}"))),
        None => Err(Wrong::new("/kind", format!("kind: it must be a word: {KINDS}"))),
    }
}

/// A group; its members are read one by one first, because the tag that tells their kinds apart hides the
/// path.
fn group(value: Value) -> Result<GroupSpec, Wrong> {
    if let Some(Value::Sequence(members)) = value.get("members") {
        for (index, member) in members.iter().enumerate() {
            self::member(member.clone()).map_err(|wrong| {
                let detail = format!("members[{index}]: {}", wrong.detail);
                Wrong { pointer: format!("/members/{index}{}", wrong.pointer), detail }
            })?;
        }
    }
    spec(value)
}

fn member(mut value: Value) -> Result<(), Wrong> {
    const MEMBER_KINDS: &str = "allowed are node (a host with an agent) and external (a router without one)";
    let Value::Mapping(fields) = &mut value else {
        return Err(Wrong::new("", "a member must be an object with `kind`"));
    };
    let Some(kind) = fields.remove("kind") else {
        return Err(Wrong::new("", format!("there is no `kind`: {MEMBER_KINDS}")));
    };
    match kind.as_str() {
        Some("node") => spec::<NodeMemberSpec>(value).map(drop),
        Some("external") => spec::<ExternalMember>(value).map(drop),
        Some(other) => Err(Wrong::new("/kind", format!("kind: {other:?} is not known: {MEMBER_KINDS}"))),
        None => Err(Wrong::new("/kind", format!("kind: it must be a word: {MEMBER_KINDS}"))),
    }
}

fn spec<T: DeserializeOwned>(value: Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer(error.path());
        let path = error.path().to_string();
        let detail = plain(&error.into_inner().to_string());
        // A field that is not known is named by the message; at the top the path is ".".
        let named = path == "." || detail.contains(&format!("`{path}`"));
        Wrong { pointer, detail: if named { detail } else { format!("{path}: {detail}") } }
    })
}

/// What a library says of a value of the wrong type, in words of YAML.
fn plain(detail: &str) -> String {
    let Some((is, must_be)) =
        detail.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return detail.to_owned();
    };
    let is = match is.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating", number)) => format!("the number {}", number.replace("point ", "")),
        Some(("boolean", truth)) => truth.to_owned(),
        Some(_) | None => match is {
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            "unit value" => "empty".to_owned(),
            other => other.to_owned(),
        },
    };
    let must_be = match must_be {
        "i64" | "u64" | "u8" | "u16" | "u32" => "a whole number",
        "a string" => "text (in quotation marks where YAML reads it as something else)",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "a map" => "an object",
        other => other,
    };
    format!("it is {is}: it must be {must_be}")
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |mut pointer, segment| {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => return pointer,
        };
        pointer.push('/');
        pointer.push_str(&token);
        pointer
    })
}
