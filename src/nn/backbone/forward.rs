//! One picture's way through the steps, on buffers that are reused.

use super::Layer;
use super::architecture::End;
use super::depthwise;
use super::kernel::Kernel;
use super::product::{self, Patches};

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The maps that the next step reads come first.
    current: Vec<f32>,
    /// Where it writes.
    next: Vec<f32>,
    /// The maps that [`End::AddToKept`] adds.
    kept: Vec<f32>,
    /// The maps that it reads, with a border of zeros.
    padded: Vec<f32>,
}

/// The size of a picture's maps `[side, side, maps]`.
#[derive(Debug, Clone, Copy)]
struct Extent {
    side: usize,
    maps: usize,
}

impl Extent {
    fn len(self) -> usize {
        self.side * self.side * self.maps
    }
}

/// The first `len` numbers of a buffer that grows when it is too short.
fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Scratch {
    /// Where the picture `[size, size, 3]` is to be written.
    pub(super) fn picture(&mut self, size: usize) -> &mut [f32] {
        grown(&mut self.current, size * size * 3)
    }

    /// Runs the layers on [`Self::picture`] and averages the last maps over the pixels.
    pub(super) fn run(&mut self, layers: &[Layer], size: usize, pooled: &mut [f32]) {
        let picture = Extent { side: size, maps: 3 };
        let last = layers.iter().fold(picture, |extent, layer| self.step(layer, extent));
        pooled.fill(0.0);
        for pixel in self.current[..last.len()].chunks_exact(last.maps) {
            for (sum, value) in pooled.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        for sum in pooled {
            *sum /= (last.side * last.side) as f32;
        }
    }

    /// Replaces the current maps, which have the size `from`; returns the size of the new ones.
    fn step(&mut self, Layer { convolution, kernel }: &Layer, from: Extent) -> Extent {
        let (current, side) = (&self.current[..from.len()], from.side);
        let to = Extent { side: side / convolution.stride, maps: convolution.outputs };
        if convolution.keeps {
            grown(&mut self.kept, from.len()).copy_from_slice(current);
        }
        let pixels = Patches { data: current, rows: 1, step: from.maps, len: from.maps };
        match (convolution.depthwise, convolution.size, convolution.end) {
            (false, 1, End::AddToKept) => {
                product::multiply(kernel, pixels, &mut self.kept[..to.len()], End::AddToKept);
                std::mem::swap(&mut self.current, &mut self.kept);
                return to;
            }
            (false, 1, end) => {
                product::multiply(kernel, pixels, grown(&mut self.next, to.len()), end);
            }
            (false, ..) => {
                pad(current, from, 1, &mut self.padded);
                strided(kernel, &self.padded, from, grown(&mut self.next, to.len()));
            }
            (true, size, end) => {
                pad(current, from, size / 2, &mut self.padded);
                let (stride, relu) = (convolution.stride, end == End::Relu);
                let shape = depthwise::Shape { side, size, stride, relu };
                let output = grown(&mut self.next, to.len());
                depthwise::forward(shape, kernel, &self.padded, output);
            }
        }
        std::mem::swap(&mut self.current, &mut self.next);
        to
    }
}

/// Convolution 3×3 with stride 2 and `ReLU` on maps with a border of one zero, row by row.
fn strided(kernel: &Kernel, padded: &[f32], from: Extent, output: &mut [f32]) {
    let row = (from.side + 2) * from.maps;
    for (y, output) in output.chunks_exact_mut(from.side / 2 * kernel.bias.len()).enumerate() {
        let data = &padded[2 * y * row..][..3 * row];
        let patches = Patches { data, rows: 3, step: 2 * from.maps, len: 3 * from.maps };
        product::multiply(kernel, patches, output, End::Relu);
    }
}

/// Copies maps into the middle of `[side + 2 · border, side + 2 · border, maps]` zeros.
fn pad(maps: &[f32], extent: Extent, border: usize, padded: &mut Vec<f32>) {
    let outer = extent.side + 2 * border;
    let edge = border * extent.maps;
    padded.clear();
    padded.resize(outer * edge, 0.0);
    for row in maps.chunks_exact(extent.side * extent.maps) {
        padded.resize(padded.len() + edge, 0.0);
        padded.extend_from_slice(row);
        padded.resize(padded.len() + edge, 0.0);
    }
    padded.resize(outer * outer * extent.maps, 0.0);
}
