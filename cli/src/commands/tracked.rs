//! What checks do to members, in words.

use api_types::check::{CheckStatus, Track};
use api_types::group::MemberStatus;

use crate::output::Tone;

/// `nginx (fault while it fails)`, `app (+30 while it passes)`.
pub(super) fn in_words(track: &Track) -> String {
    let weight = track.weight.get();
    let counts_when = if (weight > 0) == track.reverse { "fails" } else { "passes" };
    let effect = if track.weight.is_fault() { "fault".to_owned() } else { format!("{weight:+}") };
    format!("{} ({effect} while it {counts_when})", track.check)
}

/// How a check counts, in a word.
pub(super) const fn word(status: &CheckStatus) -> (&'static str, Tone) {
    match status.passing {
        Some(true) => ("passes", Tone::Good),
        Some(false) => ("fails", Tone::Bad),
        None => ("not run yet", Tone::Warning),
    }
}

/// The checks that fail there.
pub(super) fn failing(member: &MemberStatus) -> impl Iterator<Item = &CheckStatus> {
    member.checks.iter().filter(|check| check.passing == Some(false))
}

/// `cause (failing: nginx)`, or the cause alone.
pub(super) fn with_checks(cause: &str, failing: &[String]) -> String {
    if failing.is_empty() { cause.to_owned() } else { format!("{cause} (failing: {})", failing.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_track_says_when_it_counts_and_what_it_does() {
        let said = |weight: i16, reverse: bool| {
            let track = json!({"check": "app", "weight": weight, "reverse": reverse});
            in_words(&serde_json::from_value(track).unwrap())
        };
        assert_eq!(said(0, false), "app (fault while it fails)");
        assert_eq!(said(0, true), "app (fault while it passes)");
        assert_eq!(said(-30, false), "app (-30 while it fails)");
        assert_eq!(said(-30, true), "app (-30 while it passes)");
        assert_eq!(said(30, false), "app (+30 while it passes)");
        assert_eq!(said(30, true), "app (+30 while it fails)");
    }

    #[test]
    fn a_cause_names_the_checks_behind_it() {
        assert_eq!(with_checks("preempting", &[]), "preempting");
        let failing = ["nginx".to_owned(), "app".to_owned()];
        assert_eq!(with_checks("preempting", &failing), "preempting (failing: nginx, app)");
    }
}
