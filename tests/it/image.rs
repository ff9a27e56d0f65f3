//! Images through the API: the list, the bytes, the lineage, and taking one out.

use serde_json::{Value, json};
use shipshape::db::Sha256;

use crate::support::drawn::{PATIENCE, admit, drawn, frozen, patchwork, png, trained};
use crate::support::eventually;
use crate::support::service::service;

#[tokio::test]
async fn a_list_is_filtered_and_paged_without_gap_or_repeat() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[5, 3]).await;
    drawn(&service, "others", &[2, 2]).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/images?dataset_id={dataset}&limit=3{cursor}");
        let (status, page) = service.get(&path).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 8);
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 8);
    let (_, page) = service.get(&format!("/images?dataset_id={dataset}&class=class%201")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let (_, page) = service.get(&format!("/images?dataset_id={dataset}&state=flagged")).await;
    assert_eq!(page["items"], json!([]));
}

#[tokio::test]
async fn an_image_shows_its_bytes_and_its_way() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let run = trained(&service, &snapshot, 1).await;
    worker.stop().await;
    let (_, page) = service.get(&format!("/images?dataset_id={dataset}&limit=1")).await;
    let image = &page["items"][0];
    let path = format!("/images/{}", image["id"].as_str().unwrap());
    let (_, alone) = service.get(&path).await;
    assert_eq!(&alone, image);

    let response = reqwest::get(service.url(&format!("{path}/file"))).await.unwrap();
    assert_eq!(response.headers()["content-disposition"], "attachment", "a stranger's bytes");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(json!(Sha256::of(&bytes).to_string()), image["sha256"]);
    let (_, lineage) = service.get(&format!("{path}/lineage")).await;
    assert_eq!(&lineage["image"], image);
    assert_eq!(lineage["sightings"][0]["name"], "drawn.png");
    assert_eq!(lineage["snapshots"][0]["snapshot_id"], snapshot["id"]);
    assert_eq!(lineage["snapshots"][0]["model_id"], run["model_id"]);
}

#[tokio::test]
async fn an_image_that_is_taken_out_leaves_the_counts_and_the_disk() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[1, 1]).await;
    let image = admit(&service, dataset, 0, png(&patchwork(0, 9))).await;
    let other = "/datasets/01890000-0000-7000-8000-000000000000/images";
    assert_eq!(service.delete(&format!("{other}/{image}")).await.0, 404);
    assert_eq!(service.delete(&format!("/datasets/{dataset}/images/{image}")).await.0, 204);
    let (_, shown) = service.get(&format!("/datasets/{dataset}")).await;
    assert_eq!(shown["classes"][0]["counts"]["accepted"], 1);
    let worker = service.work();
    let left = async || service.files(&format!("datasets/{dataset}")).len() == 2;
    eventually("the bytes go", PATIENCE, left).await;
    worker.stop().await;
    let (_, image) = service.get(&format!("/images/{image}")).await;
    assert_eq!(image["state"], "deleted");
}
