//! A document as plain values, before its kind is known.
//!
//! The value type of the YAML library holds numbers up to 64 bits and tells a repeated key by the place of the
//! object around it. So documents are read here: a repeated key is refused where it stands, and a number that
//! no field can hold is kept aside, for the message of the field that refuses it.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml_ng::{Mapping, Value};

/// What stands for a number that is too large, and for one that is too small.
const TOO_LARGE: i64 = i64::MAX;
const TOO_SMALL: i64 = i64::MIN;

/// The numbers of a document that are beyond 64 bits with a sign, as they were written.
#[derive(Debug, Default)]
pub(super) struct Oversize {
    large: Option<String>,
    small: Option<String>,
}

impl Oversize {
    /// `message` about what this module has read, with the numbers that were written.
    pub(super) fn restored(&self, message: String) -> String {
        let restore = |message: String, stand_in: i64, written: Option<&String>| match written {
            Some(written) => message.replace(&stand_in.to_string(), written),
            None => message,
        };
        let message = restore(message, TOO_LARGE, self.large.as_ref());
        restore(message, TOO_SMALL, self.small.as_ref())
    }

    fn stand_in(&mut self, number: impl fmt::Display) -> Value {
        let written = number.to_string();
        let is_small = written.starts_with('-');
        let (place, stand_in) =
            if is_small { (&mut self.small, TOO_SMALL) } else { (&mut self.large, TOO_LARGE) };
        place.get_or_insert(written);
        stand_in.into()
    }
}

/// Reads a value of any type.
pub(super) struct Any<'a>(pub(super) &'a mut Oversize);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut seen = BTreeSet::new();
        let mut fields = Mapping::new();
        while let Some(key) = map.next_key_seed(NewKey(&seen))? {
            fields.insert(key.as_str().into(), map.next_value_seed(Any(self.0))?);
            seen.insert(key);
        }
        Ok(fields.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Any(self.0))? {
            items.push(item);
        }
        Ok(Value::Sequence(items))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("a value with a tag (`!name`) is in no field"))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| self.0.stand_in(number), Value::from))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<Value, E> {
        Ok(self.0.stand_in(number))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Value, E> {
        Ok(self.0.stand_in(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    /// A document of nothing.
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Reads the key of a field, and fails when it is one of those before it.
struct NewKey<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        if self.0.contains(key) {
            return Err(E::custom(format_args!("the key `{key}` stands twice in one object")));
        }
        Ok(key.to_owned())
    }
}
