//! The local tagger from a picture's bytes to its labels, random weights: pictures per CPU-second and memory.
//!
//! `RAYON_NUM_THREADS=1 cargo bench --bench tagger` prints one JSON line. `SHIPSHAPE_BENCH_PICTURES` names a folder of
//! pictures (default: one drawn JPEG of 640×480), `SHIPSHAPE_BENCH_SECONDS` the CPU time after the warm-up (default 5).

use std::convert::Infallible;
use std::path::Path;

use image::{Rgb, RgbImage};
use measure::{cpu_seconds, peak_megabytes, setting};
use mimalloc::MiMalloc;
use safetensors::tensor::{Dtype, TensorView};
use shipshape::model::pretrained::Pretrained;
use shipshape::nn::backbone::Classifier;
use shipshape::nn::rng::{Purpose, Stream};
use shipshape::picture;
use shipshape::tag::Local;

mod measure;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Writes weights that keep the size of the activations.
fn write_weights(path: &Path) {
    let mut stream = Stream::new(1, Purpose::Initial, 0, 0);
    let mut tensors = Vec::new();
    let network = Classifier::new(|name, shape| {
        let fan = shape[1..].iter().product::<usize>();
        let (low, high) = match shape.len() {
            1 if name.ends_with("bias") || name.ends_with("mean") => (-0.1, 0.1),
            1 => (0.8, 1.2),
            _ => (-(3.0 / fan as f32).sqrt(), (3.0 / fan as f32).sqrt()),
        };
        let len = shape.iter().product();
        let numbers: Vec<f32> = (0..len).map(|_| stream.between(low, high)).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name.to_owned(), shape.to_vec(), bytes));
        Ok::<_, Infallible>(numbers)
    });
    assert!(network.is_ok());
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shapes fit"))
    });
    let file = safetensors::serialize(views, None).expect("tensors can be written");
    std::fs::write(path, file).expect("the folder can be written to");
}

fn pictures() -> Vec<Vec<u8>> {
    if let Ok(folder) = std::env::var("SHIPSHAPE_BENCH_PICTURES") {
        let entries = std::fs::read_dir(folder).expect("the folder can be read");
        let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry?.path());
        return entries.map(read).collect::<Result<_, _>>().expect("every file can be read");
    }
    let pixels = RgbImage::from_fn(640, 480, |x, y| {
        let wave = |by: u32| ((x * by / 7 + y * 3) % 256) as u8;
        Rgb([wave(2), wave(3), wave(5)])
    });
    vec![picture::encode_jpeg(&pixels, 85)]
}

fn main() {
    let seconds = setting("SHIPSHAPE_BENCH_SECONDS", 5) as f64;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    write_weights(&path);
    let tagger = Local::new(Pretrained::File { path, sha256: None });
    let pictures = pictures();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut labels = 0;
    let mut run = |bytes: &[u8]| {
        labels += runtime.block_on(tagger.labels(bytes)).expect("labels").labels.len();
    };
    for bytes in pictures.iter().cycle().take(3) {
        run(bytes);
    }
    let (cpu, mut seen) = (cpu_seconds(), 0);
    for bytes in pictures.iter().cycle() {
        run(bytes);
        seen += 1;
        if cpu_seconds() - cpu >= seconds {
            break;
        }
    }
    println!(
        "{{\"pictures_per_cpu_second\": {:.2}, \"peak_megabytes\": {:.1}, \"labels\": {labels}}}",
        f64::from(seen) / (cpu_seconds() - cpu),
        peak_megabytes(),
    );
}
