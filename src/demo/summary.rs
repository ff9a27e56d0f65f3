//! What the demo says on the terminal: what is simulated, the figures, where to look.

use super::SampleWeb;
use super::figures::{Report, SIMULATED};
use super::web::listing::Fate;

/// Before the first request.
pub(super) fn announce(web: &SampleWeb) {
    let collection = web.collection();
    println!("Simulated on this machine: {}.", SIMULATED.join(", "));
    println!("Everything else is the real service, driven over its public API.");
    println!("The politeness and tagger rates are raised for these loopback hosts only.\n");
    for class in &collection.classes {
        println!(
            "  {:<16} {:>4} pictures to find as “{}”, {} of clutter in between, {} references",
            class.name,
            class.found.len(),
            class.phrase,
            class.clutter.len(),
            class.references.len(),
        );
    }
    let faults: Vec<String> = web
        .listing()
        .fates()
        .into_iter()
        .filter(|(fate, _)| *fate != Fate::Served)
        .map(|(fate, count)| format!("{count} {}", in_words(fate)))
        .collect();
    println!("  planted on the way: {}\n", faults.join(", "));
}

fn in_words(fate: Fate) -> &'static str {
    match fate {
        Fate::Served => "served",
        Fate::Redirected => "redirects",
        Fate::Repeated => "repeats",
        Fate::Missing => "dead links",
        Fate::WebPage => "web pages for pictures",
        Fate::HalfFile => "half files",
        Fate::BrokenOff => "broken connections",
        Fate::Endless => "endless bodies",
        Fate::Forbidden => "forbidden by robots.txt",
        Fate::BadTile => "tiles beyond parsing",
    }
}

/// After the last answer.
pub(super) fn print(report: &Report, web: &SampleWeb, base_url: &str) {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    println!("\n{:>26}  {} candidates, {} stored", "scrape", report.candidates, report.stored);
    for (outcome, count) in report.outcomes.iter().filter(|(name, _)| *name != "stored") {
        println!("{:>26}  {count:>5} {outcome}", "");
    }
    println!("{:>26}  {} flagged", "clean", report.flagged);
    for (check, count) in report.flagged_by_check.iter().filter(|(_, count)| **count > 0) {
        println!("{:>26}  {count:>5} by {check}", "");
    }
    for (class, count) in &report.by_class {
        println!("{class:>26}  {} of {} pictures flagged", count.flagged, count.stored);
    }
    let [flagged, unshared] = report.clutter.flagged_of_unshared;
    println!(
        "{:>26}  {} of {} flagged; {flagged} of the {unshared} that share no tag with the references",
        "clutter", report.clutter.flagged, report.clutter.stored
    );
    println!(
        "{:>26}  {} of {} flagged",
        "planted files", report.planted.flagged, report.planted.stored
    );
    let (calls, throttled) = web.tagger_calls();
    println!("{:>26}  {calls} calls, {throttled} of them throttled", "tagger stand-in");
    println!(
        "{:>26}  {} to train on, {} to test on, {} epochs",
        "train", report.snapshot.train, report.snapshot.test, report.epochs
    );
    println!(
        "{:>26}  {} train, {} test, {} test without clutter",
        "accuracy",
        percent(report.train_accuracy),
        percent(report.test_accuracy),
        report.test_accuracy_without_clutter.map_or_else(|| "none".to_owned(), percent)
    );
    for answer in &report.held_out {
        println!(
            "{:>26}  a {} is called {} ({})",
            "classify",
            answer.expected,
            answer.class,
            percent(answer.probability)
        );
    }
    let seconds = report.seconds;
    println!(
        "{:>26}  scrape {:.0} s, clean {:.0} s, train {:.0} s, in all {:.0} s",
        "time", seconds.scrape, seconds.clean, seconds.train, seconds.total
    );
    println!("\nSimulated: {}.", report.simulated.join("; "));
    println!("Look around: {base_url}\n");
}
