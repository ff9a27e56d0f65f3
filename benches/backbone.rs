//! Features of the pretrained backbone at 224×224, random weights: images per CPU-second and memory.
//!
//! `cargo bench --bench backbone` prints one JSON line. `SHIPSHAPE_BENCH_BATCH` sets the pictures of a
//! call (default 32), `SHIPSHAPE_BENCH_SECONDS` the CPU time after the warm-up (default 5),
//! `RAYON_NUM_THREADS` the threads.

use std::convert::Infallible;
use std::time::Instant;

use measure::{cpu_seconds, peak_megabytes, setting};
use mimalloc::MiMalloc;
use shipshape::nn::backbone::{Backbone, SIZE};
use shipshape::nn::rng::{Purpose, Stream};

mod measure;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Weights that keep the size of the activations.
fn random() -> Backbone {
    let mut stream = Stream::new(1, Purpose::Initial, 0, 0);
    let mut draw = |len: usize, low, high| (0..len).map(|_| stream.between(low, high)).collect();
    let network = Backbone::new(|name, shape| {
        let (len, fan) = (shape.iter().product(), shape[1..].iter().product::<usize>());
        let limit = (3.0 / fan as f32).sqrt();
        Ok::<_, Infallible>(match shape.len() {
            1 if name.ends_with("bias") || name.ends_with("mean") => draw(len, -0.1, 0.1),
            1 => draw(len, 0.8, 1.2),
            _ => draw(len, -limit, limit),
        })
    });
    network.unwrap_or_else(|never| match never {})
}

fn main() {
    let batch = setting("SHIPSHAPE_BENCH_BATCH", 32);
    let seconds = setting("SHIPSHAPE_BENCH_SECONDS", 5) as f64;
    let backbone = random();
    let mut stream = Stream::new(1, Purpose::Augment, 0, 0);
    let picture: Vec<f32> = (0..SIZE * SIZE * 3).map(|_| stream.unit()).collect();
    let mut sum = 0.0;
    let mut run = || {
        let features = backbone.features(SIZE, batch, |_, pixels| pixels.copy_from_slice(&picture));
        sum += features[0];
    };
    for _ in 0..3 {
        run();
    }
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut rounds = 0;
    while cpu_seconds() - cpu < seconds {
        run();
        rounds += 1;
    }
    let images = (rounds * batch) as f64;
    println!(
        "{{\"images_per_cpu_second\": {:.2}, \"images_per_second\": {:.2}, \"peak_megabytes\": {:.1}, \"sum\": {sum:.4}}}",
        images / (cpu_seconds() - cpu),
        images / wall.elapsed().as_secs_f64(),
        peak_megabytes(),
    );
}
