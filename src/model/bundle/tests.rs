//! Model files, sound and hostile.

use super::super::architecture::tests::{tiny, tiny_head};
use super::*;
use crate::model::architecture::Family;
use crate::nn::backbone::tests::formula_backbone;
use crate::nn::init::Initializer;

/// A model with the initial weights of this network.
pub(crate) fn bundle(architecture: &Architecture) -> Bundle {
    let pretrained = architecture.family == Family::MobilenetV4Small;
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        architecture: architecture.clone(),
        classes: (0..architecture.classes).map(|class| format!("class {class}")).collect(),
        transform: "stretch/1".into(),
        snapshot_id: "018f0000-0000-7000-8000-000000000000".into(),
        seed: 7,
        recipe: serde_json::json!({"epochs": 3}),
        unfamiliar_below: Some(0.3),
        backbone: pretrained.then(|| Sha256::of(b"published")),
    };
    let network = Network::new(architecture, Initializer::GlorotUniform, 7);
    Bundle { metadata, network, backbone: pretrained.then(|| Arc::new(formula_backbone())) }
}

fn open(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::open(bytes, &sha256(bytes))
}

fn changed(change: impl FnOnce(&mut Bundle)) -> Result<Bundle, BundleError> {
    changed_from(&tiny(), change)
}

fn changed_from(
    architecture: &Architecture,
    change: impl FnOnce(&mut Bundle),
) -> Result<Bundle, BundleError> {
    let mut bundle = bundle(architecture);
    change(&mut bundle);
    open(&bundle.save())
}

/// A file with the given header text and as many zero bytes of data.
fn raw(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn a_bundle_survives_saving_and_gives_the_same_bytes() {
    for architecture in [tiny(), tiny_head()] {
        let bytes = bundle(&architecture).save();
        assert!(bytes == bundle(&architecture).save());
        let opened = open(&bytes).unwrap();
        assert!(opened == bundle(&architecture));
        assert!(opened.save() == bytes);
    }
}

#[test]
fn a_pretrained_network_belongs_to_its_family_and_is_complete() {
    let unnamed = changed_from(&tiny_head(), |b| b.metadata.backbone = None).unwrap_err();
    assert_eq!(unnamed, BundleError::Backbone);
    let needless = changed(|b| b.metadata.backbone = Some(Sha256::of(b"x"))).unwrap_err();
    assert_eq!(needless, BundleError::Backbone);
    let missing = changed_from(&tiny_head(), |b| b.backbone = None).unwrap_err();
    let stem = FileError::Missing("backbone.conv_stem.weight".into());
    assert_eq!(missing, BundleError::File(stem));
    let sure = changed(|b| b.metadata.unfamiliar_below = Some(1.5)).unwrap_err();
    assert_eq!(sure, BundleError::Unfamiliar);
}

#[test]
fn every_truncation_and_flipped_bit_is_refused() {
    let bytes = bundle(&tiny()).save();
    let digest = sha256(&bytes);
    for at in (0..bytes.len()).step_by(97) {
        assert!(matches!(Bundle::open(&bytes[..at], &digest), Err(BundleError::Digest { .. })));
        assert!(open(&bytes[..at]).is_err(), "truncated at {at} with a digest that fits");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(matches!(Bundle::open(&flipped, &digest), Err(BundleError::Digest { .. })));
        // With a digest that fits, a flipped weight may pass, but nothing panics.
        drop(open(&flipped));
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(open(&longer), Err(BundleError::File(FileError::Broken(_)))));
}

#[test]
fn hostile_headers_are_refused() {
    let mut lies = vec![vec![], vec![0; 7], u64::MAX.to_le_bytes().to_vec(), raw("", 0)];
    lies.push((1u64 << 63).to_le_bytes().to_vec());
    lies.push(100_000_001u64.to_le_bytes().to_vec());
    lies.push(500_000u64.to_le_bytes().to_vec());
    lies.push(raw("{\"a\": \u{fffd}", 0));
    lies.push(raw(&"[".repeat(100_000), 0));
    lies.push(raw(&format!("{{\"a\":{}", "{\"b\":".repeat(100_000)), 0));
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!("\"t\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}")
    };
    let max = u64::MAX;
    for (dtype, shape, offsets) in [
        ("F32", "[1]", "[0,8]"),
        ("F32", "[2]", "[4,8]"),
        ("F32", "[1]", "[8,4]"),
        ("F32", "[-1]", "[0,8]"),
        ("F99", "[2]", "[0,8]"),
        ("F32", &format!("[{max},{max}]"), "[0,8]"),
    ] {
        lies.push(raw(&format!("{{{}}}", tensor(dtype, shape, offsets)), 8));
    }
    let many: Vec<_> = (0..1000)
        .map(|i| tensor("F32", "[2]", "[0,8]").replace("\"t\"", &format!("\"t{i}\"")))
        .collect();
    lies.push(raw(&format!("{{{}}}", many.join(",")), 8));
    for bytes in lies {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(matches!(open(&bytes), Err(BundleError::File(_))), "{head}");
    }
    let plain = raw(&format!("{{{}}}", tensor("F32", "[2]", "[0,8]")), 8);
    assert!(matches!(open(&plain), Err(BundleError::File(FileError::Document(_)))));
}

#[test]
fn other_formats_are_named() {
    for magic in
        [&b"PK\x03\x04aaaaaaaa"[..], b"\x80\x02aaaaaaaa", b"\x89HDF\r\n\x1a\n", b"GGUFaaaaa"]
    {
        let error = open(magic).unwrap_err();
        assert!(matches!(error, BundleError::File(FileError::OtherFormat(_))), "{error}");
    }
}

#[test]
fn wrong_tensors_are_named() {
    let file = |result: Result<Bundle, BundleError>| match result.unwrap_err() {
        BundleError::File(error) => error,
        other => panic!("{other}"),
    };
    let missing = file(changed(|b| drop(b.network.variables.remove(1))));
    assert_eq!(missing, FileError::Missing("conv1.bias".into()));
    let extra = file(changed(|b| {
        let mut copy = b.network.variables[0].clone();
        copy.name = "zzz".into();
        b.network.variables.push(copy);
    }));
    assert_eq!(extra, FileError::Extra("zzz".into()));
    let shape = file(changed(|b| b.metadata.architecture.conv[1] = 6));
    assert!(matches!(shape, FileError::WrongShape { name, .. } if name == "conv2.weight"));
    let nan = file(changed(|b| b.network.variables[2].data[3] = f32::NAN));
    assert_eq!(nan, FileError::NotFinite("conv2.weight".into()));
    let zeros = changed(|b| b.network.variables[0].data.fill(0.0)).unwrap_err();
    assert_eq!(zeros, BundleError::AllZero("conv1.weight".into()));
}

#[test]
fn descriptions_outside_the_rules_are_refused() {
    let version = changed(|b| b.metadata.format_version = 9).unwrap_err();
    assert_eq!(version, BundleError::Version(9));
    let classes = changed(|b| b.metadata.classes.truncate(2)).unwrap_err();
    assert_eq!(classes, BundleError::Classes { names: 2, outputs: 3 });
    let twice = changed(|b| b.metadata.classes[1] = "class 0".into()).unwrap_err();
    assert!(matches!(twice, BundleError::Classes { .. }));
    let huge = changed(|b| b.metadata.architecture.conv[0] = 1 << 40).unwrap_err();
    assert!(matches!(huge, BundleError::Architecture(error) if error.field == "conv[0]"));
}
