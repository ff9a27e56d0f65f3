//! A `DetectLabels` server in this process that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A status and a JSON body.
pub(crate) type Answer = (u16, Value);

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    requests: Vec<Value>,
}

/// A running server.
pub(crate) struct RekognitionStandIn {
    /// Base URL.
    pub(crate) endpoint: String,
    script: Arc<Mutex<Script>>,
}

impl RekognitionStandIn {
    /// Starts the server on a free port of this machine; it gives `answers` one by one.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.into_iter().collect();
        let script = Arc::new(Mutex::new(Script {
            answers,
            requests: Vec::new(),
        }));
        let app = axum::Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, script }
    }

    /// The pictures that came, decoded from the requests.
    pub(crate) fn pictures(&self) -> Vec<Vec<u8>> {
        let script = self.script.lock().unwrap();
        let encoded = script
            .requests
            .iter()
            .map(|request| request["Image"]["Bytes"].as_str());
        encoded
            .map(|text| BASE64_STANDARD.decode(text.unwrap()).unwrap())
            .collect()
    }

    /// The requests that came.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.script.lock().unwrap().requests.clone()
    }
}

/// An error as the awsJson1_1 protocol spells it.
pub(crate) fn failure(status: u16, code: &str, message: &str) -> Answer {
    (
        status,
        json!({"__type": code, "Code": code, "Message": message, "message": message}),
    )
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    assert_eq!(headers["x-amz-target"], "RekognitionService.DetectLabels");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .contains("/rekognition/aws4_request")
    );
    let mut script = script.lock().unwrap();
    script.requests.push(serde_json::from_str(&body).unwrap());
    let (status, body) = script
        .answers
        .pop_front()
        .expect("one answer for each request");
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/x-amz-json-1.1")],
        body.to_string(),
    )
}
