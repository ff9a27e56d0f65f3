//! The API document: committed, current, and complete in its descriptions.

use std::collections::BTreeMap;
use std::path::Path;

use shipshape::api;

use crate::architecture::rust_files;

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

/// Two types of one name would overwrite each other in the document.
#[test]
fn no_two_types_give_one_schema_name() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut names) = (Vec::new(), BTreeMap::new());
    rust_files(&src, &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for derived in text.split("ToSchema)]\n").skip(1) {
            // Attributes may stand between the derive and the type, and one of them may rename it.
            let declares = |line: &str| line.contains("struct ") || line.contains("enum ");
            let attributes: String = derived.lines().take_while(|line| !declares(line)).collect();
            let declared = derived.lines().find(|line| declares(line)).unwrap();
            let renamed = attributes.split_once("schema(as = ").map(|(_, name)| name);
            let own = declared.split_once("struct ").or(declared.split_once("enum "));
            let name = renamed.unwrap_or(own.unwrap().1);
            let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
            // A macro's own parameter has none.
            if name.is_empty() {
                continue;
            }
            let other = names.insert(name.clone(), file.clone());
            assert!(other.is_none(), "{name} is in {file:?} and in {other:?}");
        }
    }
}

/// A type that another one of its name has pushed aside leaves what only it points to unused.
#[test]
fn every_schema_is_pointed_to() {
    let document = api::document().to_json().unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&document).unwrap();
    for name in parsed["components"]["schemas"].as_object().unwrap().keys() {
        let pointer = format!("\"#/components/schemas/{name}\"");
        assert!(document.contains(&pointer), "nothing points to {name}");
    }
}
