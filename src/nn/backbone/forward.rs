//! One picture's way through the steps, on buffers that are reused.

use super::architecture::{End, Step};
use super::depthwise;
use super::kernel::Kernel;
use super::product::{self, Patches};

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The maps that the next step reads, `[side, side, maps]`.
    current: Vec<f32>,
    /// The maps that it writes.
    next: Vec<f32>,
    /// The maps of [`Step::Keep`].
    kept: Vec<f32>,
    /// The maps that it reads, with a border of zeros.
    padded: Vec<f32>,
}

impl Scratch {
    /// Where the picture `[size, size, 3]` is to be written.
    pub(super) fn picture(&mut self, size: usize) -> &mut [f32] {
        self.current.resize(size * size * 3, 0.0);
        &mut self.current
    }

    /// Runs the steps on [`Self::picture`] and averages the last maps over the pixels.
    pub(super) fn run(&mut self, steps: &[Step], size: usize, pooled: &mut [f32]) {
        let side = steps.iter().fold(size, |side, step| self.step(step, side));
        pooled.fill(0.0);
        for pixel in self.current.chunks_exact(pooled.len()) {
            for (sum, value) in pooled.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        for sum in pooled {
            *sum /= (side * side) as f32;
        }
    }

    /// Replaces the current maps; returns their rows.
    fn step(&mut self, step: &Step, side: usize) -> usize {
        match step {
            Step::Keep => {
                self.kept.clone_from(&self.current);
                return side;
            }
            Step::Pointwise { kernel, end: End::AddToKept } => {
                product::multiply(
                    kernel,
                    pixels(&self.current, side),
                    &mut self.kept,
                    End::AddToKept,
                );
                std::mem::swap(&mut self.current, &mut self.kept);
                return side;
            }
            Step::Pointwise { kernel, end } => {
                self.next.resize(side * side * kernel.bias.len(), 0.0);
                product::multiply(kernel, pixels(&self.current, side), &mut self.next, *end);
            }
            Step::Strided(kernel) => {
                pad(&self.current, side, 1, &mut self.padded);
                self.next.resize((side / 2).pow(2) * kernel.bias.len(), 0.0);
                strided(kernel, &self.padded, side, &mut self.next);
            }
            Step::Depthwise { kernel, size, stride, relu } => {
                pad(&self.current, side, size / 2, &mut self.padded);
                self.next.resize((side / stride).pow(2) * kernel.bias.len(), 0.0);
                let shape = depthwise::Shape { side, size: *size, stride: *stride };
                depthwise::forward(shape, kernel, &self.padded, &mut self.next, *relu);
            }
        }
        std::mem::swap(&mut self.current, &mut self.next);
        match step {
            Step::Strided(_) => side / 2,
            Step::Depthwise { stride, .. } => side / stride,
            _ => side,
        }
    }
}

/// Each pixel of maps `[side, side, maps]` as a patch.
fn pixels(maps: &[f32], side: usize) -> Patches<'_> {
    let len = maps.len() / (side * side);
    Patches { data: maps, rows: 1, step: len, len }
}

/// Convolution 3×3 with stride 2 and `ReLU` on maps with a border of one zero, row by row.
fn strided(kernel: &Kernel, padded: &[f32], side: usize, output: &mut [f32]) {
    let row = padded.len() / (side + 2);
    let pixel = row / (side + 2);
    for (y, output) in output.chunks_exact_mut(side / 2 * kernel.bias.len()).enumerate() {
        let data = &padded[2 * y * row..][..3 * row];
        let patches = Patches { data, rows: 3, step: 2 * pixel, len: 3 * pixel };
        product::multiply(kernel, patches, output, End::Relu);
    }
}

/// Copies maps `[side, side, maps]` into the middle of `[side + 2 · border, …]` zeros.
fn pad(maps: &[f32], side: usize, border: usize, padded: &mut Vec<f32>) {
    let (row, outer) = (maps.len() / side, side + 2 * border);
    let pixel = row / side;
    padded.clear();
    padded.resize(outer * border * pixel, 0.0);
    for row in maps.chunks_exact(row) {
        padded.resize(padded.len() + border * pixel, 0.0);
        padded.extend_from_slice(row);
        padded.resize(padded.len() + border * pixel, 0.0);
    }
    padded.resize(outer * outer * pixel, 0.0);
}
