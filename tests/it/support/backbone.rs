//! Weights of the pretrained network, drawn at random: a file as timm's, and a hub that has it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use safetensors::tensor::{Dtype, TensorView};
use shipshape::db::Sha256;
use shipshape::nn::backbone::{CLASSES, Classifier, FEATURES};
use shipshape::nn::rng::{Purpose, Stream};
use tokio::net::TcpListener;

/// One output of the classifier.
pub(crate) struct Row {
    pub(crate) class: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: f32,
}

/// The file's bytes, the same for the same seed; activations keep their size.
pub(crate) fn weights(seed: u64) -> Vec<u8> {
    classifying(seed, &[])
}

/// The same with these rows in the classifier, whose others are zero.
pub(crate) fn classifying(seed: u64, rows: &[Row]) -> Vec<u8> {
    let mut stream = Stream::new(seed, Purpose::Initial, 0, 0);
    let mut tensors = Vec::new();
    let network = Classifier::new(|name, shape| {
        let fan = shape[1..].iter().product::<usize>();
        let limit = (3.0 / fan as f32).sqrt();
        let (low, high) = match shape.len() {
            1 if name.ends_with("bias") || name.ends_with("mean") => (-0.1, 0.1),
            1 => (0.8, 1.2),
            _ => (-limit, limit),
        };
        let len = shape.iter().product();
        let numbers = match name {
            "classifier.weight" => {
                let mut all = vec![0.0; CLASSES * FEATURES];
                for row in rows {
                    all[row.class * FEATURES..][..FEATURES].copy_from_slice(&row.weights);
                }
                all
            }
            "classifier.bias" => {
                let row = |class| rows.iter().find(|row| row.class == class);
                (0..CLASSES).map(|class| row(class).map_or(0.0, |row| row.bias)).collect()
            }
            _ => (0..len).map(|_| stream.between(low, high)).collect::<Vec<f32>>(),
        };
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name.to_owned(), shape.to_vec(), bytes));
        Ok::<_, Infallible>(numbers)
    });
    assert!(network.is_ok());
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Writes [`weights`] to the path; the file's checksum.
pub(crate) fn write(path: &Path, seed: u64) -> Sha256 {
    let bytes = weights(seed);
    std::fs::write(path, &bytes).unwrap();
    Sha256::of(&bytes)
}

/// A hub with one file, which a second request does not get: the file of `me/net` at `abc`.
pub(crate) async fn hub(bytes: Vec<u8>) -> String {
    let asked = AtomicBool::new(false);
    let once = async move || {
        let again = asked.swap(true, Ordering::SeqCst);
        if again { Err(StatusCode::GONE) } else { Ok(bytes.clone()) }
    };
    let once = Arc::new(once);
    let file = move || {
        let once = Arc::clone(&once);
        async move { once().await }
    };
    let router = Router::new().route("/me/net/resolve/abc/model.safetensors", get(file));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
