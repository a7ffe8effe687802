//! What agents and servers read from each other's WebSocket messages.

use api_types::channel::{AgentMessage, DesiredState, MAX_TRANSITIONS, ServerMessage};
use baton_agent::control::server_message::{self, Heard};
use baton_server::agents::protocol::{Conversation, Violation};

const HELLO: &str = r#"{"type":"hello","boot_id":"018f4e6e-7c1a-7000-8000-000000000000","agent_version":"1",
    "interfaces":[],"applied_revision":null}"#;

/// What an agent says, one message on each line: refused with a reason, or kept as it was said; hello first
/// and once.
///
/// # Panics
/// When a promise is broken.
pub fn agent_messages(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut conversation = Conversation::default();
    let mut greeted = false;
    for line in text.lines() {
        match conversation.receive(line) {
            Ok(AgentMessage::Hello(_)) => {
                assert!(!greeted, "hello is said once");
                greeted = true;
            }
            Ok(message) => {
                assert!(greeted, "hello comes first");
                if let AgentMessage::Transitions { transitions } = &message {
                    assert!((1..=MAX_TRANSITIONS).contains(&transitions.len()));
                    assert!(transitions.iter().all(|one| one.boot_id == transitions[0].boot_id));
                }
                let mut another = Conversation::default();
                another.receive(HELLO).expect("a greeting");
                let again = serde_json::to_string(&message).expect("what was read can be written");
                assert_eq!(another.receive(&again), Ok(message), "said again it is the same");
            }
            Err(violation) => {
                assert!(!violation.to_string().is_empty());
                assert!(violation != Violation::NotGreeted || !greeted);
                assert!(violation != Violation::GreetedTwice || greeted);
            }
        }
    }
}

/// What a server says: read and kept as it was said, passed over, or answered.
///
/// # Panics
/// When a promise is broken.
pub fn server_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match server_message::read(text) {
        Ok(Heard::Message(message)) => {
            let again = serde_json::to_string(&message).expect("what was read can be written");
            assert_eq!(serde_json::from_str::<ServerMessage>(&again).expect("read again"), message);
            if let ServerMessage::DesiredState(state) = message {
                let honest = DesiredState::new(state.revision, state.groups.clone(), state.checks.clone())
                    .expect("a digest");
                assert!(honest.is_intact());
                assert_eq!(state.is_intact(), state.digest == honest.digest, "only one digest is right");
            }
        }
        Ok(Heard::Unreadable { error, .. }) => assert!(!error.to_string().is_empty()),
        Ok(Heard::Unknown { kind }) => assert!(!["desired_state", "welcome", "ack"].contains(&kind.as_str())),
        Err(error) => assert!(serde_json::from_str::<ServerMessage>(text).is_err(), "{error}"),
    }
}
