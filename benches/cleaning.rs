//! What ingest and the checks do of each picture, on one thread: pictures per CPU-second.
//!
//! `SHIPSHAPE_BENCH_LIST` names a file with the paths of the pictures, one a line. Each is read, hashed, decoded, shrunk to a
//! thumbnail that is encoded again, fingerprinted and scored; then the pairs that look the same are looked for among all.
//! `cargo bench --bench cleaning` prints one JSON line.

mod measure;

use shipshape::picture::{Fingerprint, Limits, examine, near};

fn main() {
    let list = std::env::var("SHIPSHAPE_BENCH_LIST").expect("SHIPSHAPE_BENCH_LIST names a file");
    let list = std::fs::read_to_string(list).expect("the list can be read");
    let files: Vec<&str> = list.lines().collect();
    let rounds = measure::setting("SHIPSHAPE_BENCH_ROUNDS", 1);
    let start = measure::cpu_seconds();
    let mut pairs = 0;
    for _ in 0..rounds {
        let fingerprints: Vec<Fingerprint> = files.iter().map(|file| fingerprint(file)).collect();
        pairs = count_pairs(&fingerprints);
    }
    let seconds = measure::cpu_seconds() - start;
    println!(
        "{{\"images_per_cpu_second\": {:.1}, \"pairs\": {pairs}, \"peak_megabytes\": {:.0}}}",
        (files.len() * rounds) as f64 / seconds,
        measure::peak_megabytes(),
    );
}

fn fingerprint(file: &str) -> Fingerprint {
    let bytes = std::fs::read(file).expect("the picture can be read");
    let examined = examine(&bytes, &Limits::default()).expect("it is a picture");
    std::hint::black_box(&examined.thumbnail);
    std::hint::black_box(&examined.facts.scores);
    examined.facts.fingerprint()
}

fn count_pairs(fingerprints: &[Fingerprint]) -> usize {
    let behind = |at: usize| fingerprints[at + 1..].iter();
    let like =
        |at: usize| behind(at).filter(move |other| near(fingerprints[at], **other).is_some());
    (0..fingerprints.len()).map(|at| like(at).count()).sum()
}
