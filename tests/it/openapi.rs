//! The API document: committed, current, and complete in its descriptions.

use shipshape::api;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");

#[test]
fn the_committed_document_is_that_of_the_code() {
    let current = api::document().to_pretty_json().unwrap();
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    assert!(
        committed.trim_end() == current,
        "stale: run `cargo run -- openapi > openapi/openapi.json`"
    );
}

#[test]
fn every_operation_has_an_id_a_tag_and_a_failure() {
    let document = serde_json::to_value(api::document()).unwrap();
    let tags = document["tags"].as_array().unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{name} has no operation id");
            let tag = &operation["tags"][0];
            assert!(tags.iter().any(|known| known["name"] == *tag), "{name}: unknown tag {tag}");
            assert!(operation["responses"]["4XX"].is_object(), "{name} documents no failure");
            assert!(operation["summary"].is_string(), "{name} has no summary");
        }
    }
}

/// Two types of one name would overwrite each other, and leave what only one of them points to unused.
#[test]
fn every_schema_is_pointed_to() {
    let document = api::document().to_json().unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&document).unwrap();
    for name in parsed["components"]["schemas"].as_object().unwrap().keys() {
        let pointer = format!("\"#/components/schemas/{name}\"");
        assert!(document.contains(&pointer), "nothing points to {name}");
    }
}
