//! Training steps on synthetic data: images per CPU-second and memory.
//!
//! `cargo bench --bench training` prints one JSON line for the original network, with `-- modern`
//! for the preset of that name. `SHIPSHAPE_BENCH_STEPS` sets the steps after the warm-up (default 12),
//! `SHIPSHAPE_BENCH_SIZE` the pictures' rows and columns (default 150), `SHIPSHAPE_BENCH_BLOCKS` the blocks of
//! the original network (default 3: 32, 64 and 128 maps), `RAYON_NUM_THREADS` the threads.

use std::time::Instant;

use measure::{cpu_seconds, peak_megabytes, setting};
use mimalloc::MiMalloc;
use shipshape::model::architecture::Architecture;
use shipshape::model::gradient::{Batch, Position, Workspace};
use shipshape::model::network::Network;
use shipshape::nn::init::Initializer;
use shipshape::nn::optimizer::{Moments, Rule, Step};
use shipshape::nn::rng::{Purpose, Stream};
use shipshape::training::modern;

mod measure;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BATCH: usize = 32;
const CLASSES: usize = 5;
const RULE: Rule = Rule::Adam { weight_decay: 0.0 };
const WARM_UP: u64 = 3;

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
            let recipe = modern();
            let image_size = recipe.training_size() as usize;
            Architecture { image_size, ..recipe.architecture(CLASSES) }
        } else {
            let original = Architecture::default();
            let conv = original.conv[..setting("SHIPSHAPE_BENCH_BLOCKS", 3)].to_vec();
            let image_size = setting("SHIPSHAPE_BENCH_SIZE", original.image_size);
            Architecture { classes: CLASSES, conv, image_size, ..original }
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
    let steps = setting("SHIPSHAPE_BENCH_STEPS", 12) as u64;
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
