//! Answers of the original network as it is served: images per CPU-second and memory.
//!
//! `cargo bench --bench inference` prints one JSON line. `SHIPSHAPE_BENCH_BATCH` sets the pictures of a
//! call (default 32), `SHIPSHAPE_BENCH_SECONDS` the CPU time after the warm-up (default 5),
//! `RAYON_NUM_THREADS` the threads. `SHIPSHAPE_BENCH_EXPORT` names a file: the network is written there as
//! ONNX, and nothing is measured.

use std::time::Instant;

use candle_core::{Device, Result, Tensor};
use measure::{cpu_seconds, peak_megabytes, setting};
use mimalloc::MiMalloc;
use shipshape::model::architecture::Architecture;
use shipshape::model::bundle::FORMAT_VERSION;
use shipshape::model::{Bundle, Inference, Metadata, Network, onnx};
use shipshape::nn::init::Initializer;
use shipshape::nn::rng::{Purpose, Stream};

mod measure;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const CLASSES: usize = 5;

/// A model with the initial weights of one seed: the same in every process.
fn model() -> Bundle {
    let architecture = Architecture { classes: CLASSES, ..Architecture::default() };
    let network = Network::new(&architecture, Initializer::GlorotUniform, 1);
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        architecture,
        classes: (0..CLASSES).map(|class| format!("class {class}")).collect(),
        transform: "stretch/1".into(),
        snapshot_id: String::new(),
        seed: 1,
        recipe: serde_json::Value::Null,
        unfamiliar_below: None,
        backbone: None,
    };
    Bundle { metadata, network, backbone: None }
}

fn main() -> Result<()> {
    if let Ok(path) = std::env::var("SHIPSHAPE_BENCH_EXPORT") {
        return Ok(std::fs::write(path, onnx::export(&model(), "inference bench"))?);
    }
    let batch = setting("SHIPSHAPE_BENCH_BATCH", 32);
    let seconds = setting("SHIPSHAPE_BENCH_SECONDS", 5) as f64;
    let inference = Inference::new(model());
    let size = inference.architecture().image_size;
    let mut stream = Stream::new(1, Purpose::Augment, 0, 0);
    let pixels: Vec<f32> = (0..batch * size * size * 3).map(|_| stream.unit()).collect();
    let pictures = Tensor::from_vec(pixels, (batch, size, size, 3), &Device::Cpu)?;
    let mut sum = 0.0;
    let mut run = || -> Result<()> {
        sum += inference.probabilities(&pictures)?.flatten_all()?.to_vec1::<f32>()?[0];
        Ok(())
    };
    for _ in 0..3 {
        run()?;
    }
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut rounds = 0;
    while cpu_seconds() - cpu < seconds {
        run()?;
        rounds += 1;
    }
    let images = (rounds * batch) as f64;
    println!(
        "{{\"images_per_cpu_second\": {:.2}, \"images_per_second\": {:.2}, \"peak_megabytes\": {:.1}, \"sum\": {sum:.4}}}",
        images / (cpu_seconds() - cpu),
        images / wall.elapsed().as_secs_f64(),
        peak_megabytes(),
    );
    Ok(())
}
