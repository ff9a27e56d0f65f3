//! One polite, bounded download that reaches nothing but the public internet.

mod body;
mod error;
mod guard;
mod policy;
mod politeness;
pub(crate) mod retry_after;
mod robots;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures::future::BoxFuture;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    TRANSFER_ENCODING,
};
use reqwest::{Client, Response, redirect};
use tokio::time::{Instant, timeout};
use url::Url;

use body::Limit;
pub use error::FetchError;
use guard::{Filter, Target};
pub use guard::{Lookup, SystemLookup, is_public};
pub use policy::{FetchPolicy, HostPort, ROBOTS_AGENT, user_agent};
pub use politeness::{Ask, LocalPace, Pace, Permit, Politeness, Slot};
use retry_after::retry_after;
use robots::RobotsCache;

/// Longest head of a response, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// Most header lines of a response.
const MAX_HEADERS: usize = 100;
/// A host that says 429 without saying for how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);

/// A complete body and where it came from in the end.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The body, never encoded, never truncated.
    pub bytes: Bytes,
    /// The URL after all redirects.
    pub final_url: Url,
    /// Always 200 for a picture.
    pub status: u16,
    /// As the host says; the bytes alone decide what it is.
    pub content_type: Option<String>,
}

/// Downloads pictures under a [`FetchPolicy`]. Cheap to share; one per process.
pub struct Fetcher {
    policy: FetchPolicy,
    /// For public hosts: its resolver refuses names with a private address.
    public: Client,
    /// For `allow_hosts` alone.
    allowed: Client,
    politeness: Politeness,
    robots: RobotsCache,
}

/// What one request led to.
enum Hop {
    Done(Fetched),
    Redirect(Target),
}

impl Fetcher {
    /// With the system's resolver and a clock of this process's own.
    pub fn new(policy: FetchPolicy) -> anyhow::Result<Self> {
        Self::with(policy, Arc::new(SystemLookup), Arc::new(LocalPace::default()))
    }

    /// With another resolver or another clock, as one shared by several processes.
    #[expect(clippy::needless_pass_by_value, reason = "both are kept")]
    pub fn with(
        policy: FetchPolicy,
        lookup: Arc<dyn Lookup>,
        pace: Arc<dyn Pace>,
    ) -> anyhow::Result<Self> {
        let nat64 = policy.nat64;
        let filter = |unfiltered| Filter { lookup: Arc::clone(&lookup), unfiltered, nat64 };
        Ok(Self {
            public: client(&policy, filter(false))?,
            allowed: client(&policy, filter(true))?,
            politeness: Politeness::new(pace, policy.host_concurrency, policy.patience),
            robots: RobotsCache::default(),
            policy,
        })
    }

    /// Downloads `url`: waits for the host's turn, follows redirects, and returns the whole body or why not.
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let target = Target::parse(url, &self.policy);
        let limit = Limit::AtMost(self.policy.max_bytes);
        let fetched = match target {
            Ok(target) => self.follow(target, limit, self.policy.robots).await,
            Err(error) => Err(error),
        };
        if let Err(FetchError::Ssrf(reached)) = &fetched {
            tracing::warn!(%reached, "a download was refused: not a public address");
        }
        fetched
    }

    /// Boxed because a robots.txt is fetched by the same steps.
    fn follow(
        &self,
        mut target: Target,
        limit: Limit,
        robots: bool,
    ) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            let mut left = self.policy.total_timeout;
            for _ in 0..=self.policy.max_redirects {
                let delay = if robots { self.ask_robots(&target).await? } else { None };
                let interval = self.policy.interval().max(delay.unwrap_or_default());
                let permit = self.politeness.acquire(&target.host(), interval).await?;
                let begun = Instant::now();
                let hop = timeout(left, self.request(&target, limit, robots)).await;
                drop(permit);
                left = left.saturating_sub(begun.elapsed());
                match hop.unwrap_or(Err(FetchError::Timeout))? {
                    Hop::Done(fetched) => return Ok(fetched),
                    Hop::Redirect(next) => target = next,
                }
            }
            Err(FetchError::Redirect)
        })
    }

    async fn ask_robots(&self, target: &Target) -> Result<Option<Duration>, FetchError> {
        let origin = target.url.origin().ascii_serialization();
        let ask = async {
            let url = target.url.join("/robots.txt").map_err(|_| FetchError::BadUrl)?;
            let place = Target { url, allowed: target.allowed };
            Ok(self.follow(place, Limit::CutAt(robots::MAX_ROBOTS), false).await?.bytes)
        };
        self.robots.check(&origin, target.url.as_str(), ask).await
    }

    async fn request(
        &self,
        target: &Target,
        limit: Limit,
        robots: bool,
    ) -> Result<Hop, FetchError> {
        let client = if target.allowed { &self.allowed } else { &self.public };
        let https = target.url.scheme() == "https";
        let response =
            timeout(self.policy.first_byte_timeout, client.get(target.url.clone()).send())
                .await
                .map_err(|_| FetchError::Timeout)?
                .map_err(|error| FetchError::of(&error, https))?;
        self.check_peer(target, &response)?;
        check_head(response.headers())?;
        let status = response.status().as_u16();
        match status {
            200 if robots && robots::forbids_learning(response.headers()) => {
                Err(FetchError::Robots)
            }
            200 => self.finish(response, limit).await.map(Hop::Done),
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get(LOCATION).ok_or(FetchError::Redirect)?;
                let location =
                    std::str::from_utf8(location.as_bytes()).map_err(|_| FetchError::Redirect)?;
                target.redirect(location, &self.policy).map(Hop::Redirect)
            }
            300 => Err(FetchError::Redirect),
            _ => Err(self.refused(target, &response).await),
        }
    }

    /// The third check: what was really dialled.
    fn check_peer(&self, target: &Target, response: &Response) -> Result<(), FetchError> {
        match response.remote_addr() {
            _ if target.allowed => Ok(()),
            Some(peer) if is_public(peer.ip(), self.policy.nat64) => Ok(()),
            peer => Err(FetchError::Ssrf(format!("{} ({peer:?})", target.host()))),
        }
    }

    async fn finish(&self, response: Response, limit: Limit) -> Result<Fetched, FetchError> {
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type =
            content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (final_url, status) = (response.url().clone(), response.status().as_u16());
        let bytes = body::read(response, limit, &self.policy).await?;
        if bytes.is_empty() && matches!(limit, Limit::AtMost(_)) {
            return Err(FetchError::Empty);
        }
        Ok(Fetched { bytes, final_url, status, content_type })
    }

    /// A status that gives no body; the host is left alone for as long as it asks.
    async fn refused(&self, target: &Target, response: &Response) -> FetchError {
        let status = response.status().as_u16();
        let asked = retry_after(response.headers(), Utc::now());
        let retry_after = match status {
            429 => asked.or(Some(DEFAULT_PAUSE)),
            503 => asked,
            _ => None,
        };
        if let Some(pause) = retry_after {
            self.politeness.back_off(&target.host(), pause).await;
        }
        FetchError::Http { status, retry_after }
    }
}

/// Size and encoding of a body as the head announces them.
fn check_head(headers: &HeaderMap) -> Result<(), FetchError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > MAX_HEAD || headers.len() > MAX_HEADERS {
        return Err(FetchError::Protocol);
    }
    let codings = [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")];
    for (name, plain) in codings {
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            let mut tokens = value.split(',').map(str::trim);
            if !tokens.all(|token| token.is_empty() || token.eq_ignore_ascii_case(plain)) {
                return Err(FetchError::Encoding(value.into_owned()));
            }
        }
    }
    Ok(())
}

/// No proxy, since a proxy would be the address that is checked; no cookies, no Referer, no redirects of its own.
fn client(policy: &FetchPolicy, filter: Filter) -> anyhow::Result<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("image/*, */*;q=0.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(Client::builder()
        .user_agent(&policy.user_agent)
        .default_headers(headers)
        .no_proxy()
        .no_gzip()
        .referer(false)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(policy.connect_timeout)
        .dns_resolver(Arc::new(filter))
        .http1_max_headers(MAX_HEADERS)
        .http2_max_header_list_size(MAX_HEAD as u32)
        // Few and short: ten thousand hosts must not hold ten thousand sockets.
        .pool_max_idle_per_host(policy.host_concurrency)
        .pool_idle_timeout(Duration::from_secs(3))
        .build()?)
}
