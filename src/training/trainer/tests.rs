//! Learning, resuming, cancelling and failing on drawn pictures.

use super::*;
use crate::model::bundle::sha256;
use crate::model::weights_file::FileError;
use crate::nn::backbone::tests::formula_backbone;
use crate::nn::rng::{Purpose, Stream};
use crate::training::preset::mobilenet_v4_small;
use crate::training::recipe::Augment;
use crate::training::stopping::EarlyStopping;

/// Noise with a bright half: left for class 0, right for class 1.
fn halves(count: usize, seed: u64) -> ImageSet {
    halves_of(12, count, seed)
}

/// [`halves`] of another size.
fn halves_of(size: usize, count: usize, seed: u64) -> ImageSet {
    let mut stream = Stream::new(seed, Purpose::Initial, 0, 0);
    let labels: Vec<u32> = (0..count as u32).map(|index| index % 2).collect();
    let mut pixels = Vec::new();
    for label in &labels {
        for at in 0..size * size * 3 {
            let right = (at / 3) % size >= size / 2;
            let bright = if right == (*label == 1) { 80 } else { 0 };
            pixels.push((stream.below(150) + bright) as u8);
        }
    }
    ImageSet::new(size, pixels, labels).unwrap()
}

fn setup() -> Setup {
    let recipe = Recipe {
        conv: vec![6, 8],
        dense: vec![8],
        dropout: vec![0.1, 0.2],
        image_size: 12,
        epochs: 3,
        batch_size: 7,
        learning_rate: 0.01,
        augment: Augment { horizontal_flip: false, ..Augment::default() },
        ..Recipe::default()
    };
    Setup { recipe, classes: 2, seed: 11, data: "drawn".into(), backbone: None }
}

fn weights_digest(trainer: &Trainer) -> String {
    let bytes = trainer.network().variables().iter().flat_map(|v| &v.data);
    sha256(&bytes.flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>())
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Stops after a number of batches or epochs.
#[derive(Default)]
struct Stop {
    after_batches: Option<usize>,
    after_epoch: Option<u32>,
    checkpoint: Option<Vec<u8>>,
    seen: Vec<BatchProgress>,
}

impl Observer for Stop {
    fn batch(&mut self, progress: BatchProgress) -> ControlFlow<()> {
        self.seen.push(progress);
        let stop = self.after_batches.is_some_and(|limit| self.seen.len() >= limit);
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: Option<&EpochSummary>, trainer: &Trainer) -> ControlFlow<()> {
        self.checkpoint = trainer.checkpoint();
        let stop = self.after_epoch == Some(trainer.epoch());
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_network_learns_to_tell_halves_apart() {
    let (train, test) = (halves(120, 1), halves(40, 2));
    let mut setup = setup();
    setup.recipe.epochs = 10;
    let mut trainer = Trainer::new(setup).unwrap();
    let outcome = trainer.run(&train, &test, &mut ()).unwrap();
    assert_eq!(outcome.epochs.len(), 10);
    assert!(outcome.test.accuracy >= 0.95, "{:#?}", outcome.epochs);
    assert_eq!(outcome.test.predictions.len(), 40);
    assert_eq!(outcome.epochs[9].test_accuracy.to_bits(), outcome.test.accuracy.to_bits());
    assert!(outcome.epochs[9].train_loss < outcome.epochs[0].train_loss);
}

#[test]
fn a_run_that_is_evaluated_seldom_learns_the_same_and_resumes_at_any_epoch() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let setup = |every| {
        let mut setup = setup();
        (setup.recipe.epochs, setup.recipe.evaluate_every) = (5, every);
        setup
    };
    let run = |every| {
        let mut trainer = Trainer::new(setup(every)).unwrap();
        let mut outcome = trainer.run(&train, &test, &mut ()).unwrap();
        outcome.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
        (weights_digest(&trainer), outcome)
    };
    let (digest, often) = run(1);
    for (every, evaluated) in [(2, vec![2, 4, 5]), (5, vec![5]), (10_000, vec![5])] {
        let (same, seldom) = run(every);
        assert_eq!((&same, &seldom.test), (&digest, &often.test));
        let expected: Vec<_> = evaluated.iter().map(|at| often.epochs[at - 1].clone()).collect();
        assert_eq!(seldom.epochs, expected);
    }
    let mut stop = Stop { after_epoch: Some(3), ..Stop::default() };
    Trainer::new(setup(2)).unwrap().run(&train, &test, &mut stop).unwrap_err();
    let mut resumed = Trainer::resume(setup(2), &stop.checkpoint.unwrap()).unwrap();
    assert_eq!(resumed.epoch(), 3);
    let outcome = resumed.run(&train, &test, &mut ()).unwrap();
    assert_eq!(outcome.epochs.iter().map(|e| e.epoch).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(weights_digest(&resumed), digest);
}

#[test]
fn early_stopping_waits_for_an_evaluation() {
    let mut setup = setup();
    // Nothing is learnt, so that no epoch is better than the first that is looked at.
    (setup.recipe.epochs, setup.recipe.evaluate_every) = (20, 4);
    let (patience, min_delta, restore_best) = (5, 100.0, true);
    setup.recipe.early_stopping = Some(EarlyStopping { patience, min_delta, restore_best });
    let outcome =
        Trainer::new(setup).unwrap().run(&halves(30, 1), &halves(10, 2), &mut ()).unwrap();
    assert_eq!(outcome.epochs.iter().map(|e| e.epoch).collect::<Vec<_>>(), [4, 8, 12]);
    assert_eq!((outcome.best_epoch, outcome.stopped_early), (4, true));
}

#[test]
fn a_resumed_run_ends_in_the_same_bits_as_an_undisturbed_one_on_any_threads() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let undisturbed = with_threads(1, || {
        let mut trainer = Trainer::new(setup()).unwrap();
        let outcome = trainer.run(&train, &test, &mut ()).unwrap();
        (weights_digest(&trainer), outcome.test, trainer.checkpoint())
    });
    for threads in [1, 2] {
        let resumed = with_threads(threads, || {
            let mut stop = Stop { after_epoch: Some(1), ..Stop::default() };
            let mut first = Trainer::new(setup()).unwrap();
            let cancelled = first.run(&train, &test, &mut stop).unwrap_err();
            assert_eq!(cancelled, TrainingError::Cancelled);
            let mut second = Trainer::resume(setup(), &stop.checkpoint.unwrap()).unwrap();
            assert_eq!(second.epoch(), 1);
            let outcome = second.run(&train, &test, &mut ()).unwrap();
            assert_eq!(outcome.epochs.iter().map(|e| e.epoch).collect::<Vec<_>>(), [2, 3]);
            (weights_digest(&second), outcome.test, second.checkpoint())
        });
        assert!(undisturbed == resumed, "{threads} threads");
    }
    let mut other = setup();
    other.seed += 1;
    let mut trainer = Trainer::new(other).unwrap();
    trainer.run(&train, &test, &mut ()).unwrap();
    assert_ne!(weights_digest(&trainer), undisturbed.0);
}

/// A small residual network with everything that a checkpoint must carry.
fn residual() -> Setup {
    let text = r#"{"preset": "modern", "conv": [4, 6], "image_size": 12, "epochs": 4, "batch_size": 7,
        "schedule": {"kind": "cosine", "warmup_epochs": 1}, "class_weights": "balanced",
        "ema_decay": 0.9, "early_stopping": {"patience": 2}}"#;
    Setup { recipe: serde_json::from_str(text).unwrap(), ..setup() }
}

#[test]
fn batch_norm_optimizer_and_best_weights_survive_a_checkpoint_on_any_threads() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let optimizers = [r#""adamw""#, r#"{"kind": "rmsprop", "momentum": 0.5}"#, r#""sgd""#];
    for optimizer in optimizers {
        let setup = || {
            let mut setup = residual();
            setup.recipe.optimizer = serde_json::from_str(optimizer).unwrap();
            setup
        };
        let undisturbed = with_threads(1, || {
            let mut trainer = Trainer::new(setup()).unwrap();
            let outcome = trainer.run(&train, &test, &mut ()).unwrap();
            (weights_digest(&trainer), outcome.test, outcome.best_epoch, trainer.checkpoint())
        });
        for threads in 2..5 {
            let resumed = with_threads(threads, || {
                let mut stop = Stop { after_epoch: Some(2), ..Stop::default() };
                Trainer::new(setup()).unwrap().run(&train, &test, &mut stop).unwrap_err();
                let mut second = Trainer::resume(setup(), &stop.checkpoint.unwrap()).unwrap();
                let outcome = second.run(&train, &test, &mut ()).unwrap();
                (weights_digest(&second), outcome.test, outcome.best_epoch, second.checkpoint())
            });
            assert!(undisturbed == resumed, "{optimizer}, {threads} threads");
        }
    }
}

#[test]
fn a_network_trained_at_another_size_is_published_and_resumed_at_its_own() {
    let (train, test) = (halves_of(16, 30, 1), halves_of(16, 10, 2));
    for train_size in [12, 20] {
        let setup = || {
            let mut setup = residual();
            (setup.recipe.image_size, setup.recipe.train_size) = (16, Some(train_size));
            setup.recipe.early_stopping = None;
            setup
        };
        let mut whole = Trainer::new(setup()).unwrap();
        let outcome = whole.run(&train, &test, &mut ()).unwrap();
        assert_eq!(whole.network().architecture().image_size, 16);
        assert_eq!(Evaluation::of(whole.network(), &test), outcome.test);
        let mut stop = Stop { after_epoch: Some(2), ..Stop::default() };
        Trainer::new(setup()).unwrap().run(&train, &test, &mut stop).unwrap_err();
        let mut second = Trainer::resume(setup(), &stop.checkpoint.unwrap()).unwrap();
        assert_eq!(second.run(&train, &test, &mut ()).unwrap().test, outcome.test);
        let mut same = Trainer::new(Setup {
            recipe: Recipe { train_size: None, ..setup().recipe },
            ..setup()
        })
        .unwrap();
        same.run(&train, &test, &mut ()).unwrap();
        assert_ne!(weights_digest(&same), weights_digest(&whole));
    }
}

/// Keeps the first weight after each epoch.
struct Path(Vec<f32>);

impl Observer for Path {
    fn epoch(&mut self, _: Option<&EpochSummary>, trainer: &Trainer) -> ControlFlow<()> {
        self.0.push(trainer.state.network.variables()[0].data[0]);
        ControlFlow::Continue(())
    }
}

#[test]
fn the_average_of_the_weights_is_evaluated_and_published() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let mut setup = residual();
    // One step in each epoch.
    (setup.recipe.early_stopping, setup.recipe.batch_size) = (None, 30);
    setup.recipe.ema_decay = 0.2;
    let mut trainer = Trainer::new(setup).unwrap();
    let mut average = trainer.network().variables()[0].data[0];
    let mut path = Path(Vec::new());
    let outcome = trainer.run(&train, &test, &mut path).unwrap();
    for (step, weight) in path.0.iter().enumerate() {
        let kept = if step == 0 { 2.0 / 11.0 } else { 0.2 };
        average += (1.0 - kept) * (weight - average);
    }
    let published = trainer.into_network();
    assert!((published.variables()[0].data[0] - average).abs() < 1e-6);
    assert_ne!(path.0.last(), published.variables()[0].data.first());
    assert_eq!(Evaluation::of(&published, &test), outcome.test);
}

#[test]
fn a_run_that_gets_no_better_stops_and_keeps_its_best_epoch() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let mut setup = setup();
    let stopping = |patience| EarlyStopping { patience, min_delta: 100.0, restore_best: true };
    (setup.recipe.epochs, setup.recipe.early_stopping) = (9, Some(stopping(2)));
    let mut trainer = Trainer::new(setup.clone()).unwrap();
    let outcome = trainer.run(&train, &test, &mut ()).unwrap();
    assert_eq!((outcome.epochs.len(), outcome.best_epoch, outcome.stopped_early), (3, 1, true));
    assert_eq!(outcome.test.loss.to_bits(), outcome.epochs[0].test_loss.to_bits());
    setup.recipe.early_stopping = None;
    setup.recipe.epochs = 1;
    let mut short = Trainer::new(setup).unwrap();
    short.run(&train, &test, &mut ()).unwrap();
    assert_eq!(weights_digest(&short), weights_digest(&trainer));
}

#[test]
fn a_schedule_sets_the_rate_of_each_epoch() {
    let mut setup = setup();
    setup.recipe.schedule = serde_json::from_str(r#"{"kind": "step", "every": 1}"#).unwrap();
    let mut trainer = Trainer::new(setup).unwrap();
    let outcome = trainer.run(&halves(10, 1), &halves(10, 2), &mut ()).unwrap();
    let rates: Vec<_> = outcome.epochs.iter().map(|epoch| epoch.learning_rate.unwrap()).collect();
    for (rate, expected) in rates.iter().zip([0.01, 0.001, 0.0001]) {
        assert!((rate / expected - 1.0).abs() < 1e-12, "{rates:?}");
    }
}

#[test]
fn a_run_resumed_after_its_last_epoch_only_evaluates() {
    let (train, test) = (halves(20, 1), halves(10, 2));
    let mut trainer = Trainer::new(setup()).unwrap();
    let outcome = trainer.run(&train, &test, &mut ()).unwrap();
    let mut again = Trainer::resume(setup(), &trainer.checkpoint().unwrap()).unwrap();
    let repeated = again.run(&train, &test, &mut ()).unwrap();
    assert!(repeated.epochs.is_empty());
    assert_eq!((repeated.train, repeated.test), (outcome.train, outcome.test));
}

#[test]
fn a_cancel_takes_effect_after_the_batch_and_leaves_no_checkpoint() {
    let mut stop = Stop { after_batches: Some(2), ..Stop::default() };
    let mut trainer = Trainer::new(setup()).unwrap();
    let result = trainer.run(&halves(30, 1), &halves(10, 2), &mut stop);
    assert_eq!(result.unwrap_err(), TrainingError::Cancelled);
    let last = BatchProgress { epoch: 1, epochs: 3, batch: 2, batches: 5 };
    assert_eq!(stop.seen.last(), Some(&last));
    assert_eq!(trainer.checkpoint(), None);
}

#[test]
fn checkpoints_of_another_run_or_broken_ones_are_refused() {
    let bytes = Trainer::new(setup()).unwrap().checkpoint().unwrap();
    let refused = |setup: Setup, bytes: &[u8]| match Trainer::resume(setup, bytes).unwrap_err() {
        TrainingError::Checkpoint(error) => error,
        other => panic!("{other}"),
    };
    for change in [
        |s: &mut Setup| s.seed += 1,
        |s: &mut Setup| s.recipe.learning_rate = 0.02,
        |s: &mut Setup| s.data = "others".into(),
    ] {
        let mut other = setup();
        change(&mut other);
        assert_eq!(refused(other, &bytes), CheckpointError::Config);
    }
    let broken = refused(setup(), &bytes[..bytes.len() - 4]);
    assert!(matches!(broken, CheckpointError::File(FileError::Broken(_))));
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_its_code() {
    let (train, test) = (halves(30, 1), halves(10, 2));
    let mut trainer = Trainer::new(setup()).unwrap();
    trainer.state.network.variables_mut()[0].data[0] = f32::NAN;
    let error = trainer.run(&train, &test, &mut ()).unwrap_err();
    assert_eq!(error, TrainingError::NonFiniteLoss { epoch: 1, step: 1 });
    assert_eq!(error.code(), "non_finite_loss");
    assert_eq!(trainer.checkpoint(), None);
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let good = halves(10, 1);
    let refused = |train: &ImageSet, test: &ImageSet| {
        Trainer::new(setup()).unwrap().run(train, test, &mut ()).unwrap_err().code()
    };
    let empty = ImageSet::new(12, vec![], vec![]).unwrap();
    let small = ImageSet::new(2, vec![0; 12], vec![0]).unwrap();
    let label = ImageSet::new(12, vec![0; 432], vec![2]).unwrap();
    for bad in [&empty, &small, &label] {
        assert_eq!(refused(bad, &good), "invalid_data");
        assert_eq!(refused(&good, bad), "invalid_data");
    }
    let one_class = Setup { classes: 1, ..setup() };
    assert_eq!(Trainer::new(one_class).unwrap_err().code(), "invalid_recipe");
}

#[test]
fn layers_over_a_frozen_network_learn_to_tell_two_drawn_classes_apart() {
    let backbone = formula_backbone();
    let (train, test) = (
        halves_of(32, 24, 1).into_features(&backbone),
        halves_of(32, 12, 2).into_features(&backbone),
    );
    let recipe = Recipe {
        image_size: 32,
        epochs: 100,
        batch_size: 8,
        learning_rate: 0.003,
        ..mobilenet_v4_small()
    };
    let setup = Setup { recipe, ..setup() };
    let mut trainer = Trainer::new(setup.clone()).unwrap();
    let outcome = trainer.run(&train, &test, &mut ()).unwrap();
    assert!(outcome.test.accuracy >= 0.95, "{:?}", outcome.epochs);
    let refused =
        Trainer::new(setup).unwrap().run(&halves_of(32, 4, 1), &halves_of(32, 4, 2), &mut ());
    assert!(matches!(refused, Err(TrainingError::Data(_))));
}
