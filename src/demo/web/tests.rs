//! The sample web over real sockets.

use std::collections::HashSet;

use base64::Engine as _;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::listing::{Fate, Kind};
use super::*;

async fn web() -> SampleWeb {
    SampleWeb::start(Collection::drawn(None, 1, 24).unwrap(), 1).await.unwrap()
}

async fn tiles(web: &SampleWeb, phrase: &str, first: usize) -> (Vec<Value>, usize) {
    let url = format!("{}/images/async", web.bing_url());
    let url = url::Url::parse_with_params(
        &url,
        [("q", phrase), ("async", "1"), ("first", &first.to_string()), ("count", "35")],
    );
    let text = reqwest::get(url.unwrap()).await.unwrap().text().await.unwrap();
    let page = Html::parse_fragment(&text);
    let links = Selector::parse("ul.dgControl_list > li a.iusc").unwrap();
    let all: Vec<_> = page.select(&links).map(|a| a.attr("m").unwrap().to_owned()).collect();
    (all.iter().filter_map(|m| serde_json::from_str(m).ok()).collect(), all.len())
}

#[tokio::test]
async fn following_true_offsets_shows_every_hit_once_and_ends_empty() {
    let web = web().await;
    for class in &web.collection().classes {
        let hits = web.listing().search(&class.phrase);
        let (mut first, mut urls, mut bad) = (1, HashSet::new(), 0);
        loop {
            let (parsed, all) = tiles(&web, &class.phrase, first).await;
            if all == 0 {
                break;
            }
            bad += all - parsed.len();
            first += all;
            for tile in parsed {
                let md5 = hex::decode(tile["md5"].as_str().unwrap()).unwrap();
                let cid = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&md5[..6]);
                assert_eq!((md5.len(), tile["cid"].as_str()), (16, Some(&*cid)));
                assert!(urls.insert(tile["murl"].as_str().unwrap().to_owned()), "shown twice");
            }
        }
        assert_eq!((first - 1, bad), (hits.len(), 4));
        assert_eq!(urls.len(), hits.len() - 4);
    }
}

#[tokio::test]
async fn a_phrase_that_no_class_has_finds_nothing() {
    let web = web().await;
    assert_eq!(tiles(&web, "submarine", 1).await.1, 0);
}

#[tokio::test]
async fn every_hit_ends_as_its_fate_says() {
    let web = web().await;
    let mut seen = HashSet::new();
    for hit in web.listing().search(&web.collection().classes[0].phrase) {
        let url = format!("http://{}{}", web.shared.hosts[hit.host], hit.path);
        if matches!(hit.fate, Fate::Endless | Fate::BadTile) {
            continue;
        }
        seen.insert(hit.fate);
        let answer = reqwest::get(&url).await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, if hit.fate == Fate::Missing { 404 } else { 200 }, "{url}");
        let body = answer.bytes().await;
        match hit.fate {
            Fate::BrokenOff => assert!(body.is_err()),
            Fate::WebPage => assert!(body.unwrap().starts_with(b"<!doctype")),
            Fate::Missing => {}
            _ => assert_eq!(rekognition::digest(&body.unwrap()), hit.picture.sha256, "{url}"),
        }
    }
    assert_eq!(seen.len(), 8);
}

#[tokio::test]
async fn an_endless_body_outlasts_every_cap() {
    let web = web().await;
    let hits = web.listing().search(&web.collection().classes[0].phrase);
    let hit = hits.iter().find(|hit| hit.fate == Fate::Endless).unwrap();
    let url = format!("http://{}{}", web.shared.hosts[hit.host], hit.path);
    let mut answer = reqwest::get(&url).await.unwrap();
    let mut read = 0;
    while read < 8 << 20 {
        read += answer.chunk().await.unwrap().expect("it never ends").len();
    }
}

async fn ask(web: &SampleWeb, bytes: &[u8]) -> (u16, Value) {
    let image = base64::engine::general_purpose::STANDARD.encode(bytes);
    let answer = reqwest::Client::new()
        .post(web.rekognition_url())
        .header("x-amz-target", "RekognitionService.DetectLabels")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=demo")
        .header("content-type", "application/x-amz-json-1.1")
        .body(json!({"Image": {"Bytes": image}, "MinConfidence": 0, "MaxLabels": 6}).to_string())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_stand_in_answers_by_content_and_by_looks() {
    let web = web().await;
    let class = &web.collection().classes[0];
    let (status, body) = ask(&web, &class.references[0].bytes).await;
    let labels = body["Labels"].as_array().unwrap();
    assert_eq!((status, labels.len(), &body["LabelModelVersion"]), (200, 6, &json!("3.0")));
    assert_eq!(labels[2]["Parents"], json!([{"Name": "Vehicle"}, {"Name": "Transportation"}]));
    let decoded = image::load_from_memory(&class.found[3].bytes).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    decoded.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let again = ask(&web, png.get_ref()).await.1;
    assert_eq!(again, ask(&web, &class.found[3].bytes).await.1);
}

#[tokio::test]
async fn the_stand_in_refuses_what_the_service_refuses_and_throttles_now_and_then() {
    let web = web().await;
    let (status, body) = ask(&web, b"GIF89a not for it").await;
    assert_eq!((status, &body["__type"]), (400, &json!("InvalidImageFormatException")));
    let bare = reqwest::Client::new().post(web.rekognition_url()).send().await.unwrap();
    assert_eq!(bare.status().as_u16(), 400);
    let bytes = &web.collection().classes[1].references[0].bytes;
    let mut throttled = 0;
    for _ in 0..60 {
        let (status, body) = ask(&web, bytes).await;
        throttled += u64::from(status == 400 && body["__type"] == "ThrottlingException");
    }
    assert_eq!((throttled, web.tagger_calls()), (1, (61, 1)));
}

#[tokio::test]
async fn most_drawn_clutter_shares_no_tag_and_all_ships_do() {
    let web = SampleWeb::start(Collection::drawn(None, 1, 96).unwrap(), 1).await.unwrap();
    let truths: Vec<_> =
        web.listing().pictures().filter_map(|p| web.listing().truth(&p.sha256)).collect();
    let of = |kind| truths.iter().filter(move |truth| truth.kind == kind);
    assert!(of(Kind::Class).all(|truth| truth.shares_tag));
    let unshared = of(Kind::Clutter).filter(|truth| !truth.shares_tag).count();
    assert_eq!((unshared, of(Kind::Clutter).count()), (40, 48));
}
