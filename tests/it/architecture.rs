//! Holds the dependency rule, the sizes of files, and the opening sentence of each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const BASE: [&str; 4] = ["nn", "queue", "blobs", "db"];
/// Each noun may use those before it.
const NOUNS: [&str; 9] = [
    "picture", "dataset", "scrape", "snapshot", "model", "tag", "training", "cleaning", "classify",
];
const OUTER: [&str; 3] = ["api", "web", "tasks"];
const ROOT: [&str; 3] = ["app", "config", "telemetry"];
/// Plain functions of numbers, testable without a database.
const PURE: [&str; 3] = ["nn/", "training/trainer", "model/network"];
const LONGEST_FILE: usize = 400;

/// Whether the top module `from` may name the top module `to`.
fn allowed(from: &str, to: &str) -> bool {
    let noun = |name: &str| NOUNS.iter().position(|&noun| noun == name);
    let base = BASE.contains(&to);
    match from {
        _ if from == to => true,
        "nn" | "db" => false,
        "queue" | "blobs" => to == "db",
        "config" | "telemetry" => to == "config",
        "app" | "api" | "web" | "tasks" => base || noun(to).is_some() || ROOT.contains(&to),
        "demo" => to != "main",
        "main" | "lib" => true,
        _ => base || noun(to).zip(noun(from)).is_some_and(|(to, from)| to < from),
    }
}

/// What is wrong with the file at `path` (below `src`) with the text `text`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(format!("{path}: does not open with //!"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.push(format!("{path}: {lines} lines, above {LONGEST_FILE}"));
    }
    let module = top_module(path);
    let code = without_comments(text);
    for named in named_modules(path, &code) {
        if !allowed(&module, &named) {
            found.push(format!("{path}: {module} must not name {named}"));
        }
    }
    let uses = |name: &str| code.contains(&format!("{name}::"));
    if NOUNS.contains(&module.as_str()) && uses("axum") {
        found.push(format!("{path}: a noun must not name axum"));
    }
    if PURE.iter().any(|pure| path.starts_with(pure)) && (uses("sqlx") || uses("axum")) {
        found.push(format!("{path}: must name neither sqlx nor axum"));
    }
    found
}

fn top_module(path: &str) -> String {
    let first = path.split('/').next().unwrap_or(path);
    first.trim_end_matches(".rs").to_owned()
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.find("//").map_or(line, |start| &line[..start]));
    code.collect::<Vec<_>>().join("\n")
}

/// The top modules that `code` names by `crate::x`, `crate::{x, y::z}` or enough `super::`.
fn named_modules(path: &str, code: &str) -> BTreeSet<String> {
    let depth = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count();
    let ups = (depth..depth + 3).map(|count| "super::".repeat(count));
    let mut named = BTreeSet::new();
    for prefix in std::iter::once("crate::".to_owned()).chain(ups) {
        for (start, _) in code.match_indices(&prefix) {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            heads(&code[start + prefix.len()..], &mut named);
        }
    }
    let modules = BASE.iter().chain(&NOUNS).chain(&OUTER).chain(&ROOT).chain(&["demo"]);
    let modules: BTreeSet<_> = modules.map(|&name| name.to_owned()).collect();
    named.intersection(&modules).cloned().collect()
}

/// The first names of a use tree: `a::b` gives a; `{a::b, c::{d, e}}` gives a and c.
fn heads(tree: &str, names: &mut BTreeSet<String>) {
    let name = |text: &str| {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(inner) = tree.strip_prefix('{') else {
        names.insert(name(tree));
        return;
    };
    let (mut nesting, mut start) = (0, true);
    for (at, c) in inner.char_indices() {
        if start && !c.is_whitespace() {
            names.insert(name(&inner[at..]));
            start = false;
        }
        match c {
            '{' => nesting += 1,
            '}' if nesting == 0 => return,
            '}' => nesting -= 1,
            ',' if nesting == 0 => start = true,
            _ => {}
        }
    }
}

pub(crate) fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_file_of_src_keeps_the_rules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "only {} files were seen", files.len());
    let found: Vec<_> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
            violations(&name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What gives a time of this machine's, rather than a period.
const CLOCKS: [&str; 5] = ["chrono", "SystemTime", "Utc", "UNIX_EPOCH", "Timestamp"];

/// How the queue's file at `path` lets a clock of this machine near its rows.
fn clocks(path: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut found: Vec<&str> = CLOCKS.into_iter().filter(|clock| code.contains(clock)).collect();
    // A monotonic clock measures periods, which the statements take; it never meets one.
    let statements = code.contains("query!(") || code.contains("query_scalar!(");
    found.extend((statements && code.contains("Instant")).then_some("Instant"));
    found.into_iter().map(|clock| format!("{path} names {clock}")).collect()
}

#[test]
fn no_clock_of_this_machine_reaches_the_queues_rows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut leases) = (Vec::new(), Vec::new());
    rust_files(&src, &mut files);
    for path in files {
        let name = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        if name.starts_with("queue/") {
            assert_eq!(clocks(&name, &text), Vec::<String>::new());
        }
        if without_comments(&text).contains("lease_until") && !name.starts_with("queue/tests") {
            leases.push(name);
        }
    }
    // All statements on leases are there, so nothing else has to be looked at.
    assert_eq!(leases, ["queue/store.rs"]);
}

#[test]
fn a_planted_clock_is_found() {
    assert_eq!(clocks("queue/store.rs", "let now = chrono::Utc::now();").len(), 2);
    assert_eq!(clocks("queue/pace.rs", "let t = Instant::now(); query!(\"\", t)").len(), 1);
    assert_eq!(clocks("queue/outage.rs", "let since = Instant::now();").len(), 0);
}

#[test]
fn a_planted_violation_is_found_in_each_form() {
    let planted = [
        ("db/id.rs", "use crate::picture::Picture;"),
        ("picture/mod.rs", "use crate::{db::{self, Sha256}, dataset::Dataset};"),
        ("cleaning/review.rs", "use crate::{\n    blobs,\n    api::Problem,\n};"),
        ("queue/store.rs", "fn f() { super::super::dataset::count(); }"),
        ("scrape/mod.rs", "use super::tag;"),
        ("snapshot/mod.rs", "fn f() -> axum::Router { axum::Router::new() }"),
        ("model/network.rs", "use sqlx::PgPool;"),
        ("web/mod.rs", "use crate::api;"),
        ("app.rs", "use crate::tasks;"),
    ];
    for (path, code) in planted {
        assert_eq!(violations(path, &format!("//! A file.\n{code}")).len(), 1, "{path}: {code}");
    }
    assert_eq!(violations("db/id.rs", "use std::fmt;").len(), 1);
    assert_eq!(violations("db/id.rs", &format!("//! Long.{}", "\n".repeat(401))).len(), 1);
}

#[test]
fn what_the_rule_allows_is_not_reported() {
    let fine = [
        ("cleaning/review.rs", "use crate::dataset::{self, api};\nuse super::verdict;"),
        ("queue/mod.rs", "mod tests { use super::*; }\nuse crate::db::TaskId;"),
        ("api/mod.rs", "use crate::{app::App, dataset};"),
        ("picture/mod.rs", "// see crate::dataset\nuse crate::db::Sha256;"),
        ("demo/mod.rs", "use crate::{api, app::App};"),
    ];
    for (path, code) in fine {
        assert_eq!(violations(path, &format!("//! A file.\n{code}")), Vec::<String>::new());
    }
}
