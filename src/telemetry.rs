//! Logs on standard error and Prometheus metrics.

use std::io::{IsTerminal as _, stderr};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging; `RUST_LOG` chooses what, without it everything from `level` on, but for libraries that talk more:
/// AWS's would warn at each start that this machine is none of Amazon's.
pub fn log(json: bool, level: &str) {
    let default = format!("{level},sqlx=warn,aws_config=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    let builder = builder.with_ansi(stderr().is_terminal());
    // A second start (a test, say) keeps the first subscriber.
    let started = if json { builder.json().try_init() } else { builder.try_init() };
    if let Err(error) = started {
        tracing::debug!(error, "logging had started before");
    }
}

/// Installs the metrics recorder; the handle renders `/metrics`.
pub fn metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // A second start keeps the first recorder; its handle then renders nothing, which only a test sees.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("a metrics recorder had been installed before");
    }
    handle
}
