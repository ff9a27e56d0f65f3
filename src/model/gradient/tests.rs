//! The training pass against finite differences, over random networks, and across thread counts.

use std::iter;

use proptest::prelude::*;

use super::super::architecture::tests::tiny_residual;
use super::super::architecture::{Architecture, Family};
use super::super::network::tests::noise;
use super::*;
use crate::nn::init::Initializer;
use crate::nn::rng::{Purpose, Stream};

const POSITION: Position = Position { seed: 3, epoch: 1, example: 40 };

/// Rows of targets for five pictures of three classes: certain, mixed and weighted.
const TARGETS: [f32; 15] =
    [1.0, 0.0, 0.0, 0.0, 0.1, 0.9, 0.0, 1.5, 0.0, 0.2, 0.5, 0.3, 2.0, 0.0, 0.0];

/// Three blocks of different sizes, so that scratch memory is reused across shapes.
fn deep() -> Architecture {
    let (conv, dense, dropout) = (vec![4, 6, 3], vec![6], vec![0.1, 0.2, 0.5]);
    Architecture { image_size: 22, conv, dense, dropout, classes: 3, ..Architecture::default() }
}

fn network(architecture: &Architecture) -> Network {
    let mut network = Network::new(architecture, Initializer::GlorotUniform, 1);
    // Away from zero biases, where no ReLU sits on its edge.
    for variable in network.variables_mut() {
        for (at, value) in variable.data.iter_mut().enumerate() {
            *value += 0.01 * (at % 5) as f32;
        }
    }
    network
}

fn batch(pixels: &[f32], count: usize) -> Batch<'_> {
    let pixels = &pixels[..pixels.len() / 5 * count];
    Batch { pixels, targets: &TARGETS[..3 * count] }
}

/// Error of a slope that rounding may leave.
const FLOOR: f64 = 2e-3;
/// Directions of each variable that are random, besides the steepest one: in that one parts that the gradient lacks
/// would not show.
const RANDOM: u64 = 2;

/// Compares the gradient along whole directions of each variable: a direction sums over many kinks of `ReLU`s and pools,
/// single weights may sit on one.
fn check_gradients(architecture: &Architecture) {
    let (mut network, pixels) = (network(architecture), noise(5, architecture));
    let mut workspace = Workspace::new(&network, 6);
    workspace.run(&network, batch(&pixels, 5), POSITION);
    let exact = workspace.gradients.clone();
    for (variable, exact) in exact.iter().enumerate() {
        if !network.roles()[variable].is_trained() {
            continue;
        }
        let exact: Vec<f64> = exact.iter().map(|value| f64::from(*value)).collect();
        let start = network.variables()[variable].data.clone();
        let norm = dot(&exact, &exact).sqrt();
        let random = (0..RANDOM).map(|number| random_direction(exact.len(), number));
        let steepest: Vec<f64> = exact.iter().map(|value| value / norm.max(1e-9)).collect();
        // How steep a random direction usually is.
        let usual = norm / (exact.len() as f64).sqrt();
        let directions = iter::once((steepest, norm)).chain(random.map(|random| (random, usual)));
        for (direction, scale) in directions {
            let mut loss = |step: f64| {
                let moved = start.iter().zip(&direction).map(|(w, d)| w + (d * step) as f32);
                network.variables_mut()[variable].data = moved.collect();
                workspace.run(&network, batch(&pixels, 5), POSITION).loss
            };
            let expected = dot(&exact, &direction);
            // A long step may cross a kink, a short one drowns in rounding, and on a kink itself the gradient is
            // that of one side: one of them must agree.
            let here = loss(0.0);
            let slopes: Vec<f64> = [1e-3, 3e-4, 1e-4, 3e-5]
                .into_iter()
                .flat_map(|step| {
                    let (up, down) = ((loss(step) - here) / step, (here - loss(-step)) / step);
                    [f64::midpoint(up, down), up, down]
                })
                .collect();
            loss(0.0);
            let agrees = |slope: &f64| (slope - expected).abs() < 0.05 * scale + FLOOR;
            let name = &network.variables()[variable].name;
            assert!(slopes.iter().any(agrees), "{architecture:?} {name}: {slopes:?} {expected}");
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Of length 1, with all components alike but for their signs.
fn random_direction(length: usize, number: u64) -> Vec<f64> {
    let mut stream = Stream::new(1, Purpose::Initial, number, length as u64);
    let size = 1.0 / (length as f64).sqrt();
    (0..length).map(|_| if stream.unit() < 0.5 { -size } else { size }).collect()
}

#[test]
fn every_variable_s_gradient_matches_finite_differences() {
    check_gradients(&deep());
    check_gradients(&tiny_residual());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]
    #[test]
    fn every_network_s_gradients_match_finite_differences(
        residual in any::<bool>(),
        batch_norm in any::<bool>(),
        kernel in prop_oneof![Just(3usize), Just(5)],
        conv in prop::collection::vec(1usize..7, 1..3),
        dense in prop::collection::vec(3usize..7, 0..2),
        rate in 0.1f64..0.5,
        image_size in 24usize..30,
    ) {
        let family = if residual { Family::Residual } else { Family::Plain };
        let kernel = if residual { vec![] } else { vec![kernel; conv.len()] };
        let (batch_norm, dropout, classes) = (batch_norm || residual, vec![rate], 3);
        check_gradients(&Architecture {
            image_size, family, conv, kernel, batch_norm, dense, dropout, classes,
        });
    }
}

#[test]
fn the_gradients_are_the_same_bits_for_any_number_of_threads() {
    for architecture in [deep(), tiny_residual()] {
        let (network, pixels) = (network(&architecture), noise(5, &architecture));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut workspace = Workspace::new(&network, 5);
                let result = workspace.run(&network, batch(&pixels, 5), POSITION);
                (workspace.gradients, result)
            })
        };
        for threads in 2..5 {
            assert!(run(1) == run(threads), "{threads}");
        }
    }
}

#[test]
fn a_smaller_last_batch_uses_nothing_of_the_batch_before() {
    for architecture in [deep(), tiny_residual()] {
        let (network, pixels) = (network(&architecture), noise(5, &architecture));
        let mut used = Workspace::new(&network, 5);
        used.run(&network, batch(&pixels, 5), POSITION);
        used.run(&network, batch(&pixels, 2), POSITION);
        let mut fresh = Workspace::new(&network, 5);
        fresh.run(&network, batch(&pixels, 2), POSITION);
        assert!(used.gradients == fresh.gradients);
    }
}
