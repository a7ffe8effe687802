//! The bad fields of one request, all of them.

use std::fmt::Display;

use api_types::problem::FieldProblem;

/// Collects every bad field of one request, in the order in which the rules find them.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldProblem>);

impl Faults {
    /// Notes that the field at `pointer` (RFC 6901) is wrong. `detail` says what was wrong and what is allowed.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Display) {
        self.0.push(FieldProblem { pointer: pointer.into(), detail: detail.to_string() });
    }

    /// What was found; empty when every field is good.
    #[must_use]
    pub fn into_fields(self) -> Vec<FieldProblem> {
        self.0
    }
}

/// The most characters of a free text.
pub const TEXT_MAX_CHARS: usize = 500;

/// The rule for the free text of every object.
pub fn check_description(description: &str, faults: &mut Faults) {
    check_text("/description", description, faults);
}

/// The rule for a free text at `pointer`.
pub fn check_text(pointer: &str, text: &str, faults: &mut Faults) {
    let length = text.chars().count();
    if length > TEXT_MAX_CHARS {
        faults.add(pointer, format_args!("it has {length} characters: allowed are at most {TEXT_MAX_CHARS}"));
    }
    if text.contains('\0') {
        faults.add(pointer, "it holds the character U+0000: allowed is text without it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_counts_characters_and_holds_no_nul() {
        let cases = [
            (String::new(), 0),
            ("ä".repeat(500), 0),
            ("ä".repeat(501), 1),
            ("a\0b".to_owned(), 1),
            ("\0".repeat(501), 2),
        ];
        for (text, wanted) in cases {
            let mut faults = Faults::default();
            check_description(&text, &mut faults);
            let found = faults.into_fields();
            assert_eq!(found.len(), wanted, "{text:?}: {found:?}");
            assert!(found.iter().all(|fault| fault.pointer == "/description"));
        }
    }
}
