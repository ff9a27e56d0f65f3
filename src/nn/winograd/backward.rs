//! The gradients of weights and inputs.

use super::filter::{self, Filter};
use super::forward::transformed;
use super::{Picture, Scratch, Tile, Tiling, transform};
use crate::nn::isa::Isa;
use crate::nn::panel::{self, LANES, Row, Unit, grown};

/// What the backward pass starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a, const IN: usize, const OUT: usize> {
    /// The inputs `[n, height, width, maps]`.
    pub(crate) x: &'a [f32],
    /// The gradient of the outputs.
    pub(crate) dy: &'a [f32],
    /// [`Filter::transposed`], where the inputs' gradient is wanted.
    pub(crate) transposed: Option<&'a Filter<IN, OUT>>,
}

/// The gradient of transformed weights, summed over pictures.
#[derive(Debug, Default)]
pub(crate) struct Sums(Vec<Row>);

/// Adds the gradient of the weights to `dw [9, inputs, outputs]`, and that of the inputs to `dx`, which is read
/// only with [`Incoming::transposed`].
pub(crate) fn backward<const IN: usize, const OUT: usize>(
    (tiling, output): (&Tiling<IN, OUT>, &Picture),
    from: Incoming<'_, IN, OUT>,
    (dw, dx): (&mut [f32], &mut [f32]),
    sums: &mut Sums,
    scratch: &mut Scratch,
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (isa, unit) = (Isa::detect(), Unit::detect());
    let (inputs, outputs) = (tiling.input.maps.div_ceil(LANES), output.maps.div_ceil(LANES));
    let sums = grown(&mut sums.0, IN * IN * outputs * inputs * LANES);
    sums.fill([0.0; LANES]);
    for rows in tiling.bands(from.x.len() / tiling.input.len(), output.maps) {
        let tiles = rows.len() * tiling.columns;
        let x = transformed(tiling, from.x, rows.clone(), &mut scratch.inputs);
        let dy = grown(&mut scratch.outputs, IN * IN * outputs * tiles);
        for (at, row) in rows.clone().enumerate() {
            let lines = &from.dy[tiling.outputs_of(row, output)];
            for panel in 0..outputs {
                let target = (&mut dy[panel * tiles + at * tiling.columns..], outputs * tiles);
                transform::gradient(isa, tiling, output, panel * LANES, lines, target);
            }
        }
        for position in 0..IN * IN {
            let x = &mut x[position * inputs * tiles..][..inputs * tiles];
            let dy = &dy[position * outputs * tiles..][..outputs * tiles];
            let sums = &mut sums[position * outputs * inputs * LANES..];
            panel::add_outer(unit, tiles, x, dy, sums);
            if let Some(factors) = from.transposed {
                let factors = &factors.factors[position * factors.position_len()..];
                panel::multiply(unit, tiles, dy, &factors[..inputs * outputs * LANES], x);
            }
        }
        if from.transposed.is_some() {
            for (at, row) in rows.enumerate() {
                let dx = &mut dx[row / tiling.rows * tiling.input.len()..][..tiling.input.len()];
                for panel in 0..inputs {
                    let slopes = &x[panel * tiles + at * tiling.columns..];
                    let place = (row % tiling.rows, panel * LANES);
                    transform::scatter(isa, tiling, place, (slopes, inputs * tiles), dx);
                }
            }
        }
    }
    for panel in 0..outputs {
        let sizes = (tiling.input.maps, output.maps);
        filter::add_gradient::<IN, OUT>(isa, sums, sizes, panel * LANES, dw);
    }
}
