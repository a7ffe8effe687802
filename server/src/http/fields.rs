//! Reads a JSON object field by field, so that one answer lists everything that is wrong with it.
//!
//! The values themselves are read by the contract's own types, with their own messages; this only adds the
//! place (a JSON pointer, RFC 6901) and goes on after an error. A reader takes every field first and gives up
//! (`?`) afterwards:
//!
//! ```text
//! let name = fields.required("name");
//! let description = fields.optional("description", String::new);
//! Some(Spec { name: name?, description: description? })
//! ```

use std::ops::RangeInclusive;

use api_types::problem::FieldProblem;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::scalar::Scalar;

/// What can be read from a JSON object.
pub trait FromFields: Sized {
    /// Reads every field; `None` when one was wrong, after all that is wrong was noted.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A JSON object that is being read.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    errors: &'a mut Vec<FieldProblem>,
}

/// Reads a whole document.
///
/// # Errors
/// Everything that is wrong with it, in the order of the fields.
pub fn read<T: FromFields>(document: Value) -> Result<T, Vec<FieldProblem>> {
    match read_draft(document) {
        Ok((read, errors)) if errors.is_empty() => Ok(read),
        Ok((_, errors)) | Err(errors) => Err(errors),
    }
}

/// Reads as much of a document as can be read, with everything that is wrong with it. For a `T` whose fields may be
/// missing, so that rules can be applied to the others.
///
/// # Errors
/// What is wrong with a document of which nothing can be read.
pub fn read_draft<T: FromFields>(document: Value) -> Result<(T, Vec<FieldProblem>), Vec<FieldProblem>> {
    let mut errors = Vec::new();
    match read_object(document, String::new(), &mut errors) {
        Some(read) => Ok((read, errors)),
        None => Err(errors),
    }
}

fn read_object<T: FromFields>(value: Value, pointer: String, errors: &mut Vec<FieldProblem>) -> Option<T> {
    let Value::Object(object) = value else {
        errors.push(FieldProblem { pointer, detail: format!("must be an object, not {}", kind_of(&value)) });
        return None;
    };
    let mut fields = Fields { object, pointer, known: Vec::new(), errors };
    let read = T::from_fields(&mut fields);
    fields.refuse_unknown();
    read
}

impl Fields<'_> {
    /// The field `name`, which must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(value) => self.convert(name, value),
            None => {
                self.refuse(name, "is required");
                None
            }
        }
    }

    /// The field `name`, or what `default` says when it is not there.
    pub fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
    ) -> Option<T> {
        match self.take(name) {
            Some(value) => self.convert(name, value),
            None => Some(default()),
        }
    }

    /// The field `name`; `Some(None)` when it is not there.
    pub fn present<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.take(name) {
            Some(value) => self.convert(name, value).map(Some),
            None => Some(None),
        }
    }

    /// The object `name`, which must be there.
    pub fn object<T: FromFields>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(value) => read_object(value, child(&self.pointer, name), self.errors),
            None => {
                self.refuse(name, "is required");
                None
            }
        }
    }

    /// The object `name`; `Some(None)` when it is not there, or `null`.
    pub fn object_or_null<T: FromFields>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.take(name) {
            Some(Value::Null) | None => Some(None),
            Some(value) => read_object(value, child(&self.pointer, name), self.errors).map(Some),
        }
    }

    /// The list `name`, which must be there, of values; `None` for each that is wrong.
    pub fn list_draft<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        count: RangeInclusive<usize>,
    ) -> Option<Vec<Option<T>>> {
        self.items(name, count, |value, pointer, errors| convert(value, &pointer, errors))
    }

    /// The list `name` of values, `Some(None)` when it is not there; `None` for each that is wrong.
    pub fn list_draft_if_present<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        count: RangeInclusive<usize>,
    ) -> Option<Option<Vec<Option<T>>>> {
        if self.object.contains_key(name) {
            return self.list_draft(name, count).map(Some);
        }
        self.known.push(name);
        Some(None)
    }

    /// The list `name`, which must be there, of objects; `None` for each that is wrong.
    pub fn objects_draft<T: FromFields>(
        &mut self,
        name: &'static str,
        count: RangeInclusive<usize>,
    ) -> Option<Vec<Option<T>>> {
        self.items(name, count, read_object)
    }

    /// The list `name` of at most `most` objects, empty when it is not there; `None` for each that is wrong.
    pub fn optional_objects_draft<T: FromFields>(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Option<Vec<Option<T>>> {
        if self.object.contains_key(name) {
            return self.items(name, 0..=most, read_object);
        }
        self.known.push(name);
        Some(Vec::new())
    }

    /// Leaves these fields unread and unrefused, where an earlier error says that nobody can know what they mean.
    pub fn skip(&mut self, names: &[&'static str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Notes that the field `name` is wrong, for a rule that its type does not know.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldProblem { pointer: child(&self.pointer, name), detail: detail.into() });
    }

    /// Notes what rules have found, for a document of which this object is the whole.
    pub fn refuse_all(&mut self, faults: Vec<FieldProblem>) {
        self.errors.extend(faults);
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.remove(name)
    }

    fn convert<T: DeserializeOwned>(&mut self, name: &str, value: Value) -> Option<T> {
        convert(value, &child(&self.pointer, name), self.errors)
    }

    fn items<T>(
        &mut self,
        name: &'static str,
        count: RangeInclusive<usize>,
        mut read: impl FnMut(Value, String, &mut Vec<FieldProblem>) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let Some(value) = self.take(name) else {
            self.refuse(name, "is required");
            return None;
        };
        let Value::Array(values) = value else {
            self.refuse(name, format!("must be a list, not {}", kind_of(&value)));
            return None;
        };
        if !count.contains(&values.len()) {
            let (least, most) = count.into_inner();
            self.refuse(name, format!("has {} items; {least} to {most} are allowed", values.len()));
            return None;
        }
        let pointer = child(&self.pointer, name);
        let items = values.into_iter().enumerate();
        Some(items.map(|(index, value)| read(value, format!("{pointer}/{index}"), self.errors)).collect())
    }

    fn refuse_unknown(mut self) {
        let unknown: Vec<String> = self.object.keys().cloned().collect();
        let known = self.known.join(", ");
        for name in unknown {
            self.refuse(&name, format!("is not known here; known are: {known}"));
        }
    }
}

fn convert<T: DeserializeOwned>(value: Value, pointer: &str, errors: &mut Vec<FieldProblem>) -> Option<T> {
    T::deserialize(Scalar(value))
        .inspect_err(|error| {
            errors.push(FieldProblem { pointer: pointer.to_owned(), detail: error.to_string() });
        })
        .ok()
}

fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use api_types::Name;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Team {
        name: Name,
        size: u8,
        people: Vec<Person>,
    }

    #[derive(Debug, PartialEq)]
    struct Person {
        age: u8,
    }

    impl FromFields for Team {
        fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
            let name = fields.required("name");
            let size = fields.optional("size", || 7);
            let people = fields.objects_draft("people", 1..=3);
            Some(Self { name: name?, size: size?, people: people?.into_iter().collect::<Option<_>>()? })
        }
    }

    impl FromFields for Person {
        fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
            Some(Self { age: fields.required("age")? })
        }
    }

    fn pointers(document: Value) -> Vec<String> {
        let errors = read::<Team>(document).expect_err("the document is wrong");
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_good_document_is_read_with_its_defaults() {
        let team: Team = read(json!({"name": "a", "people": [{"age": 3}]})).unwrap();
        assert_eq!(team, Team { name: "a".parse().unwrap(), size: 7, people: vec![Person { age: 3 }] });
    }

    #[test]
    fn everything_that_is_wrong_is_listed_with_its_place() {
        let document = json!({
            "name": "Not A Name",
            "size": 256,
            "people": [{"age": 1}, {"age": "old", "shoe": 9}, 4],
            "a/b": true,
        });
        assert_eq!(
            pointers(document),
            ["/name", "/size", "/people/1/age", "/people/1/shoe", "/people/2", "/a~1b"]
        );
    }

    #[test]
    fn what_is_missing_or_too_many_is_named() {
        assert_eq!(pointers(json!({})), ["/name", "/people"]);
        assert_eq!(pointers(json!({"name": "a", "people": []})), ["/people"]);
        assert_eq!(pointers(json!([])), [""]);
    }
}
