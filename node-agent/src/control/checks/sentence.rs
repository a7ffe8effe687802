//! What a check has found, in words: short, in one line, and without what could do harm where it is shown.

/// The longest, in characters.
const LONGEST: usize = 200;

/// Makes a sentence of any text.
pub(super) fn of(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = plain.chars().filter(|letter| !letter.is_control());
    let mut sentence: String = letters.by_ref().take(LONGEST - 1).collect();
    match (letters.next(), letters.next()) {
        (Some(last), None) => sentence.push(last),
        (Some(_), Some(_)) => sentence.push('…'),
        (None, _) => {}
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_short_and_plain() {
        assert_eq!(of("  a\n\tb\u{1b}[31m c\0"), "a b[31m c");
        for (length, ends_in_dots) in [(199, false), (200, false), (201, true), (5_000, true)] {
            let sentence = of(&"ä".repeat(length));
            assert!(sentence.chars().count() <= 200);
            assert_eq!(sentence.ends_with('…'), ends_in_dots, "{length}");
        }
    }
}
