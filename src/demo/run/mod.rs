//! The whole way over the public API: dataset, references, scrape, clean, snapshot, train, activate, classify.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use futures::future::try_join_all;
use indicatif::MultiProgress;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::collection::{ClassPictures, Collection};
use super::figures::{Classified, Findings, Report, Seconds};
use super::follow::{bar, follow};
use super::web::TOP_K;
use super::{DemoOptions, SampleWeb, recipe, summary};

/// More than any class of the sample web has, so that the search runs to its end.
const LIMIT: usize = 5_000;

/// What the steps share.
struct Way<'a> {
    client: Client,
    bars: MultiProgress,
    seed: u64,
    web: &'a SampleWeb,
}

/// Drives the service at `base_url` through a whole run, prints the summary, and writes `--json` where asked.
///
/// # Errors
/// The service refuses a request or a job does not succeed; the message is the service's own.
pub async fn run(options: &DemoOptions, base_url: &str, web: &SampleWeb) -> anyhow::Result<Report> {
    let way =
        Way { client: Client::new(base_url)?, bars: MultiProgress::new(), seed: options.seed, web };
    summary::announce(web);
    let report = way.whole().await?;
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(path, text + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    summary::print(&report, web, base_url);
    Ok(report)
}

impl Way<'_> {
    fn collection(&self) -> &Collection {
        self.web.collection()
    }

    async fn whole(&self) -> anyhow::Result<Report> {
        let started = Instant::now();
        let dataset = self.create_dataset().await?;
        let scrapes = self.scrape(&dataset).await?;
        let scraped = started.elapsed().as_secs_f64();
        let cleaning = self.clean(&dataset).await?;
        let cleaned = started.elapsed().as_secs_f64();
        let images = self.client.list(&["images"], &[("dataset_id", &dataset)]).await?;
        let snapshot = self.freeze(&dataset).await?;
        let frozen = started.elapsed().as_secs_f64();
        let run = self.train(&snapshot).await?;
        let trained = started.elapsed().as_secs_f64();
        let id = text(&run, "id")?;
        let epochs = self.client.list(&["training-runs", &id, "epochs"], &[]).await?;
        let predictions =
            self.client.list(&["training-runs", &id, "predictions"], &[("split", "test")]).await?;
        let model = text(&run, "model_id")?;
        self.client.post(&["models", &model, "activate"], &json!({})).await?;
        let classified = self.classify_held_out().await?;
        let seconds = Seconds {
            scrape: scraped,
            clean: cleaned - scraped,
            train: trained - frozen,
            total: started.elapsed().as_secs_f64(),
        };
        let findings =
            Findings { dataset, scrapes, cleaning, images, snapshot, run, epochs, predictions };
        findings.report(self.web, classified, seconds)
    }

    /// A new dataset with a name of its own, and the references of each class.
    async fn create_dataset(&self) -> anyhow::Result<String> {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let class = |class: &ClassPictures| json!({"name": class.name, "phrases": [class.phrase]});
        let classes: Vec<Value> = self.collection().classes.iter().map(class).collect();
        let body = json!({"name": format!("demo-{millis}"), "classes": classes});
        let dataset = self.client.create(&["datasets"], &body).await?;
        for class in &self.collection().classes {
            let parts = ["datasets", &dataset, "classes", &class.name, "references"];
            self.client.send_pictures(Method::PUT, &parts, &class.references).await?;
        }
        Ok(dataset)
    }

    /// One job per class, side by side.
    async fn scrape(&self, dataset: &str) -> anyhow::Result<Vec<Value>> {
        let jobs = self.collection().classes.iter().map(|class| async move {
            let body = json!({
                "dataset_id": dataset, "class": class.name, "source": "bing",
                "phrase": class.phrase, "limit": LIMIT,
            });
            let bar = bar(&self.bars, &format!("scrape {}", class.name));
            let id = self.client.create(&["scrape-jobs"], &body).await?;
            follow(&self.client, ("scrape-jobs", &id), &bar).await
        });
        try_join_all(jobs).await
    }

    async fn clean(&self, dataset: &str) -> anyhow::Result<Value> {
        let body = json!({
            "dataset_id": dataset,
            "checks": ["undecodable", "too_small", "exact_duplicate", "near_duplicate", "tags"],
            "tags": {"tagger": "rekognition", "rule": "any_of_top_k", "k": TOP_K},
            "dry_run": false,
        });
        let bar = bar(&self.bars, "clean");
        let id = self.client.create(&["cleaning-jobs"], &body).await?;
        follow(&self.client, ("cleaning-jobs", &id), &bar).await
    }

    async fn freeze(&self, dataset: &str) -> anyhow::Result<Value> {
        let bar = bar(&self.bars, "snapshot");
        let body = json!({"test_fraction": 0.2, "seed": self.seed});
        let id = self.client.create(&["datasets", dataset, "snapshots"], &body).await?;
        follow(&self.client, ("snapshots", &id), &bar).await
    }

    async fn train(&self, snapshot: &Value) -> anyhow::Result<Value> {
        let bar = bar(&self.bars, "train");
        let pictures = snapshot["counts"]["train"].as_u64().unwrap_or(0) as usize;
        let body = json!({
            "snapshot_id": text(snapshot, "id")?,
            "seed": self.seed,
            "recipe": recipe::for_pictures(pictures, self.collection().classes.len()),
        });
        let id = self.client.create(&["training-runs"], &body).await?;
        follow(&self.client, ("training-runs", &id), &bar).await
    }

    /// One picture of each class that neither the references nor the search ever showed.
    async fn classify_held_out(&self) -> anyhow::Result<Vec<Classified>> {
        let mut answers = Vec::new();
        for class in &self.collection().classes {
            let picture = std::slice::from_ref(&class.held_out);
            let answer = self.client.send_pictures(Method::POST, &["classify"], picture).await?;
            answers.push(Classified {
                class: text(&answer, "class")?,
                probability: answer["probability"].as_f64().context("no probability")?,
                expected: class.name.clone(),
            });
        }
        Ok(answers)
    }
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let found = value[key].as_str().map(str::to_owned);
    found.with_context(|| format!("the service answered without {key}: {value}"))
}

#[cfg(test)]
mod tests;
