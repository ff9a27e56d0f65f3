//! A response's body, bounded in size, time and slowness.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{FetchError, FetchPolicy};

/// How much of a body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// A longer one is refused.
    AtMost(usize),
    /// A longer one is cut.
    CutAt(usize),
}

/// Reads the body. The caller bounds the whole time; here the speed is bounded.
pub(super) async fn read(
    mut response: Response,
    limit: Limit,
    policy: &FetchPolicy,
) -> Result<Bytes, FetchError> {
    let announced = response.content_length();
    let (Limit::AtMost(max) | Limit::CutAt(max)) = limit;
    if matches!(limit, Limit::AtMost(_)) && announced.is_some_and(|length| length > max as u64) {
        return Err(FetchError::TooLarge);
    }
    // Room by what arrives, never by what was announced.
    let mut body = BytesMut::new();
    let mut speed = Speed::new(policy);
    while let Some(chunk) = speed.watch(&mut response).await? {
        if body.len() + chunk.len() > max {
            if limit == Limit::CutAt(max) {
                body.extend_from_slice(&chunk[..max - body.len()]);
                return Ok(body.freeze());
            }
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    if announced.is_some_and(|length| length != body.len() as u64) {
        return Err(FetchError::Truncated);
    }
    Ok(body.freeze())
}

/// Bytes per window of time; fewer than the policy's minimum end the download.
struct Speed {
    window: Duration,
    needed: usize,
    ends: Instant,
    seen: usize,
}

impl Speed {
    fn new(policy: &FetchPolicy) -> Self {
        let window = policy.speed_window;
        let needed = (window.as_secs_f64() * f64::from(policy.min_speed)) as usize;
        Self { window, needed, ends: Instant::now() + window, seen: 0 }
    }

    async fn watch(&mut self, response: &mut Response) -> Result<Option<Bytes>, FetchError> {
        loop {
            let waited = timeout_at(self.ends, response.chunk()).await;
            if Instant::now() >= self.ends {
                if self.seen < self.needed && !matches!(waited, Ok(Ok(None))) {
                    return Err(FetchError::Timeout);
                }
                self.ends = Instant::now() + self.window;
                self.seen = 0;
            }
            let Ok(received) = waited else { continue };
            let chunk = received.map_err(|error| FetchError::of(&error, false))?;
            self.seen += chunk.as_ref().map_or(0, Bytes::len);
            return Ok(chunk);
        }
    }
}
