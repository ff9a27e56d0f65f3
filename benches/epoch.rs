//! A whole training run of the original network from picture files: CPU-seconds of each epoch.
//!
//! `cargo bench --bench epoch` prints one JSON line. `SHIPSHAPE_BENCH_FILES` names a folder with
//! `train/<class>/` and `test/<class>/`, `SHIPSHAPE_BENCH_EPOCHS` the epochs (default 3),
//! `RAYON_NUM_THREADS` the threads. The files are put into a blob store first, as uploads are; what is measured is all
//! that a run does with them: read, check, decode, augment, train, and evaluate both sets after each epoch.

use std::ops::ControlFlow;
use std::path::Path;

use measure::{cpu_seconds, peak_megabytes, setting};
use mimalloc::MiMalloc;
use shipshape::blobs::{Blobs, Key};
use shipshape::db::{DatasetId, Sha256};
use shipshape::snapshot::{Member, Split};
use shipshape::training::{EpochSummary, Observer, Recipe, Setup, Trainer, pictures};
use sqlx::PgPool;

mod measure;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The CPU-seconds at the end of each epoch.
#[derive(Default)]
struct Ends(Vec<f64>);

impl Observer for Ends {
    fn epoch(&mut self, _: Option<&EpochSummary>, _: &Trainer) -> ControlFlow<()> {
        self.0.push(cpu_seconds());
        ControlFlow::Continue(())
    }
}

/// The entries of a folder, by name.
fn entries(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Stores the pictures; gives them and the number of classes.
async fn members(
    files: &Path,
    blobs: &Blobs,
    dataset: DatasetId,
) -> anyhow::Result<(Vec<Member>, usize)> {
    let (mut members, mut classes) = (Vec::new(), 0);
    for (split, side) in [(Split::Train, "train"), (Split::Test, "test")] {
        for (label, class) in entries(&files.join(side))?.into_iter().enumerate() {
            classes = classes.max(label + 1);
            for file in entries(&class)? {
                let bytes = std::fs::read(file)?;
                let sha256 = Sha256::of(&bytes);
                let key = Key::Image(dataset, sha256);
                blobs.put(&key, bytes.into()).await?;
                let position = members.len() as i32;
                members.push(Member { position, image: None, sha256, label, split, key });
            }
        }
    }
    Ok((members, classes))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let files = std::env::var("SHIPSHAPE_BENCH_FILES")?;
    let epochs = setting("SHIPSHAPE_BENCH_EPOCHS", 3);
    let folder = tempfile::tempdir()?;
    let blobs = Blobs::open(&folder.path().to_string_lossy(), None).await?;
    let dataset = DatasetId(uuid::Uuid::nil());
    let (members, classes) = members(Path::new(&files), &blobs, dataset).await?;
    // Asked only where a picture has moved, so nobody connects.
    let pool = PgPool::connect_lazy("postgres://localhost/none")?;
    let recipe = Recipe { epochs: epochs as u32, ..Recipe::original() };
    let size = recipe.image_size;

    let start = cpu_seconds();
    let source = pictures::Source { pool: &pool, blobs: &blobs, dataset };
    let (train, test) = pictures::load(source, &members, size).await?;
    let decoded = cpu_seconds();
    let mut trainer =
        Trainer::new(Setup { recipe, classes, seed: 1, data: files, backbone: None })?;
    let mut ends = Ends::default();
    let outcome = trainer.run(&train, &test, &mut ends)?;
    let run = cpu_seconds() - start;
    let starts = std::iter::once(&start).chain(&ends.0);
    let seconds: Vec<f64> = ends.0.iter().zip(starts).map(|(end, start)| end - start).collect();
    println!(
        "{}",
        serde_json::json!({
            "cpu_seconds_per_epoch": run / epochs as f64,
            "epochs": seconds,
            "decode": decoded - start,
            "test_accuracy": outcome.test.accuracy,
            "peak_megabytes": peak_megabytes(),
        })
    );
    Ok(())
}
