//! Reads one value of a body (a number, a word, true or false) as its type, and says in plain words why it cannot be:
//! what stands there, and what may.

use std::fmt::{self, Display};

use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// A value that is being read.
pub(super) struct Scalar(pub(super) Value);

/// Why a value cannot be read.
#[derive(Debug)]
pub(super) struct Misfit(String);

/// More of a text than this helps nobody to find it.
const SHOWN_CHARS: usize = 60;

impl<'de> Deserializer<'de> for Scalar {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), _, _) => visitor.visit_i64(whole),
                (None, Some(large), _) => visitor.visit_u64(large),
                (None, None, Some(broken)) => visitor.visit_f64(broken),
                (None, None, None) => Err(Misfit(format!("{number} is no number that can be kept"))),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => Err(Misfit::invalid_type(Unexpected::Seq, &visitor)),
            Value::Object(_) => Err(Misfit::invalid_type(Unexpected::Map, &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::String(word) => {
                let word: StringDeserializer<Misfit> = word.into_deserializer();
                visitor.visit_enum(word)
            }
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Self(other).deserialize_str(OneWord(visitor))
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Where one of some words is wanted and something else than a word stands.
struct OneWord<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for OneWord<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
}

impl Error for Misfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self(format!("must be {}, not {}", wanted_in_words(&wanted.to_string()), found_in_words(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let (wanted, found) = (wanted.to_string(), found_in_words(&found));
        Self(format!("must be {}; {found} is outside what one can be", wanted_in_words(&wanted)))
    }

    fn unknown_variant(word: &str, allowed: &'static [&'static str]) -> Self {
        let allowed: Vec<_> = allowed.iter().map(|word| format!("{word:?}")).collect();
        Self(format!("{} is not known: allowed are {}", shown(word), allowed.join(", ")))
    }
}

impl std::error::Error for Misfit {}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The visitors of numbers call themselves by the types of the code.
fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "i8" | "i16" | "i32" | "i64" | "i128" | "u8" | "u16" | "u32" | "u64" | "u128" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        words => words,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other kind of value is in a JSON document")]
fn found_in_words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Str(text) => format!("the string {}", shown(text)),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_CHARS).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use api_types::Name;
    use api_types::group::Checksum;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use vrrp::{Priority, Vrid};

    use super::*;

    fn why_not<T: DeserializeOwned + fmt::Debug>(value: Value) -> String {
        T::deserialize(Scalar(value)).expect_err("it does not fit").to_string()
    }

    #[test]
    fn what_fits_is_read() {
        assert_eq!(Vrid::deserialize(Scalar(json!(51))).unwrap().get(), 51);
        assert_eq!(Name::deserialize(Scalar(json!("web"))).unwrap().as_str(), "web");
        assert_eq!(Checksum::deserialize(Scalar(json!("rfc9568"))).unwrap(), Checksum::Rfc9568);
        assert!(bool::deserialize(Scalar(json!(true))).unwrap());
    }

    #[test]
    fn what_does_not_fit_is_told_in_plain_words() {
        let cases = [
            (why_not::<Vrid>(json!("51")), "must be a whole number, not the string \"51\""),
            (why_not::<Priority>(json!(1.5)), "must be a whole number, not 1.5"),
            (why_not::<Priority>(json!(200.0)), "must be a whole number, not 200.0"),
            (why_not::<Vrid>(json!(null)), "must be a whole number, not null"),
            (why_not::<Vrid>(json!([51])), "must be a whole number, not a list"),
            (
                why_not::<Vrid>(json!(u64::MAX)),
                "must be a whole number; 18446744073709551615 is outside what one can be",
            ),
            (why_not::<bool>(json!("yes")), "must be true or false, not the string \"yes\""),
            (why_not::<Name>(json!(7)), "must be a string, not 7"),
            (why_not::<Name>(json!({"a": 1})), "must be a string, not an object"),
            (why_not::<Checksum>(json!(1)), "must be a string, not 1"),
            (why_not::<Checksum>(json!({"auto": 1})), "must be a string, not an object"),
            (
                why_not::<Checksum>(json!("none")),
                "\"none\" is not known: allowed are \"auto\", \"rfc9568\", \"rfc5798\"",
            ),
        ];
        for (said, wanted) in cases {
            assert_eq!(said, wanted);
        }
        let long = why_not::<bool>(json!("ä".repeat(5_000)));
        assert!(long.chars().count() < 120, "{long}");
    }
}
