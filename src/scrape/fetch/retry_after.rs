//! `Retry-After`, as a wait that neither hammers a host nor gives up on it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Shortest and longest wait that a host can ask for.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));

/// The wait asked for, within 1 s and 10 min; `None` without the header or if it cannot be read.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match value.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => (DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).num_seconds() as f64,
    };
    let (least, most) = BOUNDS;
    // `clamp` keeps a NaN; `max` and `min` do not.
    let seconds = seconds.max(least.as_secs_f64()).min(most.as_secs_f64());
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_clamped_or_ignored() {
        let now = DateTime::parse_from_rfc2822("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().to_utc();
        let cases = [
            ("0", Some(1)),
            ("-1", Some(1)),
            ("7", Some(7)),
            ("1e9", Some(600)),
            ("inf", Some(600)),
            ("NaN", Some(1)),
            ("99999999999999999999", Some(600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Sat, 06 Nov 2094 08:00:00 GMT", Some(600)),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
    }
}
