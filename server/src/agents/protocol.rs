//! The rules of the conversation with one agent, without sockets and without a database.
//!
//! An agent says hello first and once; then it may report in any order. What breaks a rule ends the session,
//! because an agent of this version never does it.

use api_types::channel::{AgentMessage, Hello, MAX_TRANSITIONS, MemberDetails};
use api_types::fences::Fences;
use api_types::node::{Interface, RejectionReason};
use api_types::transition::TransitionRecord;
use thiserror::Error;

/// The most interfaces, groups and reasons in one message.
const MAX_ITEMS: usize = 10_000;
/// The longest text of one field, in octets.
const MAX_TEXT_OCTETS: usize = 4_096;

/// The longest that a member looks whether the LAN follows a takeover, with room for agents to come, in microseconds.
const MAX_CONVERGENCE_US: u64 = 60_000_000;

/// The most routers that one member tells of, with room for agents to come.
const MAX_HEARD: usize = 64;
/// The most words of one kind about one thing, with room for agents to come.
const MAX_WORDS: usize = 32;
/// The longest of these words, in octets.
const MAX_WORD_OCTETS: usize = 64;

/// Why a message ends the session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// It is no message of this channel.
    #[error("no message of this channel: {0}")]
    Malformed(String),
    /// It came before hello.
    #[error("the first message must be hello")]
    NotGreeted,
    /// It is a second hello.
    #[error("hello was said already")]
    GreetedTwice,
    /// The transitions are not one batch of one boot.
    #[error("{0}")]
    Batch(String),
    /// A field holds what it cannot.
    #[error("{field}: {detail}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what is allowed.
        detail: String,
    },
}

/// The conversation with one agent.
#[derive(Debug, Default)]
pub struct Conversation {
    greeted: bool,
}

impl Conversation {
    /// Reads the next message of the agent.
    ///
    /// # Errors
    /// [`Violation`] when it breaks a rule; the session must end.
    pub fn receive(&mut self, text: &str) -> Result<AgentMessage, Violation> {
        let message: AgentMessage =
            serde_json::from_str(text).map_err(|error| Violation::Malformed(error.to_string()))?;
        match &message {
            AgentMessage::Hello(hello) => {
                if self.greeted {
                    return Err(Violation::GreetedTwice);
                }
                check_hello(hello)?;
                self.greeted = true;
            }
            _ if !self.greeted => return Err(Violation::NotGreeted),
            AgentMessage::Applied { digest, .. } => check_text("digest", digest)?,
            AgentMessage::Rejected { reasons, .. } => check_reasons(reasons)?,
            AgentMessage::Transitions { transitions } => check_batch(transitions)?,
            AgentMessage::Assist(assist) => check_count("groups", assist.groups.len())?,
            AgentMessage::Converged(found) => check_duration("took_us", found.took_us)?,
            AgentMessage::Status(status) => {
                check_interfaces(&status.interfaces)?;
                check_count("groups", status.groups.len())?;
                for report in &status.groups {
                    check_count("addresses_present", report.addresses_present.len())?;
                    report.details.as_ref().map_or(Ok(()), check_details)?;
                }
                let counters = status.interface_counters.as_deref().unwrap_or_default();
                check_count("interface_counters", counters.len())?;
                counters
                    .iter()
                    .try_for_each(|one| check_text("interface_counters/interface", &one.interface))?;
                for (_, fence) in status.fences.iter().flat_map(Fences::each) {
                    check_text("fences/detail", fence.detail.as_deref().unwrap_or_default())?;
                }
            }
        }
        Ok(message)
    }
}

fn check_hello(hello: &Hello) -> Result<(), Violation> {
    check_text("agent_version", &hello.agent_version)?;
    check_words("capabilities", &hello.capabilities)?;
    check_interfaces(&hello.interfaces)
}

fn check_interfaces(interfaces: &[Interface]) -> Result<(), Violation> {
    check_count("interfaces", interfaces.len())?;
    for interface in interfaces {
        check_text("interfaces/name", &interface.name)?;
        check_text("interfaces/mac", interface.mac.as_deref().unwrap_or_default())?;
        check_count("interfaces/addresses", interface.addresses.len())?;
    }
    Ok(())
}

fn check_details(details: &MemberDetails) -> Result<(), Violation> {
    check_text("details/fault", details.fault.as_deref().unwrap_or_default())?;
    check_text("details/boost_refused", details.boost_refused.as_deref().unwrap_or_default())?;
    check_words("details/dropping", &details.dropping)?;
    check_count("details/checks", details.checks.len())?;
    for check in &details.checks {
        check_text("details/checks/check", &check.check)?;
        check_text("details/checks/detail", &check.detail)?;
    }
    if details.heard.len() > MAX_HEARD {
        let detail = format!("{} routers: at most {MAX_HEARD}", details.heard.len());
        return Err(Violation::Field { field: "details/heard", detail });
    }
    details.heard.iter().try_for_each(|peer| check_words("details/heard/discrepancies", &peer.discrepancies))
}

fn check_words(field: &'static str, words: &[String]) -> Result<(), Violation> {
    if words.len() > MAX_WORDS || words.iter().any(|word| word.len() > MAX_WORD_OCTETS) {
        let detail = format!("at most {MAX_WORDS} words of {MAX_WORD_OCTETS} octets");
        return Err(Violation::Field { field, detail });
    }
    words.iter().try_for_each(|word| check_text(field, word))
}

fn check_reasons(reasons: &[RejectionReason]) -> Result<(), Violation> {
    check_count("reasons", reasons.len())?;
    for reason in reasons {
        check_text("reasons/group", reason.group.as_deref().unwrap_or_default())?;
        check_text("reasons/detail", &reason.detail)?;
    }
    Ok(())
}

fn check_batch(transitions: &[TransitionRecord]) -> Result<(), Violation> {
    let batch = |detail: String| Err(Violation::Batch(detail));
    let Some(first) = transitions.first() else {
        return batch("a batch of transitions holds at least one".into());
    };
    if transitions.len() > MAX_TRANSITIONS {
        return batch(format!("{} transitions in one message: at most {MAX_TRANSITIONS}", transitions.len()));
    }
    if transitions.iter().any(|transition| transition.boot_id != first.boot_id) {
        return batch("the transitions of one message are of one boot".into());
    }
    if !transitions.is_sorted_by(|one, next| one.sequence < next.sequence) {
        return batch("the transitions of one message are in the order of their sequence".into());
    }
    transitions.iter().try_for_each(check_transition)
}

fn check_transition(transition: &TransitionRecord) -> Result<(), Violation> {
    check_text("transitions/group", &transition.group)?;
    check_text("transitions/interface", &transition.interface)?;
    check_words("transitions/failing_checks", &transition.failing_checks)?;
    if transition.sequence == 0 {
        let detail = "0: sequences count from 1".to_owned();
        return Err(Violation::Field { field: "transitions/sequence", detail });
    }
    if transition.from == transition.to {
        let detail = format!("{} to itself: a transition changes the state", transition.to.as_str());
        return Err(Violation::Field { field: "transitions/to", detail });
    }
    check_number("transitions/sequence", transition.sequence)?;
    let heard = transition.last_advertisement.map(|heard| heard.at_boottime_ns);
    let times = [
        Some(transition.at_boottime_ns),
        heard,
        transition.bound_at_boottime_ns,
        transition.announced_at_boottime_ns,
        transition.released_at_boottime_ns,
    ];
    times.into_iter().flatten().try_for_each(|time| check_number("transitions/…_boottime_ns", time))
}

fn check_number(field: &'static str, number: u64) -> Result<(), Violation> {
    match i64::try_from(number) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation::Field { field, detail: format!("{number}: at most {}", i64::MAX) }),
    }
}

fn check_duration(field: &'static str, microseconds: u64) -> Result<(), Violation> {
    if microseconds <= MAX_CONVERGENCE_US {
        return Ok(());
    }
    Err(Violation::Field { field, detail: format!("{microseconds}: at most {MAX_CONVERGENCE_US}") })
}

fn check_count(field: &'static str, count: usize) -> Result<(), Violation> {
    if count <= MAX_ITEMS {
        return Ok(());
    }
    Err(Violation::Field { field, detail: format!("{count} items: at most {MAX_ITEMS}") })
}

fn check_text(field: &'static str, text: &str) -> Result<(), Violation> {
    if text.len() > MAX_TEXT_OCTETS {
        let detail = format!("{} octets: at most {MAX_TEXT_OCTETS}", text.len());
        return Err(Violation::Field { field, detail });
    }
    if text.contains('\0') {
        let detail = "it holds the character U+0000: allowed is text without it".to_owned();
        return Err(Violation::Field { field, detail });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hello() -> String {
        json!({"type": "hello", "boot_id": "018f4e6e-7c1a-7000-8000-000000000000", "agent_version": "0.1.0",
               "interfaces": [], "applied_revision": null})
        .to_string()
    }

    fn transition(boot: u8, sequence: u64) -> Value {
        json!({"boot_id": format!("018f4e6e-7c1a-7000-8000-0000000000{boot:02}"), "sequence": sequence,
               "group_id": "018f4e6e-7c1a-7000-8000-0000000000ff", "group": "web", "family": "ipv4", "vrid": 51,
               "interface": "eth0", "from": "backup", "to": "active", "reason": "no_response", "priority": 100,
               "at": "2026-11-22T20:41:17.000123Z", "at_boottime_ns": 5, "last_advertisement": null})
    }

    fn batch(transitions: &[Value]) -> String {
        json!({"type": "transitions", "transitions": transitions}).to_string()
    }

    fn greeted() -> Conversation {
        let mut conversation = Conversation::default();
        conversation.receive(&hello()).unwrap();
        conversation
    }

    #[test]
    fn an_agent_says_hello_first_and_once() {
        let mut conversation = Conversation::default();
        assert_eq!(conversation.receive(&batch(&[transition(1, 1)])), Err(Violation::NotGreeted));
        assert!(conversation.receive(&hello()).is_ok());
        assert_eq!(conversation.receive(&hello()), Err(Violation::GreetedTwice));
        assert!(conversation.receive(&batch(&[transition(1, 1)])).is_ok());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["", "[]", "{}", "{\"type\":\"goodbye\"}", "{\"type\":\"hello\"}", "\u{0}"] {
            let refused = Conversation::default().receive(text);
            assert!(matches!(refused, Err(Violation::Malformed(_))), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn a_batch_is_of_one_boot_in_order_and_bounded() {
        let many: Vec<_> = (1..=101).map(|sequence| transition(1, sequence)).collect();
        let refused: [&[Value]; 5] = [
            &[],
            &many,
            &[transition(1, 1), transition(2, 2)],
            &[transition(1, 2), transition(1, 1)],
            &[transition(1, 1), transition(1, 1)],
        ];
        for transitions in refused {
            let refusal = greeted().receive(&batch(transitions));
            assert!(matches!(refusal, Err(Violation::Batch(_))), "{} transitions", transitions.len());
        }
        assert!(greeted().receive(&batch(&many[..100])).is_ok());
        assert!(greeted().receive(&batch(&[transition(1, 1), transition(1, 9)])).is_ok(), "a gap is allowed");
    }

    #[test]
    fn a_field_that_no_column_can_keep_is_refused() {
        let mut cases = vec![(transition(1, 0), "transitions/sequence")];
        for (field, value, named) in [
            ("group", json!("a\u{0}b"), "transitions/group"),
            ("group", json!("x".repeat(5_000)), "transitions/group"),
            ("at_boottime_ns", json!(u64::MAX), "transitions/…_boottime_ns"),
            ("to", json!("backup"), "transitions/to"),
        ] {
            let mut record = transition(1, 1);
            record[field] = value;
            cases.push((record, named));
        }
        for (record, named) in cases {
            match greeted().receive(&batch(&[record])) {
                Err(Violation::Field { field, .. }) => assert_eq!(field, named),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_a_member_may_tell_of_is_bounded() {
        let peer = json!({"source": "192.0.2.9", "version": 3, "priority": 100, "advertisement_interval_ms": 100,
                          "checksum": "rfc5798", "address_count": 1, "discrepancies": [], "speaking": true,
                          "last_heard_at": "2026-11-22T20:41:17.000123Z"});
        let mut odd = peer.clone();
        odd["discrepancies"] = json!(["x".repeat(65)]);
        let status = |details: Value| {
            json!({"type": "status", "at": "2026-11-22T20:41:17.000123Z", "interfaces": [], "groups": [{
                "group_id": "018f4e6e-7c1a-7000-8000-0000000000ff", "state": "backup",
                "since": "2026-11-22T20:41:17.000123Z", "effective_priority": 100, "active_source": null,
                "addresses_present": [], "details": details}]})
            .to_string()
        };
        for (details, named) in [
            (json!({"fault": "a\u{0}b"}), "details/fault"),
            (json!({"dropping": vec!["ttl"; 33]}), "details/dropping"),
            (json!({"heard": vec![peer.clone(); 65]}), "details/heard"),
            (json!({"heard": [odd]}), "details/heard/discrepancies"),
        ] {
            match greeted().receive(&status(details)) {
                Err(Violation::Field { field, .. }) => assert_eq!(field, named),
                other => panic!("{other:?}"),
            }
        }
        assert!(greeted().receive(&status(json!({"heard": vec![peer; 16]}))).is_ok());
    }
}
