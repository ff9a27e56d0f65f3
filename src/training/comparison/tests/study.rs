//! The original study's four networks: which of their differences can be told apart.

use super::*;

/// (training, test) accuracy of its four networks; about 5,600 and 1,400 pictures.
const STUDY: [(&str, f64, f64); 4] = [
    ("32-64", 0.947, 0.891),
    ("32-64 + dropout", 0.917, 0.852),
    ("32-64-128", 0.913, 0.890),
    ("32-64-128 + dropout", 0.873, 0.860),
];

fn contenders() -> Vec<Contender> {
    let count =
        |share: f64, of: usize| Sample::of_count((share * of as f64).round() as usize, of).unwrap();
    let contender = |(name, train, test): (&str, f64, f64)| Contender {
        name: name.to_owned(),
        train: count(train, 5600),
        test: count(test, 1400),
    };
    STUDY.map(contender).into()
}

fn tied(selection: &Selection) -> Vec<&str> {
    selection.standings.iter().filter(|s| s.tied).map(|s| s.name.as_str()).collect()
}

#[test]
fn the_studys_gaps_get_these_verdicts() {
    let sentences = contenders().into_iter().map(|c| Verdict::of(&c.train, &c.test, 0.5).sentence);
    let expected = [
        "overfits: 5.6 points, 95 % interval 4.0–7.5",
        "overfits: 6.5 points, 95 % interval 4.6–8.6",
        "overfits slightly: 2.3 points, 95 % interval 0.6–4.2",
        "no evidence of overfitting (gap 1.3 points, 95 % interval −0.6 to 3.4)",
    ];
    assert_eq!(sentences.collect::<Vec<_>>(), expected);
}

#[test]
fn the_test_accuracies_can_be_told_apart() {
    let best = select(&contenders(), Rule::BestTest, 0.5).unwrap();
    assert_eq!(best.pick.as_deref(), Some("32-64"));
    assert_eq!(tied(&best), ["32-64-128"]);
    assert!(
        best.why.contains("Told apart: 32-64-128 + dropout and 32-64 + dropout."),
        "{}",
        best.why
    );
}

#[test]
fn the_two_smallest_gaps_cannot_be_told_apart() {
    let smallest = select(&contenders(), Rule::SmallestGap, 0.5).unwrap();
    assert_eq!(smallest.pick.as_deref(), Some("32-64-128 + dropout"));
    assert_eq!(tied(&smallest), ["32-64-128"]);
}

#[test]
fn the_best_within_a_gap_is_not_the_one_that_the_author_took() {
    let rule = Rule::BestWithinGap { limit: 0.03 };
    let within = select(&contenders(), rule, 0.5).unwrap();
    assert_eq!(within.pick.as_deref(), Some("32-64-128"));
    let order: Vec<_> = within.standings.iter().map(|s| (s.index, s.eligible, s.tied)).collect();
    assert_eq!(order, [(2, true, false), (3, true, false), (0, false, true), (1, false, false)]);
    let none = select(&contenders(), Rule::BestWithinGap { limit: 0.01 }, 0.5).unwrap();
    assert_eq!(none.pick, None);
    assert_eq!(none.why, "no gap is within 1.0 points; the smallest is 1.3");
}

#[test]
fn who_learnt_nothing_has_no_smallest_gap() {
    let idle = |right, of| Sample::of_count(right, of).unwrap();
    let verdict = Verdict::of(&idle(2912, 5600), &idle(728, 1400), 0.5);
    assert_eq!((verdict.finding, verdict.next_step), (Finding::Underfits, NextStep::LearnMore));
    let mut contenders = contenders();
    contenders.push(Contender {
        name: "idle".to_owned(),
        train: idle(2912, 5600),
        test: idle(728, 1400),
    });
    let smallest = select(&contenders, Rule::SmallestGap, 0.5).unwrap();
    assert_eq!(smallest.pick.as_deref(), Some("32-64-128 + dropout"));
    assert!(!smallest.standings[4].eligible && smallest.standings[4].name == "idle");
}

#[test]
fn a_gap_far_below_zero_is_not_the_smallest() {
    let mut contenders = contenders();
    let count = |right, of| Sample::of_count(right, of).unwrap();
    let odd = Contender::new("odd".to_owned(), count(4760, 5600), count(1260, 1400)).unwrap();
    let verdict = Verdict::of(&odd.train, &odd.test, 0.5);
    assert_eq!((verdict.finding, verdict.next_step), (Finding::BetterOnTest, NextStep::CheckSplit));
    contenders.push(odd);
    let smallest = select(&contenders, Rule::SmallestGap, 0.5).unwrap();
    assert_eq!(smallest.pick.as_deref(), Some("32-64-128 + dropout"));
}
