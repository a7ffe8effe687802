//! Where a JSON pointer stands in a YAML text.
//!
//! The YAML library keeps no places in the values it returns, but every error it passes on carries the place
//! at which it was raised. So the document is read once more, by a reader that fails on purpose at the wanted
//! field.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The line (from 1) of the field at `pointer` in the document with this index (from 0); when the field is
/// not there, of the nearest object or list around it.
pub(super) fn line(text: &str, index: usize, pointer: &str) -> Option<usize> {
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    (0..=tokens.len()).rev().find_map(|depth| exact(text, index, &tokens[..depth]))
}

fn exact(text: &str, index: usize, tokens: &[String]) -> Option<usize> {
    let document = serde_yaml_ng::Deserializer::from_str(text).nth(index)?;
    let error = Seek { tokens }.deserialize(document).err()?;
    if !error.to_string().contains(FOUND) {
        return None;
    }
    error.location().map(|location| location.line())
}

const FOUND: &str = "the wanted field is here";

/// Reads a value, and fails at the field to which `tokens` lead.
struct Seek<'a> {
    tokens: &'a [String],
}

impl Seek<'_> {
    fn scalar<E: Error>(&self) -> Result<(), E> {
        if self.tokens.is_empty() { Err(E::custom(FOUND)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.tokens.split_first() else { return Err(A::Error::custom(FOUND)) };
        while let Some(matched) = map.next_key_seed(SeekKey { wanted, last: rest.is_empty() })? {
            if matched {
                map.next_value_seed(Seek { tokens: rest })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.tokens.split_first() else { return Err(A::Error::custom(FOUND)) };
        let mut index = 0_usize;
        loop {
            let more = if *wanted == index.to_string() {
                seq.next_element_seed(Seek { tokens: rest })?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }
}

/// Reads the key of a field, and fails when it is the wanted one and the last on the way.
struct SeekKey<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if key != self.wanted {
            return Ok(false);
        }
        if self.last { Err(E::custom(FOUND)) } else { Ok(true) }
    }
}
