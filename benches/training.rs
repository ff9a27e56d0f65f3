//! Training steps on synthetic data: images per CPU-second and memory.
//!
//! `cargo bench --bench training` prints one JSON line for the original network, with `-- modern`
//! for the preset of that name. `SHIPSHAPE_BENCH_STEPS` sets the steps
//! after the warm-up (default 12); `RAYON_NUM_THREADS` the threads.

use std::time::Instant;

use mimalloc::MiMalloc;
use shipshape::model::architecture::Architecture;
use shipshape::model::gradient::{Batch, Position, Workspace};
use shipshape::model::network::Network;
use shipshape::nn::init::Initializer;
use shipshape::nn::optimizer::{Moments, Rule, Step};
use shipshape::nn::rng::{Purpose, Stream};
use shipshape::training::modern;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BATCH: usize = 32;
const CLASSES: usize = 5;
const RULE: Rule = Rule::Adam { weight_decay: 0.0 };
const WARM_UP: u64 = 3;

/// User and system time of the whole process in seconds, to a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The largest resident memory so far, in megabytes.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("");
    let kilobytes = line.split_whitespace().next().and_then(|v| v.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

struct Run {
    network: Network,
    moments: Vec<Moments>,
    workspace: Workspace,
    pixels: Vec<f32>,
    targets: Vec<f32>,
}

impl Run {
    fn new() -> Self {
        let architecture = if std::env::args().any(|argument| argument == "modern") {
            modern().architecture(CLASSES)
        } else {
            Architecture { classes: CLASSES, ..Architecture::default() }
        };
        let network = Network::new(&architecture, Initializer::GlorotUniform, 1);
        let mut stream = Stream::new(1, Purpose::Augment, 0, 0);
        Self {
            moments: network.variables().iter().map(|v| RULE.moments(v.data.len())).collect(),
            workspace: Workspace::new(&network, BATCH),
            pixels: (0..BATCH * architecture.input_len()).map(|_| stream.unit()).collect(),
            targets: (0..BATCH * CLASSES)
                .map(|at| f32::from(u8::from(at % CLASSES == at / CLASSES % CLASSES)))
                .collect(),
            network,
        }
    }

    fn step(&mut self, step: u64) -> f64 {
        let position = Position { seed: 1, epoch: step, example: 0 };
        let batch = Batch { pixels: &self.pixels, targets: &self.targets };
        let result = self.workspace.run(&self.network, batch, position);
        let (step, roles) = (Step::new(RULE, step, 0.001), self.network.roles().to_vec());
        let variables = self.network.variables_mut().iter_mut().zip(&mut self.moments);
        let trained = variables.zip(&self.workspace.gradients).zip(roles);
        for (((variable, moments), gradient), _) in trained.filter(|(_, role)| role.is_trained()) {
            step.update(&mut variable.data, moments, gradient, false);
        }
        result.loss
    }
}

fn main() {
    let steps = std::env::var("SHIPSHAPE_BENCH_STEPS").ok().and_then(|v| v.parse().ok());
    let steps: u64 = steps.unwrap_or(12);
    let mut run = Run::new();
    for step in 1..=WARM_UP {
        run.step(step);
    }
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut loss = 0.0;
    for step in 1..=steps {
        loss = run.step(WARM_UP + step);
    }
    let images = (steps * BATCH as u64) as f64;
    println!(
        "{{\"images_per_cpu_second\": {:.2}, \"images_per_second\": {:.2}, \"peak_megabytes\": {:.1}, \"loss\": {loss:.4}}}",
        images / (cpu_seconds() - cpu),
        images / wall.elapsed().as_secs_f64(),
        peak_megabytes(),
    );
}
