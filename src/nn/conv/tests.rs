//! The fused convolution against candle's own operations and against finite differences.

use candle_core::{Device, Result, Tensor, Var};

use super::ConvPool;
use crate::nn::rng::{Purpose, Stream};

fn noise(dims: &[usize], seed: u64) -> Result<Var> {
    let mut stream = Stream::new(seed, Purpose::Initial, 0, 9);
    let numbers: Vec<f32> = (0..dims.iter().product()).map(|_| stream.between(-1.0, 1.0)).collect();
    Var::from_tensor(&Tensor::from_vec(numbers, dims, &Device::Cpu)?)
}

/// Stock convolution, then pooling as reshape and maximum: candle's `max_pool2d` scales gradients.
fn stock(x: &Tensor, weights: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (_, _, _, ci) = x.dims4()?;
    let co = weights.dim(1)?;
    let kernel = weights.reshape((3, 3, ci, co))?.permute((3, 2, 0, 1))?.contiguous()?;
    let maps = x.permute((0, 3, 1, 2))?.contiguous()?.conv2d(&kernel, 0, 1, 1, 1)?;
    let maps = maps.broadcast_add(&bias.reshape((1, co, 1, 1))?)?.relu()?;
    let (n, _, h, w) = maps.dims4()?;
    let maps = maps.narrow(2, 0, h / 2 * 2)?.narrow(3, 0, w / 2 * 2)?;
    let maps = maps.reshape(&[n, co, h / 2, 2, w / 2, 2][..])?.max(5)?.max(3)?;
    maps.permute((0, 2, 3, 1))
}

fn worst(ours: &Tensor, theirs: &Tensor) -> Result<f32> {
    let scale = theirs.abs()?.max_all()?.to_scalar::<f32>()?.max(1e-3);
    Ok((ours - theirs)?.abs()?.max_all()?.to_scalar::<f32>()? / scale)
}

#[test]
fn shapes_agree_with_stock_operations_forward_and_backward() -> Result<()> {
    let shapes = [
        [2, 8, 8, 3, 4],
        [1, 4, 4, 1, 1],
        [3, 7, 9, 3, 16],
        [2, 9, 7, 5, 20],
        [5, 10, 11, 16, 32],
        [1, 15, 15, 8, 24],
        [2, 36, 36, 16, 128],
        [1, 6, 6, 20, 20],
        [1, 12, 13, 33, 40],
        [2, 13, 7, 16, 24],
        [1, 150, 150, 3, 32],
    ];
    for [n, h, w, ci, co] in shapes {
        let (x, weights) = (noise(&[n, h, w, ci], 1)?, noise(&[9 * ci, co], 2)?);
        let (bias, mix) = (noise(&[co], 3)?, noise(&[n, (h - 2) / 2, (w - 2) / 2, co], 4)?);
        let ours = x.apply_op3(&weights, &bias, ConvPool::new())?;
        let theirs = stock(&x, &weights, &bias)?;
        assert!(worst(&ours, &theirs)? < 3e-6, "forward {h}x{w}x{ci}->{co}");
        let (a, b) = ((ours * mix.as_tensor())?.sum_all()?, (theirs * mix.as_tensor())?.sum_all()?);
        let (a, b) = (a.backward()?, b.backward()?);
        for (name, var) in [("x", &x), ("weights", &weights), ("bias", &bias)] {
            let worst = worst(a.get(var).unwrap(), b.get(var).unwrap())?;
            assert!(worst < 1e-5, "{name} of {h}x{w}x{ci}->{co}: {worst}");
        }
    }
    Ok(())
}

#[test]
fn gradients_match_finite_differences() -> Result<()> {
    let (x, weights, bias) = (noise(&[1, 7, 6, 2], 1)?, noise(&[18, 3], 2)?, noise(&[3], 3)?);
    let mix = noise(&[1, 2, 2, 3], 4)?;
    let loss = |x: &Tensor, weights: &Tensor, bias: &Tensor| -> Result<Tensor> {
        (x.apply_op3(weights, bias, ConvPool::new())? * mix.as_tensor())?.sum_all()
    };
    let gradients = loss(&x, &weights, &bias)?.backward()?;
    for (name, var) in [("x", &x), ("weights", &weights), ("bias", &bias)] {
        let exact = gradients.get(var).unwrap().flatten_all()?.to_vec1::<f32>()?;
        let start = var.flatten_all()?.to_vec1::<f32>()?;
        for at in 0..start.len() {
            let mut side = [0.0; 2];
            for (side, step) in side.iter_mut().zip([1e-2, -1e-2]) {
                let mut moved = start.clone();
                moved[at] += step;
                var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu)?)?;
                *side = loss(&x, &weights, &bias)?.to_scalar::<f32>()?;
            }
            var.set(&Tensor::from_vec(start.clone(), var.shape(), &Device::Cpu)?)?;
            let slope = (side[0] - side[1]) / 2e-2;
            assert!((slope - exact[at]).abs() < 2e-2, "{name}[{at}]: {slope} {}", exact[at]);
        }
    }
    Ok(())
}

#[test]
fn the_first_layer_gives_no_input_gradient() -> Result<()> {
    let (x, weights, bias) = (noise(&[1, 6, 6, 1], 1)?, noise(&[9, 2], 2)?, noise(&[2], 3)?);
    let y = x.apply_op3(&weights, &bias, ConvPool::first())?;
    let gradients = y.sum_all()?.backward()?;
    assert!(gradients.get(&x).is_none());
    assert!(gradients.get(&weights).is_some());
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let (x, weights, bias) = (noise(&[1, 3, 9, 1], 1)?, noise(&[9, 2], 2)?, noise(&[2], 3)?);
    assert!(x.apply_op3(&weights, &bias, ConvPool::new()).is_err());
    Ok(())
}

#[test]
fn both_backward_passes_agree() {
    let Some(unit) = super::axpy::Unit::detect() else {
        return;
    };
    for (height, width, input_maps, output_maps) in
        [(9, 12, 3, 5), (11, 8, 16, 9), (8, 7, 35, 4), (12, 12, 64, 16)]
    {
        let shape = super::ConvShape { height, width, input_maps, output_maps };
        let mut stream = Stream::new(1, Purpose::Initial, 0, 8);
        let mut noise = |len| (0..len).map(|_| stream.between(-1.0, 1.0)).collect::<Vec<f32>>();
        let (input, weights) = (noise(shape.input_len()), noise(shape.weight_len()));
        let gradient = noise(shape.output_len());
        let winners: Vec<u8> = gradient.iter().map(|v| ((v + 1.0) * 2.5) as u8).collect();
        let run = |sparse: bool| {
            let (mut dw, mut db) = (vec![1.0; shape.weight_len()], vec![1.0; output_maps]);
            let mut dx = vec![9.0; shape.input_len()];
            let from = super::Incoming {
                input: &input,
                weights: &weights,
                gradient: &gradient,
                winners: &winners,
            };
            let into = super::Gradients { weights: &mut dw, bias: &mut db, input: Some(&mut dx) };
            let mut scratch = super::Scratch::default();
            if sparse {
                super::backward_sparse::backward(unit, &shape, (from, into), &mut scratch);
            } else {
                super::backward_gemm::backward(&shape, from, into, &mut scratch);
            }
            [dw, db, dx]
        };
        for (sparse, dense) in run(true).iter().zip(&run(false)) {
            for (a, b) in sparse.iter().zip(dense) {
                assert!((a - b).abs() < 1e-4, "{shape:?}: {a} {b}");
            }
        }
    }
}
