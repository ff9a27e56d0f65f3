//! Agreement with statsmodels and `SciPy` (`scripts/statistics-fixtures`), the worked example of the
//! original study, and the coverage of the intervals by simulation.

use serde_json::Value;

use super::distribution::{quantile, two_sided};
use super::selection::holm;
use super::*;
use crate::training::prediction::Prediction;

mod coverage;
mod study;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/peers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6 * b.abs().max(0.1);
    assert!(ours.iter().zip(theirs).all(near), "{ours:?} {theirs:?}");
}

/// One run that was right about the first `right` of `of` pictures.
fn run(right: usize, of: usize) -> Sample {
    Sample::of_runs(&[(0..of).map(|i| i < right).collect()]).unwrap()
}

#[test]
fn students_distribution_agrees_with_scipy() {
    for row in fixture()["student"].as_array().unwrap() {
        let row = numbers(row);
        assert_close(&[quantile(LEVEL, row[0]), two_sided(2.5, row[0])], &row[1..]);
    }
    assert_close(&[quantile(LEVEL, f64::INFINITY)], &[1.959_963_985]);
}

#[test]
fn intervals_of_independent_proportions_agree_with_statsmodels() {
    for case in fixture()["proportions"].as_array().unwrap() {
        let counts: Vec<usize> = numbers(&case["counts"]).iter().map(|n| *n as usize).collect();
        let (first, second) = (run(counts[0], counts[1]), run(counts[2], counts[3]));
        let gap = gap(&first, &second);
        assert_close(&[gap.low, gap.high], &numbers(&case["difference"]));
        let own = accuracy(&first);
        assert_close(&[own.low, own.high], &numbers(&case["wilson"]));
        let count = |at: usize| Sample::of_count(counts[at], counts[at + 1]).unwrap();
        let difference = accuracy_difference(&count(0), &count(2)).unwrap();
        assert_eq!(difference.method, Method::Unpaired);
        assert_close(&[difference.p_value], &[case["p"].as_f64().unwrap()]);
    }
}

#[test]
fn paired_differences_agree_with_mcnemar_and_tango() {
    for case in fixture()["pairs"].as_array().unwrap() {
        let only: Vec<usize> = numbers(&case["only"]).iter().map(|n| *n as usize).collect();
        let answers = |from: usize, to: usize| {
            Sample::of_runs(&[(0..only[2]).map(|i| (from..to).contains(&i)).collect()]).unwrap()
        };
        let (first, second) = (answers(0, only[0]), answers(only[0], only[0] + only[1]));
        let Difference { interval, p_value, method } =
            accuracy_difference(&first, &second).unwrap();
        assert_eq!(method, Method::PairedRuns);
        assert_close(&[p_value], &[case["p"].as_f64().unwrap()]);
        let theirs = numbers(&case["interval"]);
        assert_close(&[interval.estimate, interval.low, interval.high], &theirs);
        let turned = accuracy_difference(&second, &first).unwrap().interval.negated();
        assert_close(&[turned.low, turned.high], &theirs[1..]);
    }
}

#[test]
fn differences_over_seeds_agree_with_the_whole_analysis_of_variance() {
    let crossed = &fixture()["crossed"];
    let sample = |key: &str| {
        let run = |text: &Value| text.as_str().unwrap().chars().map(|c| c == '1').collect();
        let runs: Vec<Vec<bool>> = crossed[key].as_array().unwrap().iter().map(run).collect();
        Sample::of_runs(&runs).unwrap()
    };
    let [a, b] =
        ["a", "b"].map(|name| ["train", "test"].map(|side| sample(&format!("{name}_{side}"))));
    for (key, [train, test]) in [("a_gap", &a), ("b_gap", &b)] {
        let Interval { estimate, low, high } = gap(train, test);
        assert_close(&[estimate, low, high], &numbers(&crossed[key]));
    }
    let differences = [
        ("accuracy_difference", accuracy_difference(&a[1], &b[1]).unwrap()),
        ("gap_difference", gap_difference((&a[0], &a[1]), (&b[0], &b[1])).unwrap()),
    ];
    for (key, Difference { interval, p_value, method }) in differences {
        assert_eq!(method, Method::PairedRecipes);
        let Interval { estimate, low, high } = interval;
        assert_close(&[estimate, low, high], &numbers(&crossed[key]["interval"]));
        assert_close(&[p_value], &[crossed[key]["p"].as_f64().unwrap()]);
    }
}

#[test]
fn holms_correction_agrees_with_statsmodels() {
    let fixture = &fixture()["holm"];
    assert_close(&holm(&numbers(&fixture["p"])), &numbers(&fixture["corrected"]));
}

#[test]
fn identical_seeds_do_not_make_the_pictures_more() {
    let answers = |right: usize, of: usize| -> Vec<bool> { (0..of).map(|i| i < right).collect() };
    let repeated = |right, of| Sample::of_runs(&vec![answers(right, of); 5]).unwrap();
    let five = gap(&repeated(930, 1000), &repeated(178, 200));
    let one = gap(&run(930, 1000), &run(178, 200));
    assert_close(&[five.low, five.high], &[one.low, one.high]);
}

#[test]
fn answers_that_do_not_belong_together_are_refused() {
    assert!(Sample::of_runs(&[]).is_err() && Sample::of_runs(&[vec![]]).is_err());
    assert!(Sample::of_runs(&[vec![true], vec![true, false]]).is_err());
    assert!(Sample::of_count(3, 2).is_err());
    assert!(accuracy_difference(&run(3, 5), &run(3, 6)).is_err());
    assert!(select(&[], Rule::BestTest, 0.5).is_err());
    let two = Sample::of_runs(&[vec![true], vec![false]]).unwrap();
    assert!(Contender::new("a".to_owned(), two, run(1, 1)).is_err());
}

#[test]
fn perfect_and_identical_runs_give_finite_figures() {
    let perfect = run(50, 50);
    let same = accuracy_difference(&perfect, &perfect).unwrap();
    assert_close(&[same.p_value, same.interval.estimate], &[1.0, 0.0]);
    assert!(same.interval.low < -0.01 && same.interval.high > 0.01, "{same:?}");
    let gap = gap(&perfect, &perfect);
    assert!(gap.low < 0.0 && gap.high > 0.0 && gap.high < 0.1, "{gap:?}");
    let gaps = gap_difference((&perfect, &perfect), (&perfect, &perfect)).unwrap();
    assert_close(&[gaps.p_value], &[1.0]);
}

#[test]
fn the_gaps_of_a_share_and_of_all_pictures_compare_without_pairs() {
    let (share, all, test) = (run(18, 20), run(60, 80), run(14, 20));
    let difference = gap_difference((&share, &test), (&all, &test)).unwrap().interval;
    assert_close(&[difference.estimate], &[0.15]);
    let variance = 0.9 * 0.1 / 20.0 + 0.75 * 0.25 / 80.0;
    assert_close(&[difference.high], &[0.15 + 1.959_963_985 * f64::sqrt(variance)]);
}

#[test]
fn the_baseline_is_the_share_of_the_most_frequent_class() {
    let of = |label: i32| Prediction { label, predicted: 0, probability: 1.0 };
    assert_close(&[baseline(&[1, 2, 2, 0].map(of)), baseline(&[])], &[0.5, 0.0]);
    let sample = Sample::of_predictions(&[&[0, 2, 0].map(of), &[0, 0, 0].map(of)]).unwrap();
    assert_close(sample.runs(), &[2.0 / 3.0, 1.0]);
}
