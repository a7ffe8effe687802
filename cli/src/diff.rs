//! What differs between two specifications, field by field.
//!
//! Members and checks are told apart by their names, not by their places: one that is inserted before others does
//! not make the others look changed.

use std::fmt;

use serde_json::Value;

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// `advertisement_interval_ms`, `members[lb1].priority`.
    path: String,
    kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq)]
enum ChangeKind {
    Replaced {
        from: Value,
        to: Value,
    },
    Added(Value),
    Removed(Value),
    /// The same elements in another order.
    Reordered,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind } = self;
        match kind {
            ChangeKind::Replaced { from, to } => write!(f, "{path}: {from} -> {to}"),
            ChangeKind::Added(value) => write!(f, "{path}: + {value}"),
            ChangeKind::Removed(value) => write!(f, "{path}: - {value}"),
            ChangeKind::Reordered => write!(f, "{path}: another order"),
        }
    }
}

/// What is different in `to`; empty when nothing is.
pub(crate) fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", from, to, &mut found);
    found
}

fn compare(path: &str, from: &Value, to: &Value, found: &mut Vec<Change>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => compare(&path, before, after, found),
                    (Some(before), None) => push(found, path, ChangeKind::Removed(before.clone())),
                    (None, Some(after)) => push(found, path, ChangeKind::Added(after.clone())),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => compare_lists(path, before, after, found),
        _ => push(found, path.to_owned(), ChangeKind::Replaced { from: from.clone(), to: to.clone() }),
    }
}

fn compare_lists(path: &str, before: &[Value], after: &[Value], found: &mut Vec<Change>) {
    let already = found.len();
    for element in before {
        match (identity(element), find(after, element)) {
            (Some(name), Some(twin)) => compare(&format!("{path}[{name}]"), element, twin, found),
            (None, Some(_)) => {}
            (_, None) => push(found, path.to_owned(), ChangeKind::Removed(element.clone())),
        }
    }
    for element in after.iter().filter(|element| find(before, element).is_none()) {
        push(found, path.to_owned(), ChangeKind::Added(element.clone()));
    }
    if found.len() == already {
        push(found, path.to_owned(), ChangeKind::Reordered);
    }
}

fn find<'a>(list: &'a [Value], element: &Value) -> Option<&'a Value> {
    list.iter().find(|other| match identity(element) {
        Some(name) => identity(other) == Some(name),
        None => *other == element,
    })
}

/// What a member, or a check that is tracked, is known by.
fn identity(element: &Value) -> Option<&str> {
    ["node", "name", "check"].into_iter().find_map(|field| element.get(field)).and_then(Value::as_str)
}

fn push(found: &mut Vec<Change>, path: String, kind: ChangeKind) {
    found.push(Change { path, kind });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(from: &Value, to: &Value) -> Vec<String> {
        changes(from, to).iter().map(Change::to_string).collect()
    }

    #[test]
    fn equal_specifications_have_no_changes() {
        let spec = json!({"name": "web", "members": [{"node": "lb1", "priority": 240}]});
        assert_eq!(said(&spec, &spec), Vec::<String>::new());
    }

    #[test]
    fn a_changed_field_is_named_with_its_value_before_and_after() {
        let from = json!({"preempt_mode": true, "vrid": 51, "description": ""});
        let to = json!({"preempt_mode": false, "vrid": 51, "description": "web"});
        assert_eq!(said(&from, &to), ["description: \"\" -> \"web\"", "preempt_mode: true -> false"]);
    }

    #[test]
    fn a_member_is_known_by_its_name_wherever_it_stands() {
        let lb1 = json!({"kind": "node", "node": "lb1", "priority": 240});
        let lb2 = json!({"kind": "node", "node": "lb2", "priority": 220});
        let raised = json!({"kind": "node", "node": "lb2", "priority": 250});
        let old = json!({"kind": "external", "name": "old", "priority": 100});
        assert_eq!(
            said(&json!({"members": [lb1, lb2]}), &json!({"members": [old, raised]})),
            [
                format!("members: - {lb1}"),
                "members[lb2].priority: 220 -> 250".to_owned(),
                format!("members: + {old}"),
            ]
        );
        assert_eq!(
            said(&json!({"members": [lb1, lb2]}), &json!({"members": [lb2, lb1]})),
            ["members: another order"]
        );
    }

    #[test]
    fn a_check_that_is_tracked_is_known_by_its_name() {
        let track = |weight: i16| json!({"track": [{"check": "nginx", "weight": weight}]});
        assert_eq!(said(&track(0), &track(-30)), ["track[nginx].weight: 0 -> -30"]);
    }

    #[test]
    fn addresses_come_and_go_one_by_one() {
        let from = json!({"virtual_addresses": ["192.0.2.10/24", "192.0.2.11/24"]});
        let to = json!({"virtual_addresses": ["192.0.2.11/24", "192.0.2.12/24"]});
        assert_eq!(
            said(&from, &to),
            ["virtual_addresses: - \"192.0.2.10/24\"", "virtual_addresses: + \"192.0.2.12/24\""]
        );
    }

    #[test]
    fn an_element_that_is_repeated_is_a_change() {
        let changes = said(&json!({"virtual_addresses": ["a"]}), &json!({"virtual_addresses": ["a", "a"]}));
        assert_eq!(changes, ["virtual_addresses: another order"]);
    }
}
