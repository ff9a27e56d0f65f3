//! The figures of a run: what the service answered, joined with the sample web's list by sha256.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::SampleWeb;
use super::web::listing::{Kind, Truth};

/// What of a run is not the real thing.
pub(super) const SIMULATED: [&str; 3] = [
    "the search engine's result pages",
    "the image hosts",
    "the tagger (a stand-in for Rekognition that speaks its wire protocol)",
];

/// The figures that `--json` writes. Accuracies and probabilities are fractions from 0 to 1.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `drawn`, or the directory of photographs.
    pub photos: String,
    /// In the order asked for.
    pub classes: Vec<String>,
    /// The dataset that the run made.
    pub dataset_id: String,
    /// Search hits that the service found.
    pub candidates: u64,
    /// Images that it stored.
    pub stored: u64,
    /// Images that any check flagged.
    pub flagged: u64,
    /// Candidates by outcome, over all scrape jobs.
    pub outcomes: BTreeMap<String, u64>,
    /// Flagged images by check.
    pub flagged_by_check: BTreeMap<String, u64>,
    /// Real pictures of each class; clutter and planted files are not among them.
    pub by_class: BTreeMap<String, Count>,
    /// Pictures of something else.
    pub clutter: Clutter,
    /// Copies, tiny pictures and half files that the demo put on the web on purpose.
    pub planted: Count,
    /// The split.
    pub snapshot: Split,
    /// Epochs trained.
    pub epochs: usize,
    /// After the last epoch, dropout off, no augmentation.
    pub train_accuracy: f64,
    /// On the held-out fifth.
    pub test_accuracy: f64,
    /// The same over pictures of the classes alone; none where the split holds none.
    pub test_accuracy_without_clutter: Option<f64>,
    /// The first class's held-out picture.
    pub classify: Classified,
    /// One held-out picture of each class.
    pub held_out: Vec<Classified>,
    /// Wall clock.
    pub seconds: Seconds,
    /// What is not the real thing.
    pub simulated: Vec<String>,
}

/// Images of one sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// In the dataset, flagged or not.
    pub stored: u64,
    /// Flagged by any check.
    pub flagged: u64,
}

/// What became of the clutter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Clutter {
    /// In the dataset, flagged or not.
    pub stored: u64,
    /// Flagged by any check.
    pub flagged: u64,
    /// Of the stored pictures that share no tag with the references' top k: flagged by `tags`, and all.
    pub flagged_of_unshared: [u64; 2],
}

/// Pictures on each side.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Split {
    /// To train on.
    pub train: u64,
    /// Held out.
    pub test: u64,
}

/// An answer of `/classify` and the truth.
#[derive(Debug, Clone, Serialize)]
pub struct Classified {
    /// Most probable.
    pub class: String,
    /// Of that class.
    pub probability: f64,
    /// The truth.
    pub expected: String,
}

/// Wall clock of each step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Seconds {
    /// All scrape jobs, side by side, with the dataset and its references.
    pub scrape: f64,
    /// The cleaning job.
    pub clean: f64,
    /// The training run.
    pub train: f64,
    /// Everything.
    pub total: f64,
}

/// What the service answered.
pub(super) struct Findings {
    pub(super) dataset: String,
    pub(super) scrapes: Vec<Value>,
    pub(super) cleaning: Value,
    pub(super) images: Vec<Value>,
    pub(super) snapshot: Value,
    pub(super) run: Value,
    pub(super) epochs: Vec<Value>,
    pub(super) predictions: Vec<Value>,
}

impl Findings {
    /// Joins the answers with the truth.
    ///
    /// # Errors
    /// An answer lacks a figure that it must have.
    pub(super) fn report(
        self,
        web: &SampleWeb,
        held_out: Vec<Classified>,
        seconds: Seconds,
    ) -> anyhow::Result<Report> {
        let outcomes = added(&self.scrapes);
        let (by_class, clutter, planted) = self.sorted(web);
        let accuracy = |key: &str| {
            self.run[key].as_f64().with_context(|| format!("the training run has no {key}"))
        };
        let count = |key: &str| self.snapshot["counts"][key].as_u64().unwrap_or(0);
        Ok(Report {
            photos: web.collection().origin.clone(),
            classes: web.collection().classes.iter().map(|class| class.name.clone()).collect(),
            candidates: outcomes.values().sum(),
            stored: outcomes.get("stored").copied().unwrap_or(0),
            flagged: self.images.iter().filter(|image| is_flagged(image)).count() as u64,
            flagged_by_check: flagged_by_check(&self.cleaning),
            by_class,
            clutter,
            planted,
            snapshot: Split { train: count("train"), test: count("test") },
            epochs: self.epochs.len(),
            train_accuracy: accuracy("train_accuracy")?,
            test_accuracy: accuracy("test_accuracy")?,
            test_accuracy_without_clutter: self.without_clutter(web),
            classify: held_out.first().cloned().context("nothing was classified")?,
            held_out,
            outcomes,
            seconds,
            simulated: simulated(web),
            dataset_id: self.dataset,
        })
    }

    fn sorted(&self, web: &SampleWeb) -> (BTreeMap<String, Count>, Clutter, Count) {
        let mut by_class: BTreeMap<String, Count> =
            web.collection().classes.iter().map(|c| (c.name.clone(), Count::default())).collect();
        let (mut clutter, mut planted) = (Clutter::default(), Count::default());
        for image in &self.images {
            let Some(truth) = truth(web, image) else {
                continue;
            };
            let flagged = u64::from(is_flagged(image));
            match truth.kind {
                Kind::Class => add(by_class.entry(truth.class.clone()).or_default(), flagged),
                Kind::Planted => add(&mut planted, flagged),
                Kind::Clutter => {
                    clutter.stored += 1;
                    clutter.flagged += flagged;
                    if !truth.shares_tag {
                        clutter.flagged_of_unshared[0] += u64::from(is_flagged_by_tags(image));
                        clutter.flagged_of_unshared[1] += 1;
                    }
                }
            }
        }
        (by_class, clutter, planted)
    }

    fn without_clutter(&self, web: &SampleWeb) -> Option<f64> {
        let (mut right, mut of) = (0_u32, 0_u32);
        for prediction in &self.predictions {
            let Some(truth) = truth(web, prediction) else {
                continue;
            };
            if truth.kind != Kind::Clutter {
                of += 1;
                right += u32::from(prediction["predicted"].as_str() == Some(&truth.class));
            }
        }
        (of > 0).then(|| f64::from(right) / f64::from(of))
    }
}

fn add(count: &mut Count, flagged: u64) {
    count.stored += 1;
    count.flagged += flagged;
}

fn truth<'a>(web: &'a SampleWeb, item: &Value) -> Option<&'a Truth> {
    web.listing().truth(item["sha256"].as_str()?)
}

fn is_flagged(image: &Value) -> bool {
    image["state"] == "flagged"
}

fn is_flagged_by_tags(image: &Value) -> bool {
    let verdicts = image["verdicts"].as_array().map_or(&[][..], Vec::as_slice);
    let by_tags = |v: &Value| v["check"] == "tags" && v["outcome"] == "flagged";
    is_flagged(image) && verdicts.iter().any(by_tags)
}

fn added(scrapes: &[Value]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (outcome, count) in scrapes.iter().filter_map(|job| job["outcomes"].as_object()).flatten() {
        *sums.entry(outcome.clone()).or_default() += count.as_u64().unwrap_or(0);
    }
    sums
}

fn flagged_by_check(cleaning: &Value) -> BTreeMap<String, u64> {
    let checks = cleaning["by_check"].as_object().into_iter().flatten();
    checks.map(|(check, of)| (check.clone(), of["flagged"].as_u64().unwrap_or(0))).collect()
}

fn simulated(web: &SampleWeb) -> Vec<String> {
    let pictures = match web.collection().origin.as_str() {
        "drawn" => "the pictures and their labels (drawn by the program)",
        _ => "the labels (from labels.json)",
    };
    SIMULATED.iter().chain([&pictures]).map(|&part| part.to_owned()).collect()
}
