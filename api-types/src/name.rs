//! The name of a resource.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A name: 1 to 63 of `a`–`z`, `0`–`9` and `-`, with a letter or digit at both ends, and not a UUID
/// (a path takes a name or an id, and must know which).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// It breaks the rule of spelling.
    #[error(
        "{0:?} is not a name: allowed are 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
    )]
    Spelling(String),
    /// It could be mistaken for an id.
    #[error("{0:?} is not a name: it reads as an id (UUID)")]
    Uuid(String),
}

impl Name {
    /// The rule of spelling as a regular expression, for the OpenAPI document.
    pub const PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let inner = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
        let ends_well = |octet: Option<&u8>| octet.is_some_and(|octet| *octet != b'-');
        let well_spelt = (1..=63).contains(&bytes.len())
            && bytes.iter().all(inner)
            && ends_well(bytes.first())
            && ends_well(bytes.last());
        if !well_spelt {
            return Err(NameError::Spelling(text));
        }
        if uuid::Uuid::parse_str(&text).is_ok() {
            return Err(NameError::Uuid(text));
        }
        Ok(Self(text))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels_that_are_no_ids() {
        for good in ["a", "n1", "web-frontend", "0", &"x".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let bad = [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "ä",
            "a b",
            &"x".repeat(64),
            "018f4e6e-7c1a-7000-8000-000000000000",
        ];
        for bad in bad {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
