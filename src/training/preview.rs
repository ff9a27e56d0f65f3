//! A sheet of augmented samples of a snapshot's training pictures, to look at before training.

use std::io::Cursor;

use anyhow::Context as _;
use image::{ImageFormat, RgbImage};

use super::Recipe;
use super::augmentation::sheet;
use super::pictures::{self, LoadError, Source};
use crate::snapshot::{Member, Split};

/// What the sheet shows.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Its augmentation and its picture size.
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
    pub async fn png(self, source: Source<'_>, members: &[Member]) -> Result<Vec<u8>, LoadError> {
        let chosen = in_turn(members, self.rows as usize);
        let size = self.recipe.image_size;
        let (set, _) = pictures::load(source, &chosen, size).await?;
        let drawn = tokio::task::spawn_blocking(move || {
            let picture = |at| RgbImage::from_raw(size, size, set.picture(at).to_vec());
            let pictures: Vec<RgbImage> = (0..set.len()).filter_map(picture).collect();
            let Self { recipe, seed, rows, columns } = self;
            let paper = sheet(&pictures, &recipe.augment, seed, columns, rows);
            let mut png = Vec::new();
            paper.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map(|()| png)
        });
        let png = drawn.await.map_err(anyhow::Error::from)?;
        Ok(png.context("the sheet cannot be encoded")?)
    }
}

/// Up to `count` training pictures: the first of each class, then the second of each, and so on.
fn in_turn(members: &[Member], count: usize) -> Vec<Member> {
    let mut seen: Vec<usize> = Vec::new();
    let training = members.iter().filter(|member| member.split == Split::Train);
    let mut ranked: Vec<(usize, &Member)> = training
        .map(|member| {
            seen.resize(seen.len().max(member.label + 1), 0);
            seen[member.label] += 1;
            (seen[member.label], member)
        })
        .collect();
    ranked.sort_by_key(|(rank, member)| (*rank, member.label));
    ranked.into_iter().take(count).map(|(_, member)| member.clone()).collect()
}
