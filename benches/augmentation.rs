//! Augmentation of 150×150 pictures on one thread: pictures per CPU-second.
//!
//! `cargo bench --bench augmentation` prints one JSON line with a figure for each setting.
//! `SHIPSHAPE_BENCH_PICTURES` sets the pictures of each (default 10000).

use shipshape::nn::rng::{Purpose, Stream};
use shipshape::training::augmentation::{Augment, Change};

const SIZE: usize = 150;
/// Different pictures, more than fit in the second-level cache.
const PICTURES: usize = 64;

/// User and system time of the whole process in seconds, to a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Pictures per CPU-second, draw included.
fn speed(augment: &Augment, pictures: &[Vec<u8>], count: usize) -> f64 {
    let mut target = vec![0.0; SIZE * SIZE * 3];
    let start = cpu_seconds();
    for at in 0..count {
        let change = Change::draw(augment, 1, (at / PICTURES) as u64, at as u64);
        change.apply(&pictures[at % PICTURES], SIZE, &mut target);
        std::hint::black_box(&target);
    }
    count as f64 / (cpu_seconds() - start)
}

fn main() {
    let count = std::env::var("SHIPSHAPE_BENCH_PICTURES").ok().and_then(|v| v.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let mut stream = Stream::new(1, Purpose::Augment, 0, 0);
    let mut picture = || (0..SIZE * SIZE * 3).map(|_| stream.bits() as u8).collect();
    let pictures: Vec<Vec<u8>> = (0..PICTURES).map(|_| picture()).collect();
    let crop = Augment { random_crop: 0.25, horizontal_flip: true, ..Augment::NONE };
    speed(&Augment::default(), &pictures, count / 10);
    println!(
        "{{\"affine\": {:.1}, \"crop\": {:.1}}}",
        speed(&Augment::default(), &pictures, count),
        speed(&crop, &pictures, count),
    );
}
