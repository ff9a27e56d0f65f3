//! Every vector is text that goes through the production parser; none is built from bytes.

use super::*;

fn verdict(text: &str) -> String {
    match Target::parse(text, &FetchPolicy::default()) {
        Ok(target) => format!("open {}", target.url.host_str().unwrap()),
        Err(error) => error.outcome().1.into_owned(),
    }
}

#[test]
fn no_spelling_of_a_closed_address_passes() {
    let hosts = "127.0.0.1 127.0.0.100 127.255.255.254 localhost localhost:80 localhost. foo.localhost \
        localdomain x.localdomain 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 0 0.0.0.0 １２７.０.０.１ \
        ⑯⑨。②⑤④。⑯⑨。②⑤④ 169。254。169。254 ⓛocalhost 0251.0376.0251.0376 2852039166 [::1] [::] \
        [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:169.254.169.254] [::127.0.0.1] [::10.0.0.1] \
        [2002:7f00:1::] [2002:c0a8:101::] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] \
        [64:ff9b::100.64.0.1] [64:ff9b::8.8.8.8] [64:ff9b:1:a00:0:100::] [2001:0:0:0:0:0:f5ff:fffe] \
        [2001:db8::5efe:10.0.0.1] [2001:db8::200:5efe:c0a8:101] [fc00::1] [fd00:ec2::254] [fe80::1] \
        [fec0::1] [ff02::1] [100::1] [5f00::1] [3fff::1] [4000::1] 10.0.0.1 192.168.0.1 172.16.0.1 \
        172.31.255.255 169.254.169.254 169.254.170.2 metadata.google.internal 100.100.100.200 \
        100.64.0.0 100.127.255.255 255.255.255.255 224.0.0.1 239.255.255.255 240.0.0.0 198.18.0.1 \
        198.19.255.255 192.0.0.192 192.0.2.1 192.88.99.1 198.51.100.1 203.0.113.1 0.1.2.3 printer.local";
    for host in hosts.split_whitespace() {
        assert_eq!(verdict(&format!("http://{host}/x.png")), "ssrf", "{host}");
        assert_eq!(verdict(&format!("https://{host}/latest/meta-data/")), "ssrf", "{host}");
    }
    for second in 16..32 {
        assert_eq!(verdict(&format!("http://172.{second}.0.1/")), "ssrf");
    }
    for text in
        ["http:///127.0.0.1/", "http:127.0.0.1/", "http:\\\\127.0.0.1\\", " http://127.0.0.1/"]
    {
        assert_eq!(verdict(text), "ssrf", "{text}");
    }
}

#[test]
fn the_edges_of_closed_ranges_are_open() {
    for host in
        "172.15.255.255 172.32.0.0 100.63.255.255 100.128.0.0 8.8.8.8 11.0.0.0 9.255.255.255 \
        126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.0 192.0.1.1 198.17.255.255 198.20.0.0 \
        223.255.255.255 1.0.0.0 [2606:4700::1111] [2001:4860:4860::8888] [2a00:1450::1] example.com"
            .split_whitespace()
    {
        assert_eq!(verdict(&format!("https://{host}/")), format!("open {host}"));
    }
}

#[test]
fn every_other_rule_has_its_own_code() {
    let long = format!("http://example.com/{}", "x".repeat(8 * 1024));
    let cases = [
        ("http://user:pass@example.com/x.png", "userinfo"),
        ("http://user@example.com/", "userinfo"),
        ("http://1.1.1.1&@127.0.0.1/", "userinfo"),
        ("http://169.254.169.254:80@example.com/", "userinfo"),
        ("http://127.0.0.1%2f@example.com/", "userinfo"),
        ("http://foo\\@127.0.0.1/", "open foo"),
        ("http://example.com:00080/", "open example.com"),
        ("https://example.com:443/", "open example.com"),
        ("http://example.com:22/", "port"),
        ("http://example.com:25/", "port"),
        ("http://example.com:5432/", "port"),
        ("http://example.com:6379/", "port"),
        ("http://example.com:0/", "port"),
        ("http://example.com:65536/", "bad_url"),
        ("http://6425673729/", "bad_url"),
        ("http://[fe80::1%25eth0]/", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("ftp://example.com/x", "bad_url"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "bad_url"),
        ("data:image/png;base64,AAAA", "bad_url"),
        ("jar:http://example.com!/x", "bad_url"),
        ("dict://example.com/", "bad_url"),
        ("s3://bucket/key", "bad_url"),
        ("//evil/x", "bad_url"),
        ("", "bad_url"),
        ("not a url", "bad_url"),
        ("http://", "bad_url"),
        ("http://example.com/\r\nHost: x", "bad_url"),
        ("http://exam\0ple.com/", "bad_url"),
        (&long, "bad_url"),
    ];
    for (text, expected) in cases {
        assert_eq!(verdict(text), expected, "{text:?}");
    }
}

#[test]
fn an_allowed_host_is_let_through_on_its_port_only() {
    let policy = FetchPolicy {
        allow_hosts: vec!["127.0.0.1:9000".parse().unwrap(), "[::1]:9000".parse().unwrap()],
        ..FetchPolicy::default()
    };
    let passes = |text: &str| Target::parse(text, &policy).map(|target| target.allowed);
    assert_eq!(passes("http://127.0.0.1:9000/"), Ok(true));
    assert_eq!(passes("http://2130706433:9000/"), Ok(true));
    assert_eq!(passes("http://[::1]:9000/"), Ok(true));
    assert_eq!(passes("http://127.0.0.1/"), Err(FetchError::Ssrf("127.0.0.1".into())));
    assert_eq!(passes("http://127.0.0.2:9000/"), Err(FetchError::Ssrf("127.0.0.2".into())));
    assert_eq!(passes("http://u@127.0.0.1:9000/"), Err(FetchError::Userinfo));
    assert_eq!(passes("ftp://127.0.0.1:9000/"), Err(FetchError::BadUrl));
}

#[test]
fn a_denied_name_and_a_nat64_network_are_settings() {
    let policy = FetchPolicy {
        deny_hosts: vec!["pictures.example.com".into(), "8.8.4.4".into()],
        nat64: true,
        ..FetchPolicy::default()
    };
    let passes = |text: &str| Target::parse(text, &policy).is_ok();
    assert!(!passes("https://PICTURES.example.com./x"));
    assert!(!passes("https://8.8.4.4/x"));
    assert!(passes("https://other.example.com/x"));
    assert!(passes("http://[64:ff9b::8.8.8.8]/"));
    assert!(!passes("http://[64:ff9b::10.0.0.1]/"));
}
