//! robots.txt per host, and the headers that say the same of one picture (RFC 9309, `X-Robots-Tag`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use texting_robots::Robot;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::FetchError;
use super::policy::ROBOTS_AGENT;

/// What is read of a robots.txt, in bytes: RFC 9309 asks for at least this.
pub(super) const MAX_ROBOTS: usize = 500 * 1024;
/// Rules with `$` compile to a regular expression each; the text is cut before the next one.
const MAX_ANCHORS: usize = 1000;
/// How long an answer counts; RFC 9309 allows a day.
const FRESH: Duration = Duration::from_hours(1);
/// How long a host without a robots.txt answer is left alone.
const UNREACHABLE: Duration = Duration::from_mins(1);
/// A longer crawl delay is taken as this.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// Estimated memory of all cached rules, in bytes.
const MAX_CACHE: usize = 64 << 20;
/// Hosts that are remembered.
const MAX_HOSTS: usize = 4096;

/// What one host's robots.txt says.
#[derive(Clone)]
enum Rules {
    Open,
    Parsed(Arc<Robot>),
    Unreachable(FetchError),
}

#[derive(Clone)]
struct Known {
    rules: Rules,
    until: Instant,
}

/// One host; the lock lets the first comer ask and the others wait for its answer.
#[derive(Default)]
struct Entry {
    known: Arc<AsyncMutex<Option<Known>>>,
    weight: usize,
    used: u64,
}

#[derive(Default)]
struct Entries {
    hosts: HashMap<String, Entry>,
    weight: usize,
    clock: u64,
}

/// The robots.txt of the hosts met lately.
#[derive(Default)]
pub(super) struct RobotsCache {
    entries: Mutex<Entries>,
}

impl RobotsCache {
    /// Whether `url` of `origin` may be fetched, and the crawl delay asked for. `ask` fetches the text if it is
    /// not known: none (4xx, or a redirect that leads nowhere) means allowed; unreachable (5xx, 429, network)
    /// means disallowed for now, as RFC 9309 2.3.1 says.
    pub(super) async fn check<F>(
        &self,
        origin: &str,
        url: &str,
        ask: F,
    ) -> Result<Option<Duration>, FetchError>
    where
        F: Future<Output = Result<Bytes, FetchError>>,
    {
        let slot = self.entry(origin);
        let mut known = slot.lock().await;
        let rules = match &*known {
            Some(fresh) if fresh.until > Instant::now() => fresh.rules.clone(),
            _ => {
                let (rules, weight) = learn(ask.await).await;
                let unreachable = matches!(rules, Rules::Unreachable(_));
                let until = Instant::now() + if unreachable { UNREACHABLE } else { FRESH };
                *known = Some(Known { rules: rules.clone(), until });
                self.weigh(origin, weight);
                rules
            }
        };
        drop(known);
        match rules {
            Rules::Open => Ok(None),
            Rules::Unreachable(error) => Err(error),
            Rules::Parsed(robot) if robot.allowed(url) => Ok(delay(&robot)),
            Rules::Parsed(_) => Err(FetchError::Robots),
        }
    }

    fn entry(&self, origin: &str) -> Arc<AsyncMutex<Option<Known>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.hosts.len() >= MAX_HOSTS || entries.weight > MAX_CACHE {
            entries.forget_half();
        }
        entries.clock += 1;
        let clock = entries.clock;
        let entry = entries.hosts.entry(origin.to_owned()).or_default();
        entry.used = clock;
        Arc::clone(&entry.known)
    }

    fn weigh(&self, origin: &str, weight: usize) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        if let Some(entry) = entries.hosts.get_mut(origin) {
            entries.weight = entries.weight + weight - entry.weight;
            entry.weight = weight;
        }
    }
}

impl Entries {
    /// Drops the half used longest ago; who still waits on one keeps it alive.
    fn forget_half(&mut self) {
        let mut used: Vec<u64> = self.hosts.values().map(|entry| entry.used).collect();
        let middle = used.len() / 2;
        let (_, &mut median, _) = used.select_nth_unstable(middle);
        self.hosts.retain(|_, entry| entry.used > median);
        self.weight = self.hosts.values().map(|entry| entry.weight).sum();
    }
}

fn delay(robot: &Robot) -> Option<Duration> {
    let seconds = robot.delay?;
    Some(Duration::try_from_secs_f32(seconds).unwrap_or_default().min(MAX_DELAY))
}

/// From the answer to the rules and what they weigh in memory.
async fn learn(answer: Result<Bytes, FetchError>) -> (Rules, usize) {
    let text = match answer {
        Ok(text) => text,
        Err(error) if unreachable(&error) => {
            let retry_after = error.retry_after().unwrap_or(UNREACHABLE);
            return (Rules::Unreachable(FetchError::RobotsUnreachable { retry_after }), 1024);
        }
        Err(_) => return (Rules::Open, 1024),
    };
    let (text, anchors) = cut(&text);
    let weight = 1024 + 3 * text.len() + 20 * 1024 * anchors;
    let parsed = tokio::task::spawn_blocking(move || Robot::new(ROBOTS_AGENT, &text)).await;
    match parsed {
        Ok(Ok(robot)) => (Rules::Parsed(Arc::new(robot)), weight),
        // Unreadable for the parser: as good as none.
        _ => (Rules::Open, 1024),
    }
}

fn unreachable(error: &FetchError) -> bool {
    match error {
        FetchError::Http { status, .. } => *status >= 500 || *status == 429,
        FetchError::Timeout
        | FetchError::Truncated
        | FetchError::Tls
        | FetchError::Dns
        | FetchError::Connect
        | FetchError::Protocol
        | FetchError::HostBusy { .. } => true,
        _ => false,
    }
}

/// The text up to the line of the first anchor too many, and how many anchors it has.
fn cut(text: &Bytes) -> (Bytes, usize) {
    let anchors = || text.iter().enumerate().filter(|(_, byte)| **byte == b'$').map(|(at, _)| at);
    match anchors().nth(MAX_ANCHORS) {
        None => (text.clone(), anchors().count()),
        Some(end) => {
            let line = text[..end].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            (text.slice(..line), MAX_ANCHORS)
        }
    }
}

/// Whether `X-Robots-Tag` asks not to be learnt from: `noai` or `noimageai`, said to everyone or to us. `noindex`
/// and its kin speak to search indexes, which this is not.
pub(super) fn forbids_learning(headers: &HeaderMap) -> bool {
    headers.get_all("x-robots-tag").iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let mut for_us = true;
        value.split(',').any(|directive| {
            let directive = match directive.split_once(':') {
                Some((agent, rest)) => {
                    for_us = agent.trim().eq_ignore_ascii_case(ROBOTS_AGENT);
                    rest
                }
                None => directive,
            };
            let directive = directive.trim().to_ascii_lowercase();
            for_us && matches!(directive.as_str(), "noai" | "noimageai")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_about_learning_and_meant_for_us_count() {
        let cases = [
            ("noai", true),
            ("NoImageAI", true),
            ("noindex, noai", true),
            ("shipshape: noai", true),
            ("googlebot: noindex, shipshape: noimageai", true),
            ("otherbot: noai", false),
            ("otherbot: noindex, noai", false),
            ("noindex", false),
            ("max-image-preview:large", false),
            ("unavailable_after: 25 Jun 2030 15:00:00 PST", false),
            ("", false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("x-robots-tag", value.parse().unwrap());
            assert_eq!(forbids_learning(&headers), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn a_hostile_text_costs_little_and_many_hosts_are_forgotten() {
        let line = "Disallow: /*a*b*c$\n";
        let text = Bytes::from(format!("User-agent: *\n{}", line.repeat(MAX_ROBOTS / line.len())));
        let cache = RobotsCache::default();
        let begun = Instant::now();
        let verdict = cache.check("http://evil", "http://evil/x", async { Ok(text) }).await;
        assert_eq!(verdict, Ok(None));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        for n in 0..10_000 {
            let url = format!("http://h{n}/x");
            cache.check(&format!("http://h{n}"), &url, async { Ok(Bytes::new()) }).await.unwrap();
        }
        let entries = cache.entries.lock().unwrap();
        assert!(entries.hosts.len() <= MAX_HOSTS);
        assert!(entries.weight <= MAX_CACHE);
    }

    #[tokio::test]
    async fn concurrent_comers_ask_once() {
        let cache = RobotsCache::default();
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let checks = (0..16).map(|_| {
            cache.check("http://h", "http://h/private/x", async {
                asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Bytes::from_static(b"User-agent: *\nDisallow: /private\nCrawl-delay: 3"))
            })
        });
        let verdicts = futures::future::join_all(checks).await;
        assert!(verdicts.iter().all(|verdict| *verdict == Err(FetchError::Robots)));
        assert_eq!(asked.into_inner(), 1);
        let open = cache.check("http://h", "http://h/x", async { unreachable!() }).await;
        assert_eq!(open, Ok(Some(Duration::from_secs(3))));
    }
}
