//! The public set: which URLs, names and addresses a download may reach at all.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{FetchError, FetchPolicy};

/// Longest URL, in bytes.
const MAX_URL: usize = 8 * 1024;

/// Not globally reachable (IANA special-purpose registry), multicast and reserved: base and prefix length.
const CLOSED_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Global unicast; everything outside it is closed.
const OPEN_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Closed parts of global unicast: protocol assignments (Teredo), documentation, 6to4.
const CLOSED_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The well-known NAT64 prefix (RFC 6052).
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Names that mean this machine or this network by definition (RFC 6761, RFC 9476, cloud metadata).
const CLOSED_NAMES: [&str; 4] = ["localhost", "localdomain", "internal", "local"];

/// Whether an address belongs to the public set. With `nat64`, `64:ff9b::/96` is judged by what it embeds.
pub fn is_public(address: IpAddr, nat64: bool) -> bool {
    match address {
        IpAddr::V4(v4) => !CLOSED_V4.iter().any(|&net| within_v4(v4, net)),
        IpAddr::V6(v6) if nat64 && within_v6(v6, NAT64) => {
            is_public(IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32)), false)
        }
        IpAddr::V6(v6) => {
            within_v6(v6, OPEN_V6) && !CLOSED_V6.iter().any(|&net| within_v6(v6, net))
        }
    }
}

fn within_v4(address: Ipv4Addr, (base, prefix): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ base.to_bits()).leading_zeros() >= prefix
}

fn within_v6(address: Ipv6Addr, (base, prefix): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ base.to_bits()).leading_zeros() >= prefix
}

/// A URL that passed every check that needs no network.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Without a fragment.
    pub(super) url: Url,
    /// Whether an `allow_hosts` entry lets it be private.
    pub(super) allowed: bool,
}

impl Target {
    /// Parses `text` and holds it against the policy.
    pub(super) fn parse(text: &str, policy: &FetchPolicy) -> Result<Self, FetchError> {
        let text = text.trim_matches(' ');
        if text.len() > MAX_URL || text.chars().any(char::is_control) {
            return Err(FetchError::BadUrl);
        }
        Self::check(Url::parse(text).map_err(|_| FetchError::BadUrl)?, policy)
    }

    /// Where a `Location` leads from here.
    pub(super) fn redirect(
        &self,
        location: &str,
        policy: &FetchPolicy,
    ) -> Result<Self, FetchError> {
        if location.is_empty() || location.len() > MAX_URL {
            return Err(FetchError::Redirect);
        }
        let next = self.url.join(location).map_err(|_| FetchError::Redirect)?;
        Self::check(next, policy)
    }

    fn check(mut url: Url, policy: &FetchPolicy) -> Result<Self, FetchError> {
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::BadUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Userinfo);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(FetchError::BadUrl);
        };
        let allowed =
            policy.allow_hosts.iter().any(|entry| entry.host == host && entry.port == port);
        if !allowed {
            check_host(&url, policy)?;
            if !matches!(port, 80 | 443) && !policy.extra_ports.contains(&port) {
                return Err(FetchError::Port(port));
            }
        }
        Ok(Self { url, allowed })
    }

    /// The host as politeness counts it: the name alone on the two usual ports.
    pub(super) fn host(&self) -> String {
        let name = self.url.host_str().unwrap_or_default().trim_end_matches('.');
        match self.url.port_or_known_default() {
            Some(port) if !matches!(port, 80 | 443) => format!("{name}:{port}"),
            _ => name.to_owned(),
        }
    }
}

/// The literal check: the resolver is never asked for a host that is an address.
fn check_host(url: &Url, policy: &FetchPolicy) -> Result<(), FetchError> {
    let own = url.host_str().unwrap_or_default().trim_end_matches('.');
    let own = policy.deny_hosts.iter().any(|deny| deny.eq_ignore_ascii_case(own));
    let closed = match url.host() {
        None => return Err(FetchError::BadUrl),
        Some(_) if own => true,
        Some(Host::Ipv4(v4)) => !is_public(v4.into(), policy.nat64),
        Some(Host::Ipv6(v6)) => !is_public(v6.into(), policy.nat64),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.is_empty() || CLOSED_NAMES.contains(&name.rsplit('.').next().unwrap_or(name))
        }
    };
    if closed {
        Err(FetchError::Ssrf(url.host_str().unwrap_or_default().to_owned()))
    } else {
        Ok(())
    }
}

/// How names become addresses; production asks the system.
pub trait Lookup: Send + Sync {
    /// All addresses of `name`.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.map(|found| found.ip()).collect())
        })
    }
}

/// A name with an address outside the public set: the whole name is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a public address")]
pub(super) struct Blocked(pub(super) String);

/// The resolver of the HTTP client: what it returns is what is dialled, so a second answer cannot differ.
pub(super) struct Filter {
    pub(super) lookup: Arc<dyn Lookup>,
    /// Names of `allow_hosts` go through unfiltered; the client that uses this serves nothing else.
    pub(super) unfiltered: bool,
    pub(super) nat64: bool,
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.lookup.lookup(name.as_str().to_owned());
        let (unfiltered, nat64) = (self.unfiltered, self.nat64);
        Box::pin(async move {
            let found = answer.await?;
            let closed = found.iter().find(|address| !is_public(**address, nat64));
            if let Some(address) = closed.filter(|_| !unfiltered) {
                return Err(Blocked(format!("{} ({address})", name.as_str())).into());
            }
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
