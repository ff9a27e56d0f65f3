//! Why a download gave no bytes, as the outcome that its candidate gets.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::time::Duration;

use super::guard::Blocked;
use crate::scrape::OutcomeKind;

/// Why a download gave no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, not http(s), too long, or with control characters.
    #[error("not an http or https URL")]
    BadUrl,
    /// A user name or password in the URL.
    #[error("the URL carries a user name or a password")]
    Userinfo,
    /// A port that is not fetched from.
    #[error("port {0} is not fetched from")]
    Port(u16),
    /// A name or an address that is not public.
    #[error("{0} is not a public address")]
    Ssrf(String),
    /// A body above the limit, announced or sent.
    #[error("the body is larger than the limit")]
    TooLarge,
    /// A compressed body although none was asked for.
    #[error("the body is encoded as `{0}`")]
    Encoding(String),
    /// Too slow: connecting, answering, sending, or all together.
    #[error("too slow")]
    Timeout,
    /// The answer ended before its announced length.
    #[error("the answer ended early")]
    Truncated,
    /// A good answer without a body.
    #[error("the answer has no body")]
    Empty,
    /// A status other than 200.
    #[error("HTTP status {status}")]
    Http {
        /// The status.
        status: u16,
        /// What the host asks for, within 1 s and 10 min.
        retry_after: Option<Duration>,
    },
    /// A redirect that leads nowhere, in a circle, or too far.
    #[error("a redirect that cannot be followed")]
    Redirect,
    /// No trust: certificate, name, version or handshake.
    #[error("TLS failed")]
    Tls,
    /// The name has no address.
    #[error("the name cannot be resolved")]
    Dns,
    /// No connection.
    #[error("no connection")]
    Connect,
    /// An answer that is not HTTP, or whose head is too large.
    #[error("not a valid HTTP answer")]
    Protocol,
    /// robots.txt or `X-Robots-Tag` asks to leave it alone.
    #[error("the host asks robots to leave it alone")]
    Robots,
    /// robots.txt cannot be had right now, so nothing may be fetched right now (RFC 9309, 2.3.1.4).
    #[error("the host's robots.txt cannot be had right now")]
    RobotsUnreachable {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The host's turn is too far away.
    #[error("the host's turn is {} s away", retry_after.as_secs())]
    HostBusy {
        /// When the turn comes.
        retry_after: Duration,
    },
}

impl FetchError {
    /// The candidate's outcome and its code, as in `rejected:ssrf`.
    pub fn outcome(&self) -> (OutcomeKind, Cow<'static, str>) {
        use OutcomeKind::{Failed, Rejected, Skipped};
        let (kind, code) = match self {
            Self::BadUrl => (Rejected, "bad_url"),
            Self::Userinfo => (Rejected, "userinfo"),
            Self::Port(_) => (Rejected, "port"),
            Self::Ssrf(_) => (Rejected, "ssrf"),
            Self::TooLarge => (Rejected, "too_large"),
            Self::Encoding(_) => (Rejected, "encoding"),
            Self::Timeout => (Failed, "timeout"),
            Self::Truncated => (Failed, "truncated"),
            Self::Empty => (Failed, "empty"),
            Self::Http { status, .. } => return (Failed, format!("http_{status}").into()),
            Self::Redirect => (Failed, "redirect"),
            Self::Tls => (Failed, "tls"),
            Self::Dns => (Failed, "dns"),
            Self::Connect => (Failed, "connect"),
            Self::Protocol => (Failed, "protocol"),
            Self::Robots => (Skipped, "robots"),
            Self::RobotsUnreachable { .. } => (Failed, "robots_unreachable"),
            Self::HostBusy { .. } => (Failed, "host_busy"),
        };
        (kind, code.into())
    }

    /// Whether the same URL may well work later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Timeout
            | Self::Truncated
            | Self::Dns
            | Self::Connect
            | Self::RobotsUnreachable { .. }
            | Self::HostBusy { .. } => true,
            Self::Http { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=530)
            }
            _ => false,
        }
    }

    /// How long to wait before a retry, where the host or our own politeness says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            Self::RobotsUnreachable { retry_after } | Self::HostBusy { retry_after } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// Whether waiting for it is only politeness: such a wait is no failed attempt.
    pub fn is_throttle(&self) -> bool {
        matches!(
            self,
            Self::HostBusy { .. }
                | Self::RobotsUnreachable { .. }
                | Self::Http { status: 429, .. }
                | Self::Http { status: 503, retry_after: Some(_) }
        )
    }

    /// What an error of the HTTP client means; `https` tells a failed handshake from a failed connection.
    pub(super) fn of(error: &reqwest::Error, https: bool) -> Self {
        if let Some(blocked) = find::<Blocked>(error) {
            return Self::Ssrf(blocked.0.clone());
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_dns() {
            return Self::Dns;
        }
        if error.is_connect() {
            let tcp = chain(error).any(|cause| cause.to_string().starts_with("tcp "));
            return if https && !tcp { Self::Tls } else { Self::Connect };
        }
        let broken = find::<io::Error>(error).is_some_and(|cause| {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            matches!(cause.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
        });
        if broken || find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message) {
            return Self::Truncated;
        }
        Self::Protocol
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref::<E>())
}
