//! The API document and the page that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton_server::router;
use serde_json::{Map, Value};

use crate::harness::TestApp;

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/baton.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == router::document_text().unwrap(),
        "openapi/baton.json is stale: run `make openapi` and commit it"
    );
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let app = TestApp::start().await;
    let answer = app.request("GET", "/api/v1/openapi.json").anonymous().send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.text == router::document_text().unwrap());
    assert_eq!(answer.body["openapi"], "3.1.0");
}

#[test]
fn every_operation_declares_its_security_its_permission_and_its_refusals() {
    let document: Value = serde_json::from_str(&router::document_text().unwrap()).unwrap();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let name = format!("{method} {path}");
            assert!(operation["x-permission"].is_string(), "{name}");
            let security = operation["security"].as_array().unwrap();
            assert_eq!(security.len(), 1, "{name}");
            for scheme in security[0].as_object().unwrap().keys() {
                assert!(schemes.contains_key(scheme), "{name}: {scheme}");
            }
            let refusal = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert_eq!(refusal["schema"]["$ref"], "#/components/schemas/Problem", "{name}");
        }
    }
    assert!(operations > 10);
}

/// Calls `see` with every object of a document and its place.
fn each_object(value: &Value, place: &str, see: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(place, object);
            object.iter().for_each(|(key, value)| each_object(value, &format!("{place}/{key}"), see));
        }
        Value::Array(values) => values.iter().for_each(|value| each_object(value, place, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn descriptions_speak_to_readers_of_the_api_and_not_of_its_code() {
    let document: Value = serde_json::from_str(&router::document_text().unwrap()).unwrap();
    let mut texts = 0;
    each_object(&document, "", &mut |place, object| {
        for text in ["summary", "description"].iter().filter_map(|key| object.get(*key)?.as_str()) {
            texts += 1;
            for leaked in ["[`", "](", "::", "crate"] {
                assert!(!text.contains(leaked), "{place}: {text}");
            }
        }
    });
    assert!(texts > 100);
}

#[test]
fn every_number_has_its_range() {
    let document: Value = serde_json::from_str(&router::document_text().unwrap()).unwrap();
    let mut ranges = BTreeMap::new();
    each_object(&document, "", &mut |place, object| {
        let kind = object.get("type").map(Value::to_string).unwrap_or_default();
        if kind.contains("integer") || kind.contains("number") {
            let least = object.get("minimum").and_then(Value::as_i64);
            assert!(least.is_some() || place.contains("/parameters/"), "{place}: {object:?}");
            let name = place.rsplit('/').next().unwrap_or_default().to_owned();
            let range = (least, object.get("maximum").and_then(Value::as_i64));
            ranges.entry(name).or_insert_with(BTreeSet::new).insert(range);
        }
    });
    for (field, least, most) in
        [("vrid", 1, 255), ("version", 2, 3), ("advertisement_interval_ms", 10, 255_000)]
    {
        assert_eq!(ranges[field], BTreeSet::from([(Some(least), Some(most))]), "{field}");
    }
    let heard = (Some(0), Some(255));
    assert_eq!(ranges["priority"], BTreeSet::from([heard, (Some(1), Some(255))]), "0 is a resignation");
}

#[test]
fn no_closed_object_is_a_part_of_another() {
    let document: Value = serde_json::from_str(&router::document_text().unwrap()).unwrap();
    each_object(&document, "", &mut |place, object| {
        for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let named = part["$ref"].as_str().and_then(|reference| document.pointer(&reference[1..]));
            let open = named.unwrap_or(part)["additionalProperties"] != Value::Bool(false);
            assert!(open, "{place}: nothing has the fields of both and of only one");
        }
    });
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document: Value = serde_json::from_str(&router::document_text().unwrap()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_and_all_it_loads_come_from_this_server() {
    let app = TestApp::start().await;
    let get = |path: String| app.request("GET", &path).anonymous().send();
    let moved = get("/docs".to_owned()).await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("/docs/")));
    let page = get("/docs/".to_owned()).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let loaded: Vec<&str> = page.text.split(['"', '\'']).filter(|text| text.starts_with("./")).collect();
    assert!(loaded.len() >= 4, "{}", page.text);
    for file in loaded {
        let answer = get(format!("/docs/{}", &file[2..])).await;
        assert_eq!(answer.status, 200, "{file}");
    }
    for text in [&page.text, &get("/docs/swagger-initializer.js".to_owned()).await.text] {
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
    get("/docs/nothing.js".to_owned()).await.problem(404, "not_found");
}
