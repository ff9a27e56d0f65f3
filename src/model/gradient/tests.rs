//! The training pass against finite differences and across thread counts.

use super::super::architecture::Architecture;
use super::super::network::tests::noise;
use super::*;
use crate::nn::init::Initializer;

const POSITION: Position = Position { seed: 3, epoch: 1, example: 40 };
const LABELS: [u32; 5] = [0, 2, 1, 1, 0];

/// Three blocks of different sizes, so that scratch memory is reused across shapes.
fn deep() -> Architecture {
    let (conv, dense, dropout) = (vec![4, 6, 3], vec![6], vec![0.1, 0.2, 0.5]);
    Architecture { image_size: 22, conv, dense, dropout, classes: 3 }
}

fn network() -> Network {
    let mut network = Network::new(&deep(), Initializer::GlorotUniform, 1);
    // Away from zero biases, where no ReLU sits on its edge.
    for variable in network.variables_mut() {
        for (at, value) in variable.data.iter_mut().enumerate() {
            *value += 0.01 * (at % 5) as f32;
        }
    }
    network
}

#[test]
fn every_variable_s_gradient_matches_finite_differences() {
    let (mut network, pixels) = (network(), noise(5, &deep()));
    let mut workspace = Workspace::new(&network, 6);
    workspace.run(&network, &pixels, &LABELS, POSITION);
    let exact = workspace.gradients.clone();
    for (variable, exact) in exact.iter().enumerate() {
        let largest = exact.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        for at in (0..exact.len()).step_by(exact.len().div_ceil(7)) {
            let mut loss = |step: f32| {
                network.variables_mut()[variable].data[at] += step;
                workspace.run(&network, &pixels, &LABELS, POSITION).loss
            };
            let up = loss(1e-3);
            let down = loss(-2e-3);
            loss(1e-3);
            let slope = ((up - down) / 2e-3) as f32;
            let name = &network.variables()[variable].name;
            assert!(
                (slope - exact[at]).abs() < 0.02 * largest + 1e-3,
                "{name}[{at}]: {slope} {}",
                exact[at]
            );
        }
    }
}

#[test]
fn the_gradients_are_the_same_bits_for_any_number_of_threads() {
    let (network, pixels) = (network(), noise(5, &deep()));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut workspace = Workspace::new(&network, 5);
            let result = workspace.run(&network, &pixels, &LABELS, POSITION);
            (workspace.gradients, result)
        })
    };
    assert!(run(1) == run(2));
    assert!(run(1) == run(5));
}

#[test]
fn a_smaller_last_batch_uses_nothing_of_the_batch_before() {
    let (network, pixels) = (network(), noise(5, &deep()));
    let mut used = Workspace::new(&network, 5);
    used.run(&network, &pixels, &LABELS, POSITION);
    let part = &pixels[..2 * deep().input_len()];
    used.run(&network, part, &LABELS[..2], POSITION);
    let mut fresh = Workspace::new(&network, 5);
    fresh.run(&network, part, &LABELS[..2], POSITION);
    assert!(used.gradients == fresh.gradients);
}
