//! A sheet of augmented samples of a snapshot's training pictures, to look at before training.

use std::io::Cursor;

use anyhow::Context as _;
use image::ImageFormat;

use super::augmentation::{Sample, Sheet};
use super::pictures::{self, LoadError, Source};
use super::{Recipe, share};
use crate::snapshot::{Member, Snapshot, Split};

/// What the sheet shows.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Its augmentation, its picture sizes and its share of the pictures.
    pub recipe: Recipe,
    /// The seed of a run shows what that run sees.
    pub seed: u64,
    /// Pictures.
    pub rows: u32,
    /// The picture itself and its samples.
    pub columns: u32,
}

impl Preview {
    /// Draws the sheet as PNG: a row per training picture, the classes in turn.
    ///
    /// # Errors
    /// When a picture cannot be loaded.
    pub async fn png(
        self,
        source: Source<'_>,
        snapshot: &Snapshot,
        members: Vec<Member>,
    ) -> Result<Vec<u8>, LoadError> {
        let members = share::keep(members, self.recipe.train_fraction, snapshot.seed as u64);
        let (indices, chosen) = in_turn(&members, self.rows as usize);
        let size = self.recipe.image_size;
        let (set, _) = pictures::load(source, &chosen, size).await?;
        let drawn = tokio::task::spawn_blocking(move || {
            let sample = |(at, index)| Sample { index, pixels: set.picture(at).to_vec() };
            let samples: Vec<Sample> = indices.into_iter().enumerate().map(sample).collect();
            let Self { recipe, seed, columns, .. } = &self;
            let (augment, shown) = (&recipe.augment, recipe.training_size());
            let sheet = Sheet { augment, seed: *seed, size, shown, columns: *columns };
            let paper = sheet.draw(&samples);
            let mut png = Vec::new();
            paper.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map(|()| png)
        });
        let png = drawn.await.map_err(anyhow::Error::from)?;
        Ok(png.context("the sheet cannot be encoded")?)
    }
}

/// Up to `count` training pictures, the first of each class, then the second of each, and so on; and the place of each among
/// all training pictures.
fn in_turn(members: &[Member], count: usize) -> (Vec<u64>, Vec<Member>) {
    let mut seen: Vec<usize> = Vec::new();
    let training = members.iter().filter(|member| member.split == Split::Train);
    let mut ranked: Vec<(usize, u64, &Member)> = (0..)
        .zip(training)
        .map(|(index, member)| {
            seen.resize(seen.len().max(member.label + 1), 0);
            seen[member.label] += 1;
            (seen[member.label], index, member)
        })
        .collect();
    ranked.sort_by_key(|(rank, _, member)| (*rank, member.label));
    ranked.into_iter().take(count).map(|(_, index, member)| (index, member.clone())).unzip()
}
