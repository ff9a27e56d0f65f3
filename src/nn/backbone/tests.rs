//! The backbone against timm, on weights and a picture that one formula makes on both sides.

use std::convert::Infallible;

use safetensors::tensor::{Dtype, TensorView};

use super::*;

/// Pseudo-random numbers in [−1, 1), the same in `benches/peers/backbone_peer.py`: the finaliser of
/// `MurmurHash3` over the FNV-1a hash of a name plus an index.
pub(crate) fn formula(name: &str, len: usize) -> impl Iterator<Item = f32> + use<> {
    let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let seed = name.bytes().fold(2_166_136_261, fnv);
    (0..len as u32).map(move |index| {
        let mut hash = index.wrapping_mul(2_654_435_761).wrapping_add(seed);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        ((hash ^ (hash >> 16)) >> 8) as f32 / 8_388_608.0 - 1.0
    })
}

/// The formula's tensor, scaled so that activations keep their size.
fn formula_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let numbers = formula(name, shape.iter().product());
    let (offset, scale) = match name.rsplit('.').next() {
        Some("running_var") => (1.0, 0.5),
        Some("weight") if shape.len() == 1 => (1.0, 0.2),
        Some("weight") => (0.0, (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32),
        _ => (0.0, 0.1),
    };
    numbers.map(|number| offset + scale * number).collect()
}

/// A network with the formula's weights.
pub(crate) fn formula_backbone() -> Backbone {
    let network = Backbone::new(|name, shape| Ok::<_, Infallible>(formula_tensor(name, shape)));
    network.unwrap_or_else(|never| match never {})
}

fn formula_picture(size: usize) -> Vec<f32> {
    formula("picture", size * size * 3).map(|value| value.midpoint(1.0)).collect()
}

/// The whole network with the formula's weights.
fn formula_classifier() -> Classifier {
    let network = Classifier::new(|name, shape| Ok::<_, Infallible>(formula_tensor(name, shape)));
    network.unwrap_or_else(|never| match never {})
}

/// The largest difference, in units of the largest expected number.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0f32, |worst, (found, expected)| worst.max((found - expected).abs())) / largest
}

#[test]
fn features_and_logits_are_those_of_timm() {
    let fixture = include_bytes!("fixtures/mobilenetv4_conv_small.f32").as_chunks::<4>().0;
    let fixture: Vec<f32> = fixture.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let (backbone, classifier) = (formula_backbone(), formula_classifier());
    for (size, expected) in [224, 96].into_iter().zip(fixture.chunks_exact(FEATURES + CLASSES)) {
        let picture = formula_picture(size);
        let features = backbone.features(size, 1, |_, pixels| pixels.copy_from_slice(&picture));
        let logits = classifier.logits(size, 1, |_, pixels| pixels.copy_from_slice(&picture));
        let worst = difference(&features, &expected[..FEATURES]);
        assert!(worst < 1e-4, "features at {size}: {worst}");
        let worst = difference(&logits, &expected[FEATURES..]);
        assert!(worst < 1e-4, "logits at {size}: {worst}");
    }
}

#[test]
fn a_picture_alone_and_among_others_gives_the_same_bits() {
    let backbone = formula_backbone();
    let pictures: Vec<f32> = formula("pictures", 5 * 32 * 32 * 3).collect();
    let picture = |index: usize| &pictures[index * 3072..(index + 1) * 3072];
    let together = backbone.features(32, 5, |index, pixels| pixels.copy_from_slice(picture(index)));
    for index in 0..5 {
        let alone = backbone.features(32, 1, |_, pixels| pixels.copy_from_slice(picture(index)));
        assert_eq!(alone, together[index * FEATURES..(index + 1) * FEATURES]);
    }
}

#[test]
fn a_network_made_of_its_own_numbers_is_the_same() {
    let backbone = formula_backbone();
    let mut numbers = backbone.numbers().map(|(_, numbers)| numbers);
    let again = Backbone::with_numbers(|convolution| {
        let numbers = numbers.next().expect("numbers for each convolution");
        assert_eq!(numbers.weights.len(), convolution.weight_shape().iter().product::<usize>());
        Ok::<_, Infallible>(numbers)
    });
    assert_eq!(again, Ok(backbone.clone()));
    assert!(numbers.next().is_none());
}

/// A file as timm's, counters of batches included; `change` may spoil a tensor's shape.
fn file(change: impl Fn(&str, &mut Vec<usize>)) -> Vec<u8> {
    let mut tensors = vec![("bn1.num_batches_tracked".to_owned(), Dtype::I64, vec![], vec![0; 8])];
    let network = Classifier::new(|name, shape| {
        let numbers = formula_tensor(name, shape);
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut found = shape.to_vec();
        change(name, &mut found);
        tensors.push((name.to_owned(), Dtype::F32, found, bytes));
        Ok::<_, Infallible>(numbers)
    });
    assert!(network.is_ok());
    let views = tensors.iter().map(|(name, kind, shape, bytes)| {
        (name, TensorView::new(*kind, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_published_file_is_read_and_another_networks_is_refused() {
    let bytes = file(|_, _| {});
    assert_eq!(read(&bytes), Ok(formula_backbone()));
    assert_eq!(read_classifier(&bytes), Ok(formula_classifier()));
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        assert!(matches!(read(&bytes[..at]), Err(TensorError::Broken(_))), "cut at {at}");
    }
    let other = file(|name, shape| {
        if name == "blocks.2.0.dw_mid.conv.weight" {
            shape.swap(0, 1);
        }
    });
    let refused = read(&other);
    assert!(
        matches!(&refused, Err(TensorError::Wrong { name, .. }) if name.contains("dw_mid")),
        "{refused:?}"
    );
}

#[test]
fn a_network_for_other_classes_still_gives_features_but_no_names() {
    let bytes = file(|name, shape| {
        if name == "classifier.weight" {
            *shape = vec![FEATURES, CLASSES];
        }
    });
    assert_eq!(read(&bytes), Ok(formula_backbone()));
    let refused = read_classifier(&bytes);
    assert!(
        matches!(&refused, Err(TensorError::Wrong { name, .. }) if name == "classifier.weight"),
        "{refused:?}"
    );
}
