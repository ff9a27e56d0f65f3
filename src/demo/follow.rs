//! Follows a job by asking for it, with a progress bar, until it has ended.

use std::time::Duration;

use anyhow::bail;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::client::Client;

const PAUSE: Duration = Duration::from_millis(250);

/// A bar for one job, under the other bars.
pub(super) fn bar(bars: &MultiProgress, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>26} {bar:32} {pos:>6}/{len:<6} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bars.add(ProgressBar::new(0).with_style(style));
    bar.set_prefix(what.to_owned());
    bar
}

/// The job at `/{kind}/{id}` once it has succeeded.
///
/// # Errors
/// It failed or was cancelled; the message says what the service said.
pub(super) async fn follow(
    client: &Client,
    (kind, id): (&str, &str),
    bar: &ProgressBar,
) -> anyhow::Result<Value> {
    loop {
        let job = client.get(&[kind, id]).await?;
        if let Some(total) = job["progress"]["total"].as_u64() {
            bar.set_length(total);
        }
        bar.set_position(job["progress"]["done"].as_u64().unwrap_or(0));
        let status = job["status"].as_str().unwrap_or_default();
        match status {
            "succeeded" => {
                bar.finish_with_message("done");
                return Ok(job);
            }
            "failed" | "cancelled" => {
                bar.abandon_with_message(status.to_owned());
                bail!("{kind}/{id} is {status}: {}", reason(&job));
            }
            _ => bar.set_message(status.to_owned()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn reason(job: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let code = job.get("error_code").filter(|code| !code.is_null()).map(text);
    let error = job.get("error").filter(|error| !error.is_null()).map(text);
    match (code, error) {
        (Some(code), Some(error)) => format!("{error} ({code})"),
        (None, Some(either)) | (Some(either), None) => either,
        (None, None) => "the service gives no reason".to_owned(),
    }
}
