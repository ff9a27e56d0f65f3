//! A `DetectLabels` server in this process that answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use shipshape::db::Sha256;

/// A status and a JSON body.
pub(crate) type Answer = (u16, Value);

/// An answer that never comes.
pub(crate) const SILENCE: Answer = (0, Value::Null);

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    known: HashMap<Sha256, Answer>,
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
        let script = Arc::new(Mutex::new(Script { answers, ..Script::default() }));
        let app = axum::Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, script }
    }

    /// From now on the picture in `bytes` gets this answer, unless an answer is scripted.
    pub(crate) fn know(&self, bytes: &[u8], answer: Answer) {
        self.script.lock().unwrap().known.insert(Sha256::of(bytes), answer);
    }

    /// The next requests get these answers, whatever their pictures.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().answers.extend(answers);
    }

    /// Forgets the scripted answers that are left.
    pub(crate) fn clear(&self) {
        self.script.lock().unwrap().answers.clear();
    }

    /// The pictures that came, decoded from the requests.
    pub(crate) fn pictures(&self) -> Vec<Vec<u8>> {
        let script = self.script.lock().unwrap();
        let encoded = script.requests.iter().map(|request| request["Image"]["Bytes"].as_str());
        encoded.map(|text| BASE64_STANDARD.decode(text.unwrap()).unwrap()).collect()
    }

    /// The requests that came.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.script.lock().unwrap().requests.clone()
    }
}

/// An answer with labels of these names, the first one the surest.
pub(crate) fn labelled(version: &str, names: &[&str]) -> Answer {
    let label = |(at, name): (usize, &&str)| json!({"Name": name, "Confidence": 99.0 - at as f64, "Parents": [], "Aliases": []});
    let labels: Vec<Value> = names.iter().enumerate().map(label).collect();
    (200, json!({"Labels": labels, "LabelModelVersion": version}))
}

/// An error as the `awsJson1_1` protocol spells it.
pub(crate) fn failure(status: u16, code: &str, message: &str) -> Answer {
    (status, json!({"__type": code, "Code": code, "Message": message, "message": message}))
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    assert_eq!(headers["x-amz-target"], "RekognitionService.DetectLabels");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert!(headers["authorization"].to_str().unwrap().contains("/rekognition/aws4_request"));
    let request: Value = serde_json::from_str(&body).unwrap();
    let picture = BASE64_STANDARD.decode(request["Image"]["Bytes"].as_str().unwrap()).unwrap();
    let given = {
        let mut script = script.lock().unwrap();
        let known = script.known.get(&Sha256::of(&picture)).cloned();
        script.requests.push(request);
        let scripted = script.answers.pop_front();
        scripted.or(known).expect("one answer for each request")
    };
    if given == SILENCE {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(given.0).unwrap();
    (status, [("content-type", "application/x-amz-json-1.1")], given.1.to_string())
}
