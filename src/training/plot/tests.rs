//! What every picture must keep: valid SVG, nothing outside the border, names of any length.

use resvg::usvg::roxmltree::Document;

use super::text::{fit, shrink, width};
use super::*;
use crate::training::comparison::{Contender, Rule, Sample, select};
use crate::training::evaluation::Calibration;
use crate::training::prediction::Prediction;
use crate::training::trainer::EpochSummary;

fn epoch(number: u32, accuracy: f64) -> EpochSummary {
    EpochSummary {
        epoch: number,
        running_accuracy: accuracy - 0.1,
        train_accuracy: accuracy + 0.02,
        train_loss: 1.0 - accuracy,
        test_accuracy: accuracy,
        test_loss: 1.1 - accuracy,
        seconds: 1.0,
        learning_rate: None,
    }
}

const LONG: &str = "a very long <class> name & \"more\" of it, longer than any picture is wide by far, \
                    and then some words to be sure of it";

fn selection() -> crate::training::comparison::Selection {
    let contender = |(index, right): (usize, usize)| {
        let answers = |right: usize| (0..400).map(|i| i < right).collect::<Vec<bool>>();
        let name = if index == 1 { LONG.to_owned() } else { format!("recipe {index}") };
        let train = Sample::of_runs(&[answers(right + 30), answers(right + 20)]).unwrap();
        let test = Sample::of_runs(&[answers(right), answers(right - 5)]).unwrap();
        Contender::new(name, train, test).unwrap()
    };
    let contenders: Vec<_> = [300, 360, 358].into_iter().enumerate().map(contender).collect();
    select(&contenders, Rule::BestTest, 0.5).unwrap()
}

/// All pictures, with classes of long names and with none of what they show.
fn pictures() -> Vec<String> {
    let epochs: Vec<_> = (1..=20).map(|n| epoch(n, 0.3 + 0.03 * f64::from(n))).collect();
    let broken = [epoch(1, 0.5), epoch(2, f64::NAN)];
    let prediction = |i: i32| Prediction {
        label: i % 2,
        predicted: i / 3 % 2,
        probability: 0.5 + (i % 50) as f32 / 100.0,
    };
    let predictions: Vec<_> = (0..200).map(prediction).collect();
    let curve = |name: &str, epochs: &[EpochSummary], kept| Curve {
        name: name.to_owned(),
        epochs: epochs.to_vec(),
        kept,
    };
    let runs: Vec<_> = (0..5).map(|_| curve(LONG, &epochs, Some(20))).collect();
    let mut pictures = vec![
        curve_svg(&curve(LONG, &epochs, Some(15))),
        curve_svg(&curve(LONG, &epochs, None)),
        curve_svg(&curve("no epoch", &[], None)),
        curve_svg(&curve("broken", &broken, Some(2))),
        curves_svg(LONG, &runs),
        curves_svg("none", &[]),
        comparison_svg(LONG, &selection()),
        reliability_svg(LONG, &Calibration::of(&predictions)),
        reliability_svg("none", &Calibration::of(&[])),
    ];
    for classes in [1, 2, 7, 40] {
        let names: Vec<_> = (0..classes).map(|index| format!("{index} {LONG}")).collect();
        let row =
            |row| (0..classes).map(|column| if row == column { 12_345 } else { 678 }).collect();
        let counts: Vec<Vec<i64>> = (0..classes).map(row).collect();
        pictures.push(confusion_svg(LONG, &names, &counts));
    }
    pictures
}

/// Left, top, right and bottom of each drawn thing.
fn boxes(svg: &str) -> Vec<[f64; 4]> {
    let document = Document::parse(svg).unwrap();
    let mut boxes = Vec::new();
    for node in document.descendants() {
        let number = |name: &str| node.attribute(name).map_or(0.0, |value| value.parse().unwrap());
        let (x, y) = (number("x"), number("y"));
        match node.tag_name().name() {
            "text" => {
                let bold = node.attribute("font-weight").is_some();
                let wide = width(node.text().unwrap(), number("font-size"), bold);
                let start = match node.attribute("text-anchor").unwrap() {
                    "middle" => wide / 2.0,
                    "end" => wide,
                    _ => 0.0,
                };
                boxes.push(match node.attribute("transform") {
                    None => [x - start, y - 10.0, x - start + wide, y],
                    Some(_) => [x - 10.0, y - wide + start, x, y + start],
                });
            }
            "rect" => boxes.push([x, y, x + number("width"), y + number("height")]),
            "circle" => boxes.push([number("cx"), number("cy"), number("cx"), number("cy")]),
            "polyline" | "polygon" => {
                for pair in node.attribute("points").unwrap().split(' ') {
                    let (x, y) = pair.split_once(',').unwrap();
                    let (x, y) = (x.parse().unwrap(), y.parse().unwrap());
                    boxes.push([x, y, x, y]);
                }
            }
            _ => {}
        }
    }
    boxes
}

#[test]
fn nothing_lies_outside_the_picture_however_long_the_names() {
    for svg in pictures() {
        let document = Document::parse(&svg).unwrap();
        let size = |name| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
        let (right, bottom) = (size("width") + 0.1, size("height") + 0.1);
        for [x, y, far, low] in boxes(&svg) {
            assert!(
                x >= -0.1 && y >= -0.1 && far <= right && low <= bottom,
                "{x} {y} {far} {low} outside {right} × {bottom}: {svg}"
            );
        }
    }
}

#[test]
fn every_picture_becomes_a_png_of_its_size_with_its_text() {
    for svg in pictures() {
        let bytes = png(&svg, 0.5).unwrap();
        let drawn = image::load_from_memory(&bytes).unwrap().into_rgba8();
        let dark = drawn.pixels().filter(|pixel| pixel.0[0] < 120 && pixel.0[3] > 200).count();
        assert!(dark > 40, "{dark} dark pixels: the title is not drawn");
    }
    assert!(png("<svg", 1.0).is_err() && png(&pictures()[0], 1000.0).is_err());
    assert!(png(&pictures()[0], 0.0).is_err() && png(&pictures()[0], f32::NAN).is_err());
}

#[test]
fn a_curve_has_every_epoch_better_is_higher_and_the_kept_one_is_marked() {
    let mut epochs: Vec<_> = (1..=20).map(|n| epoch(n, 0.3 + 0.03 * f64::from(n))).collect();
    epochs[11].test_accuracy = 0.97;
    let curve = |kept| Curve { name: "run".to_owned(), epochs: epochs.clone(), kept };
    let svg = curve_svg(&curve(Some(15)));
    assert!(svg.contains(">kept: epoch 15<"), "{svg}");
    let said = "kept: epoch 15, test accuracy 75.0 %, gap 2.0 points; highest 97.0 % in epoch 12";
    assert!(svg.contains(said), "{svg}");
    assert!(curve_svg(&curve(None)).contains("so far: epoch 20, test accuracy 90.0 %"));
    assert!(curves_svg("runs", &[curve(Some(15))]).contains("epoch 15: 75.0 %, gap 2.0"));
    let document = Document::parse(&svg).unwrap();
    let train = document.descendants().find(|node| node.attribute("stroke") == Some("#0072B2"));
    let points: Vec<(f64, f64)> = train
        .and_then(|node| node.attribute("points"))
        .unwrap()
        .split(' ')
        .map(|pair| pair.split_once(',').unwrap())
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    assert_eq!(points.len(), 20);
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1));
    assert_eq!(curve_csv(&epochs).lines().count(), 21);
}

#[test]
fn a_cell_of_the_confusion_names_its_classes_for_a_page_to_follow() {
    let names = ["cruiser".to_owned(), "a <b>".to_owned()];
    let svg = confusion_svg("run", &names, &[vec![9, 1], vec![0, 0]]);
    let cells = Document::parse(&svg).unwrap();
    let cell = cells.descendants().find(|node| node.attribute("data-predicted") == Some("a <b>"));
    let said = cell.unwrap().first_element_child().unwrap().text().unwrap().to_owned();
    assert_eq!(said, "cruiser taken for a <b>: 1 (10.0 %)");
    assert!(svg.contains("9 of 10 right (90.0 %); most often: cruiser taken for a &lt;b&gt; (1)"));
    assert_eq!(
        confusion_csv(&names, &[vec![9, 1], vec![0, 0]]).lines().nth(2),
        Some("cruiser,a <b>,1,0.1")
    );
}

#[test]
fn numbers_stand_out_from_every_colour() {
    let names = ["a".to_owned(), "b".to_owned()];
    for right in 0..=20 {
        let svg = confusion_svg("run", &names, &[vec![right, 20 - right], vec![20 - right, right]]);
        let cells = Document::parse(&svg).unwrap();
        for cell in cells.descendants().filter(|node| node.has_attribute("data-class")) {
            let fill = |name| cell.children().find(|n| n.has_tag_name(name))?.attribute("fill");
            let (ground, Some(ink)) = (fill("rect").unwrap(), fill("text")) else { continue };
            assert!(contrast(ground, ink) > 4.5, "{ink} on {ground}: {}", contrast(ground, ink));
        }
    }
}

/// The contrast ratio of two colours such as `#08a0f0`, by WCAG 2.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        [(1, 0.2126), (3, 0.7152), (5, 0.0722)].map(|(at, weight)| {
            let channel = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
            let share = f64::from(channel) / 255.0;
            weight
                * if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        })
    };
    let sum = |colour| luminance(colour).iter().sum::<f64>() + 0.05;
    (sum(one) / sum(other)).max(sum(other) / sum(one))
}

#[test]
fn a_comparison_has_a_row_of_csv_per_recipe_and_quotes_names() {
    let csv = comparison_csv(&selection());
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.lines().nth(1).unwrap().starts_with("\"a very long <class> name & \"\"more\"\""));
}

#[test]
fn text_that_does_not_fit_ends_in_an_ellipsis() {
    assert_eq!(fit("short", 13.0, false, 100.0), "short");
    let cut = fit("Type 052 destroyer of the first series", 13.0, false, 120.0);
    assert!(cut.ends_with('…') && width(&cut, 13.0, false) <= 120.0, "{cut}");
    let seed = fit("conv 32-64-128, dropout 0.25-0.5 · seed 8", 10.0, true, 180.0);
    assert!(seed.ends_with("… · seed 8") && width(&seed, 10.0, true) <= 180.0, "{seed}");
    let long = fit("one · and something very long behind the dot", 10.0, false, 90.0);
    assert!(long.starts_with("one · and") && long.ends_with('…'), "{long}");
    for text in ["anything", "anything · at all"] {
        assert_eq!(fit(text, 13.0, false, 1.0), "…");
    }
    let name = "32-64-128 · seed 1";
    for (space, size, whole) in [(500.0, 13.0, true), (115.0, 10.0, true), (80.0, 10.0, false)] {
        let (text, chosen) = shrink(name, [13.0, 10.0], false, space);
        assert_eq!((chosen.to_bits(), text == name), (f64::to_bits(size), whole), "{text}");
    }
}
