//! What a download may do: where to, how much, how long, how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The product token that robots.txt and `X-Robots-Tag` address us by.
pub const ROBOTS_AGENT: &str = "shipshape";

/// The rules of every download; `Default` is what production starts from.
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    /// Sent with every request; see [`user_agent`].
    pub user_agent: String,
    /// Let through although private or on another port; every other rule still holds.
    pub allow_hosts: Vec<HostPort>,
    /// Hosts never fetched from: the database's, the blob store's, the tagger's.
    pub deny_hosts: Vec<String>,
    /// Ports besides 80 and 443.
    pub extra_ports: Vec<u16>,
    /// Judge `64:ff9b::/96` by the IPv4 address inside it; for networks that reach IPv4 by DNS64.
    pub nat64: bool,
    /// Longest body, in bytes.
    pub max_bytes: usize,
    /// Redirects followed before giving up.
    pub max_redirects: u8,
    /// Time for TCP and TLS.
    pub connect_timeout: Duration,
    /// Time from the request to the end of the response's head, connecting included.
    pub first_byte_timeout: Duration,
    /// Time for the whole download, all redirects included, waiting for politeness excluded.
    pub total_timeout: Duration,
    /// Slowest body, in bytes per second, averaged over `speed_window`.
    pub min_speed: u32,
    /// Over which the speed is averaged.
    pub speed_window: Duration,
    /// Whether robots.txt and `X-Robots-Tag` are obeyed.
    pub robots: bool,
    /// Requests per second to one host.
    pub host_rate: f64,
    /// Requests at once to one host, within this process.
    pub host_concurrency: usize,
    /// Longest wait for a host's turn; beyond it the fetch ends `failed:host_busy`, to be tried later.
    pub patience: Duration,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            user_agent: user_agent(None),
            allow_hosts: Vec::new(),
            deny_hosts: Vec::new(),
            extra_ports: Vec::new(),
            nat64: false,
            max_bytes: 20 << 20,
            max_redirects: 5,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            min_speed: 1024,
            speed_window: Duration::from_secs(10),
            robots: true,
            host_rate: 5.0,
            host_concurrency: 2,
            patience: Duration::from_mins(1),
        }
    }
}

impl FetchPolicy {
    /// Time between two requests to one host.
    pub(super) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.host_rate).unwrap_or(Duration::ZERO)
    }
}

/// The User-Agent of shipshape, with where to complain.
pub fn user_agent(contact: Option<&str>) -> String {
    let product = concat!("shipshape/", env!("CARGO_PKG_VERSION"));
    contact.map_or_else(|| product.to_owned(), |contact| format!("{product} (+{contact})"))
}

/// A host and a port, written `host:port`; the host as the URL parser spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Lower case, without a trailing dot's removal; IPv6 in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text
            .trim()
            .rsplit_once(':')
            .ok_or_else(|| anyhow::anyhow!("`{text}` is not host:port"))?;
        Ok(Self { host: url::Host::parse(host)?.to_string(), port: port.parse()? })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
