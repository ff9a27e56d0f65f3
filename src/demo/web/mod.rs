//! The sample web: a loopback internet with search pages, image hosts good and bad, and a tagger's stand-in.

mod hosts;
pub(super) mod listing;
mod planted;
mod rekognition;
mod search;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::collection::Collection;
use super::labels::Label;
use listing::{BAD_HOST, GOOD_HOSTS, Listing};

/// The tag rule's k, of the service's request and of the truth list alike.
pub(super) const TOP_K: usize = 4;

/// What every server of the sample web sees.
type Shared = Arc<Inner>;

#[derive(Debug)]
struct Inner {
    listing: Listing,
    label_model_version: String,
    /// `address:port` of each image host.
    hosts: Vec<String>,
    sketches: OnceLock<rekognition::Sketches>,
    tagger_calls: AtomicU64,
    throttled: AtomicU64,
}

impl Inner {
    /// By digest; else by looks, for a picture that was encoded again; else none.
    fn labels_of(&self, bytes: &[u8]) -> Vec<Label> {
        let exact = self.listing.picture(&rekognition::digest(bytes));
        let picture = exact.or_else(|| {
            let sketches = self.sketches.get_or_init(|| {
                let all = self.listing.pictures();
                rekognition::Sketches::of(all.map(|p| (&p.bytes[..], p.sha256.as_str())))
            });
            self.listing.picture(sketches.nearest(bytes)?)
        });
        picture.map(|picture| picture.labels.clone()).unwrap_or_default()
    }
}

/// A running sample web; its servers end when it is dropped.
#[derive(Debug)]
pub struct SampleWeb {
    collection: Collection,
    shared: Shared,
    search: String,
    tagger: String,
    servers: Vec<JoinHandle<()>>,
}

impl SampleWeb {
    /// Starts all servers on free loopback ports.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(collection: Collection, seed: u64) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..=GOOD_HOSTS {
            listeners.push(bound().await?);
        }
        let shared = Arc::new(Inner {
            listing: Listing::new(&collection, TOP_K, seed),
            label_model_version: collection.label_model_version.clone(),
            hosts: listeners.iter().map(|(_, address)| address.clone()).collect(),
            sketches: OnceLock::new(),
            tagger_calls: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        });
        let mut servers = Vec::new();
        for (host, (listener, _)) in listeners.into_iter().enumerate() {
            servers.push(serve(listener, hosts::routes(shared.clone(), host)));
        }
        let (listener, search) = bound().await?;
        servers.push(serve(listener, search::routes(shared.clone())));
        let (listener, tagger) = bound().await?;
        servers.push(serve(listener, rekognition::routes(shared.clone())));
        Ok(Self { collection, shared, search, tagger, servers })
    }

    /// Base URL of the search, for `SHIPSHAPE_BING_URL`.
    pub fn bing_url(&self) -> String {
        format!("http://{}", self.search)
    }

    /// Endpoint of the stand-in, for `AWS_ENDPOINT_URL_REKOGNITION`; any key will do.
    pub fn rekognition_url(&self) -> String {
        format!("http://{}", self.tagger)
    }

    /// `host:port` of all servers, for `SHIPSHAPE_ALLOW_HOSTS`.
    pub fn allow_hosts(&self) -> Vec<String> {
        self.shared.hosts.iter().chain([&self.search, &self.tagger]).cloned().collect()
    }

    /// The pictures behind it.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// What it shows, and the truth about that.
    pub fn listing(&self) -> &Listing {
        &self.shared.listing
    }

    /// Calls of the stand-in so far, and how many of them it throttled.
    pub fn tagger_calls(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.shared.tagger_calls), read(&self.shared.throttled))
    }
}

impl Drop for SampleWeb {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

async fn bound() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free loopback port")?;
    let address = listener.local_addr().context("a bound socket has an address")?;
    Ok((listener, address.to_string()))
}

fn serve(listener: TcpListener, routes: Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "a server of the sample web ended");
        }
    })
}

#[cfg(test)]
mod tests;
