//! Records refused attempts in the audit log, at most [`PER_MINUTE`] a minute of each action, so that an attacker
//! cannot fill the disk, nor hide one kind of attempt behind another. What was left out is counted in the next entry.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api_types::Timestamp;
use api_types::audit::Actor;
use chrono::TimeDelta;
use serde_json::json;

use crate::app::App;
use crate::store::audit::{self, Entry, Origin, Target};

/// How many refusals of one action are recorded in a minute.
const PER_MINUTE: u32 = 120;

/// How many characters of a text of the caller are kept.
const MAX_TEXT: usize = 500;

/// Records refusals.
#[derive(Debug, Default)]
pub struct RefusalLog(Mutex<HashMap<&'static str, Window>>);

#[derive(Debug, Default)]
struct Window {
    began_at: Option<Timestamp>,
    recorded: u32,
    left_out: u64,
}

impl RefusalLog {
    /// Records that `actor` was refused `action` on `target`, and why. A database that does not take it costs
    /// the entry, never the answer; the server's log has it all the same.
    pub async fn record(
        &self,
        app: &App,
        actor: Actor,
        origin: Origin,
        action: &'static str,
        target: Target,
        reason: &str,
    ) {
        tracing::warn!(
            action,
            reason,
            actor = actor.name.as_deref().unwrap_or(actor.kind.as_str()),
            source = ?origin.source,
            request_id = origin.request_id.as_deref(),
            "refused"
        );
        metrics::counter!("baton_refusals_total", "action" => action).increment(1);
        let target = Target { name: target.name.map(|name| shown(&name)), ..target };
        let reason = shown(reason);
        let now = app.clock.now();
        let Some(left_out) = self.admit(action, now) else { return };
        let reason = if left_out == 0 {
            json!({"reason": reason})
        } else {
            json!({"reason": reason, "left_out_before": left_out})
        };
        let entry = Entry::refused(actor, origin, action, target, &reason);
        let recorded = async {
            let mut conn = app.db.acquire().await?;
            audit::record(&mut conn, now, &entry).await
        };
        if let Err(error) = recorded.await {
            tracing::error!(%error, "a refusal could not be recorded in the audit log");
        }
    }

    /// Whether there is room for one more; if so, how many were left out since the last one.
    fn admit(&self, action: &'static str, now: Timestamp) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(action).or_default();
        let over = window
            .began_at
            .is_none_or(|began_at| now.as_datetime() - began_at.as_datetime() >= TimeDelta::minutes(1));
        if over {
            window.began_at = Some(now);
            window.recorded = 0;
        }
        if window.recorded >= PER_MINUTE {
            window.left_out += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

/// Text of a caller as an entry keeps it: cut to [`MAX_TEXT`], with what nobody can read, or no database takes, escaped.
fn shown(text: &str) -> String {
    let escaped: String = text.chars().flat_map(readable).take(MAX_TEXT + 1).collect();
    if escaped.chars().count() <= MAX_TEXT {
        return escaped;
    }
    escaped.chars().take(MAX_TEXT - 1).chain(['…']).collect()
}

fn readable(character: char) -> impl Iterator<Item = char> {
    // Quotes are no danger, and escaping them twice helps nobody.
    let kept = matches!(character, '"' | '\'' | '\\');
    let escaped = (!kept).then(|| character.escape_debug());
    kept.then_some(character).into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap().into();
        let log = RefusalLog::default();
        for _ in 0..PER_MINUTE {
            assert_eq!(log.admit("group.create", at(0)), Some(0));
        }
        assert_eq!(log.admit("group.create", at(59)), None);
        assert_eq!(log.admit("group.create", at(59)), None);
        assert_eq!(log.admit("authenticate", at(59)), Some(0), "another kind has room of its own");
        assert_eq!(log.admit("group.create", at(60)), Some(2));
        assert_eq!(log.admit("group.create", at(60)), Some(0));
    }

    #[test]
    fn what_a_caller_sent_is_kept_short_and_readable() {
        assert_eq!(shown("no segment \"front-1\"; é\\'"), "no segment \"front-1\"; é\\'");
        assert_eq!(shown("a\0b\n\u{202e}"), "a\\0b\\n\\u{202e}");
        assert_eq!(shown(&"ä".repeat(MAX_TEXT)), "ä".repeat(MAX_TEXT));
        let cut = shown(&"ä".repeat(9000));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (MAX_TEXT, true));
    }
}
