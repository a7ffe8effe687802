//! What a server has said: a message, or what this version cannot read.

use api_types::channel::{Revision, ServerMessage};
use serde::Deserialize;

/// What was heard.
#[derive(Debug)]
pub enum Heard {
    /// A message of this version.
    Message(ServerMessage),
    /// A desired state that cannot be read, to be rejected by its revision.
    Unreadable {
        /// Which.
        revision: Revision,
        /// Why.
        error: serde_json::Error,
    },
    /// A message of a kind that this version does not know, to be passed over.
    Unknown {
        /// Which.
        kind: String,
    },
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    revision: Option<Revision>,
}

/// Reads a message of a server.
///
/// # Errors
/// When it is none: no JSON, without a type, or of a known type and not what that must be.
pub fn read(text: &str) -> Result<Heard, serde_json::Error> {
    let error = match serde_json::from_str(text) {
        Ok(message) => return Ok(Heard::Message(message)),
        Err(error) => error,
    };
    let envelope: Envelope = serde_json::from_str(text)?;
    match (envelope.kind.as_str(), envelope.revision) {
        ("desired_state", Some(revision)) => Ok(Heard::Unreadable { revision, error }),
        ("desired_state" | "welcome" | "ack", _) => Err(error),
        (_, _) => Ok(Heard::Unknown { kind: envelope.kind }),
    }
}
