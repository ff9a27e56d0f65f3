//! `shipshape doctor`: exit status and words on a healthy database and on a hurt one.

use std::process::{Command, Output};

use crate::support::{TestDatabase, database};

async fn doctor(database: &TestDatabase, flags: &'static [&'static str]) -> Output {
    let (url, folder) = (database.url.clone(), tempfile::tempdir().unwrap());
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_shipshape"))
            .args(["doctor", "--database-url", &url, "--data"])
            .arg(folder.path())
            .args(flags)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn a_healthy_database_ends_well_and_a_hurt_one_names_what_hurts() {
    let database = database().await;
    let healthy = doctor(&database, &[]).await;
    assert!(healthy.status.success(), "{healthy:?}");
    assert_eq!(healthy.stdout, b"all is well\n");

    let without = doctor(&database, &["--tagger-weights", "/nowhere/w.safetensors"]).await;
    let said = String::from_utf8(without.stdout).unwrap();
    assert!(said.contains("tagger local") && said.contains("/nowhere/w.safetensors"), "{said}");

    let snapshot: uuid::Uuid = sqlx::query_scalar(
        "with d as (insert into datasets (name) values ('ships') returning id)
         insert into snapshots (dataset_id, test_fraction, seed) select id, 0.2, 1 from d
         returning id",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    let hurt = doctor(&database, &[]).await;
    assert_eq!(hurt.status.code(), Some(1), "{hurt:?}");
    let said = String::from_utf8(hurt.stdout).unwrap();
    assert!(said.contains(&format!("snapshot {snapshot} is unfinished")), "{said}");
}
