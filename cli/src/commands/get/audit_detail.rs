//! What an entry of the audit log comes to, in one line.

use api_types::audit::{AuditEvent, Outcome};
use serde_json::Value;

use crate::diff::changes;
use crate::manifest::SERVER_OWNED;

/// What was changed, why it was refused, or what happened; empty where the action says it all.
pub(super) fn of(event: &AuditEvent) -> String {
    match (&event.before, &event.after) {
        (_, Some(refusal)) if event.outcome == Outcome::Refused => {
            text(refusal.get("reason").unwrap_or(refusal))
        }
        (Some(before), Some(after)) => {
            let changes = changes(&written(before), &written(after));
            changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        (_, Some(record)) => happened(record),
        (_, None) => String::new(),
    }
}

/// The part of an object that operators write.
fn written(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.retain(|field, _| !SERVER_OWNED.contains(&field.as_str()));
    }
    object
}

/// A transition or failover; nothing for the record of anything else.
fn happened(record: &Value) -> String {
    let field = |name: &str| record.get(name).filter(|value| !value.is_null()).map(text);
    let Some(to) = field("to") else { return String::new() };
    let from = field("from").unwrap_or_else(|| "nobody".to_owned());
    let mut said = format!("{from} -> {to}");
    for why in [field("reason"), field("cause")].into_iter().flatten() {
        said.push_str(&format!(", {why}"));
    }
    if let Some(gap) = record.get("gap_ms").and_then(Value::as_f64) {
        said.push_str(&format!(", gap {gap:.1} ms"));
    }
    said
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(outcome: &str, before: Value, after: Value) -> String {
        let event = json!({
            "id": 7, "recorded_at": "2026-11-22T20:00:00.000000Z", "action": "x", "outcome": outcome,
            "actor": {"kind": "server", "name": null, "id": null}, "target_kind": "group",
            "target_id": null, "target_name": "web", "source": null, "request_id": null,
            "before": before, "after": after,
        });
        of(&serde_json::from_value(event).unwrap())
    }

    #[test]
    fn an_update_is_what_was_changed_without_what_the_server_writes() {
        let before = json!({"generation": 1, "updated_at": "a", "status": {"active": []}, "vrid": 51});
        let after = json!({"generation": 2, "updated_at": "b", "status": {"active": ["lb1"]}, "vrid": 52});
        assert_eq!(detail("done", before, after), "vrid: 51 -> 52");
    }

    #[test]
    fn a_refusal_is_why() {
        assert_eq!(
            detail("refused", Value::Null, json!({"reason": "the API token has expired"})),
            "the API token has expired"
        );
    }

    #[test]
    fn a_move_is_from_where_to_where_and_why() {
        let transition = json!({"from": "backup", "to": "active", "reason": "no_response"});
        assert_eq!(detail("done", Value::Null, transition), "backup -> active, no_response");
        let failover = json!({"from": null, "to": "lb2", "cause": "no_response", "gap_ms": 315.25});
        assert_eq!(detail("done", Value::Null, failover), "nobody -> lb2, no_response, gap 315.2 ms");
    }

    #[test]
    fn what_the_action_says_is_not_said_again() {
        assert_eq!(detail("done", Value::Null, json!({"name": "web"})), "");
        assert_eq!(detail("done", json!({"name": "web"}), Value::Null), "");
    }
}
