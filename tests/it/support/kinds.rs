//! Drawings of two kinds, and a dataset with some of them, for cleaning jobs whose tagger looks at the pictures.

use image::{Rgb, RgbImage};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use shipshape::db::DatasetId;
use shipshape::nn::rng::{Purpose, Stream};

use super::drawn::{admit, drawn, png};
use super::service::Service;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blue with few rows.
    Ship,
    /// Red with many columns.
    Ox,
}

/// No two are the same, and those of a kind look alike.
pub(crate) fn drawing(kind: Kind, number: u64) -> RgbImage {
    let mut stream = Stream::new(number, Purpose::Augment, 0, 0);
    RgbImage::from_fn(160, 120, |x, y| {
        let noise = stream.below(20) as u8;
        match kind {
            Kind::Ship => Rgb([20 + noise, 40, if y / 30 % 2 == 0 { 220 } else { 120 }]),
            Kind::Ox => Rgb([if x / 8 % 2 == 0 { 230 } else { 90 }, 40 + noise, 20]),
        }
    })
}

/// A class of ships with a reference and these images.
pub(crate) async fn collected(service: &Service, images: &[(Kind, u64)]) -> DatasetId {
    let dataset = drawn(service, "ships", &[0]).await;
    let reference = Part::bytes(png(&drawing(Kind::Ship, 1)).to_vec()).file_name("reference.png");
    let path = format!("/datasets/{dataset}/classes/class%200/references");
    let form = Form::new().part("image", reference);
    let (status, answer) = service.send_form(Method::PUT, &path, form).await;
    assert_eq!(status, 200, "{answer}");
    for (kind, number) in images {
        admit(service, dataset, 0, png(&drawing(*kind, *number))).await;
    }
    dataset
}
