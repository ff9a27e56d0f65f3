//! `docker-compose.yml`: parsed, and held against the names that the program knows.

use std::collections::BTreeSet;

use clap::CommandFactory;
use serde_yaml_ng::Value;
use shipshape::config::Config;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

fn compose() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml");
    let mut compose: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    compose.apply_merge().unwrap();
    compose
}

#[test]
fn the_service_and_the_worker_share_one_database_and_one_store() {
    let compose = compose();
    let services = &compose["services"];
    for setting in ["DATABASE_URL", "SHIPSHAPE_BLOBS", "AWS_ENDPOINT_URL_S3"] {
        let of = |service: &str| services[service]["environment"][setting].clone();
        assert!(of("service").is_string(), "{setting} is missing");
        assert_eq!(of("service"), of("worker"), "{setting} differs");
    }
    assert!(services["worker"]["ports"].is_null(), "a scaled worker cannot publish a port");
}

#[test]
fn every_setting_of_the_service_is_one_that_the_program_knows() {
    let mut known: BTreeSet<String> = Cli::command()
        .get_arguments()
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .collect();
    known.insert("SHIPSHAPE_LANES".into());
    let compose = compose();
    let environment = compose["services"]["service"]["environment"].as_mapping().unwrap();
    for (name, _) in environment {
        let name = name.as_str().unwrap();
        assert!(known.contains(name) || name.starts_with("AWS_"), "{name} is no setting");
    }
}

#[test]
fn what_is_published_is_published_to_this_machine_alone() {
    for (name, service) in compose()["services"].as_mapping().unwrap() {
        for port in service["ports"].as_sequence().into_iter().flatten() {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "{name:?} publishes {port:?}"
            );
        }
    }
}
