//! The evaluation pass as a candle operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, bail};

use super::{DenseShape, evaluate};
use crate::nn::conv::contiguous;

/// `x [n, inputs] · w [inputs, outputs] + b [outputs]`, with or without `ReLU`, all `f32` on the CPU.
///
/// Candle's own `matmul` may sum in another order for another batch size; this does not.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
    /// Whether negative results become zero.
    pub relu: bool,
}

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (&[count, inputs], &[rows, outputs]) = (x_layout.dims(), w_layout.dims()) else {
            bail!("dense wants x [n, inputs] and w [inputs, outputs]");
        };
        if rows != inputs || b_layout.dims() != [outputs] {
            bail!("dense: {x_layout:?}, {w_layout:?} and {b_layout:?} do not fit");
        }
        let weights = (contiguous(w, w_layout)?, contiguous(b, b_layout)?);
        let mut y = vec![0.0; count * outputs];
        let shape = DenseShape { inputs, outputs };
        evaluate(shape, contiguous(x, x_layout)?, weights, &mut y, self.relu);
        Ok((CpuStorage::F32(y), (count, outputs).into()))
    }
}
