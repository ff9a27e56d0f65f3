//! Folds, what is remembered of a lesson, and what is learnt of planted errors.

use std::collections::BTreeMap;

use super::*;
use crate::db::{ClassId, Sha256};

/// Of a cat that looks like a dog, and lies where pictures usually do.
pub(in crate::cleaning) fn opinion() -> LearntOpinion {
    LearntOpinion {
        class_id: ClassId(uuid::Uuid::nil()),
        class: "cat".into(),
        suggested: "dog".into(),
        self_confidence: 0.04,
        suggested_confidence: 0.96,
        suspect: false,
        distance: 0.1,
        deviation: 0.0,
    }
}

#[test]
fn every_fold_has_its_share_of_each_class_and_groups_stay_together() {
    let labels: Vec<u32> = (0..80).map(|at| at % 2).collect();
    let groups: Vec<usize> = (0..80).map(|at| if at < 8 { 0 } else { at }).collect();
    let folds = folds(&labels, &groups);
    assert!(folds[..8].iter().all(|fold| *fold == folds[0]));
    for class in 0..2 {
        for fold in 0..FOLDS {
            let members = (0..80).filter(|at| labels[*at] == class && folds[*at] == fold);
            assert!((9..=11).contains(&members.count()));
        }
    }
}

/// Remembers, and counts what is trained.
#[derive(Default)]
struct Notes {
    known: BTreeMap<usize, OutOfFold>,
    kept: Vec<usize>,
    /// Networks behind which it stops.
    most: usize,
}

impl Journal for Notes {
    fn trained(&mut self, networks: usize) -> ControlFlow<()> {
        if networks < self.most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn recall(&mut self, network: usize) -> Option<OutOfFold> {
        self.known.get(&network).cloned()
    }

    fn keep(&mut self, network: usize, judged: OutOfFold) {
        self.known.insert(network, judged);
        self.kept.push(network);
    }
}

#[test]
fn only_networks_that_nobody_remembers_are_trained() {
    let [small, large] = sizes().map(|size| pictures(size as usize, 24));
    let groups: Vec<usize> = (0..24).collect();
    let folds = folds(small.labels(), &groups);
    let judged = |network: usize| {
        let held_out = (0..24).filter(|&at| folds[at] == network % FOLDS);
        let rows = held_out.clone().flat_map(|at| {
            let right = 0.9 - 0.01 * network as f32;
            if small.labels()[at] == 0 { [right, 1.0 - right] } else { [1.0 - right, right] }
        });
        let count = held_out.clone().count();
        let distances = held_out.map(|at| (100 * network + at) as f32).collect();
        let deviations = vec![network as f32 / 16.0; count];
        OutOfFold { probabilities: rows.collect(), distances, deviations }
    };
    let all = (0..NETWORKS).map(|network| (network, judged(network)));
    let mut notes = Notes { known: all.collect(), ..Notes::default() };
    // It may train nothing, and need not.
    let learnt = learn([&small, &large], 2, &groups, &mut notes).unwrap();
    assert_eq!(notes.kept, [0_usize; 0]);
    let confidence = 0.9 - 0.01 * (GLANCES * FOLDS + folds[5]) as f32;
    assert!((learnt[5].self_confidence - confidence).abs() < 1e-6, "{:?}", learnt[5]);
    // Distances are the mean of the first networks', numbered by rounds of folds; probabilities those of the second.
    let first = (folds[5] + FOLDS * (GLANCES - 1) / 2) as f32;
    assert!((learnt[5].distance - (100.0 * first + 5.0)).abs() < 1e-3, "{:?}", learnt[5]);
    // Deviations by the median and the quarter below it: those of folds 2 and 1.
    let deviation = 0.674_49 * (folds[5] as f32 - 2.0);
    assert!((learnt[5].deviation - deviation).abs() < 1e-4, "{:?}", learnt[5]);
    // What is about other pictures says nothing, and would have to be learnt.
    notes.known.get_mut(&2).unwrap().distances.pop();
    let stopped = learn([&small, &large], 2, &groups, &mut notes);
    assert!(matches!(stopped, Err(TrainingError::Cancelled)), "{stopped:?}");
}

#[test]
fn another_label_or_group_is_another_lesson() {
    let of = |pictures: &[(u8, usize)], groups: &[usize], classes| {
        let pictures = pictures.iter().map(|&(at, label)| (Sha256::of(&[at]), label));
        lesson_digest(pictures, groups, classes)
    };
    let first = of(&[(1, 0), (2, 1)], &[0, 1], 2);
    assert_eq!(first, of(&[(1, 0), (2, 1)], &[0, 1], 2));
    let others = [
        of(&[(1, 0), (2, 0)], &[0, 1], 2),
        of(&[(1, 0), (3, 1)], &[0, 1], 2),
        of(&[(1, 0), (2, 1)], &[0, 0], 2),
        of(&[(1, 0), (2, 1)], &[0, 1], 3),
        of(&[(1, 0)], &[0], 2),
    ];
    assert!(others.iter().all(|other| *other != first));
}

/// Red and green pictures with a grain, two of them with the wrong label, and two that are like nothing else.
#[test]
#[ignore = "trains forty networks: cargo test --release learning -- --ignored"]
fn wrong_labels_and_strangers_stand_out() {
    let [small, large] = sizes().map(|size| pictures(size as usize, 80));
    let groups: Vec<usize> = (0..80).collect();
    let mut notes = Notes { most: 17, ..Notes::default() };
    let stopped = learn([&small, &large], 2, &groups, &mut notes);
    assert!(matches!(stopped, Err(TrainingError::Cancelled)), "{stopped:?}");
    assert!(notes.kept.iter().copied().eq(0..17), "{:?}", notes.kept);
    notes.most = NETWORKS;
    let learnt = learn([&small, &large], 2, &groups, &mut notes).unwrap();
    assert!(notes.kept.iter().copied().eq(0..NETWORKS), "{:?}", notes.kept);
    let mut undisturbed = Notes { most: NETWORKS, ..Notes::default() };
    assert_eq!(learn([&small, &large], 2, &groups, &mut undisturbed).unwrap(), learnt);
    let suspects: Vec<usize> = (2..80).filter(|at| learnt[*at].suspect).collect();
    assert_eq!(suspects, [10, 11]);
    assert!(learnt[..2].iter().all(|strange| strange.deviation > FAR), "{:?}", &learnt[..2]);
}

fn pictures(size: usize, count: usize) -> ImageSet {
    let mut stream = Stream::new(7, Purpose::Initial, 0, 0);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for at in 0..count {
        let colour = if at < 2 { 3 } else { at % 2 };
        for pixel in 0..size * size {
            let grain = (stream.unit() * 60.0) as u8;
            let stripe = if pixel / 3 % 2 == 0 { 255 } else { 0 };
            let strange = [stripe, 255 - stripe, stripe];
            let plain = |channel| if colour == channel { 150 + grain } else { 60 + grain };
            pixels.extend((0..3).map(|c| if colour == 3 { strange[c] } else { plain(c) }));
        }
        let wrong = (10..12).contains(&at);
        labels.push(((at % 2) ^ usize::from(wrong)) as u32);
    }
    ImageSet::new(size, pixels, labels).unwrap()
}
