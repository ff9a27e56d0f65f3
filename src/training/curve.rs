//! The learning curve of a run as an SVG picture.

use std::fmt::Write;

use super::trainer::EpochSummary;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 56.0;

/// A line of the picture; colours are Okabe and Ito's, told apart by colour-blind readers, and each
/// line also has its own dashes.
struct Line {
    name: &'static str,
    colour: &'static str,
    dashes: &'static str,
    value: fn(&EpochSummary) -> f64,
}

const LINES: [Line; 3] = [
    Line { name: "train", colour: "#0072B2", dashes: "none", value: |e| e.train_accuracy },
    Line { name: "test", colour: "#D55E00", dashes: "none", value: |e| e.test_accuracy },
    Line {
        name: "running (dropout, augmented)",
        colour: "#007A5A",
        dashes: "6 4",
        value: |e| e.running_accuracy,
    },
];

/// Places epochs and accuracies on the canvas.
struct Scale {
    epochs: u32,
    lowest: f64,
}

impl Scale {
    fn of(epochs: &[EpochSummary]) -> Self {
        let values = epochs.iter().flat_map(|epoch| LINES.iter().map(|line| (line.value)(epoch)));
        let smallest = values.filter(|value| value.is_finite()).fold(0.9, f64::min);
        let lowest = (smallest * 10.0 - 1e-9).floor().clamp(0.0, 9.0) / 10.0;
        Self { epochs: epochs.last().map_or(1, |epoch| epoch.epoch).max(1), lowest }
    }

    fn x(&self, epoch: u32) -> f64 {
        let share = match self.epochs {
            1 => 0.5,
            epochs => f64::from(epoch.saturating_sub(1)) / f64::from(epochs - 1),
        };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value.clamp(self.lowest, 1.0) - self.lowest) / (1.0 - self.lowest);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// Draws accuracy against epoch for training set, test set and the running count, with axes,
/// legend and the title given. The picture has its own background, so it reads on any page.
pub fn svg(title: &str, epochs: &[EpochSummary]) -> String {
    let scale = Scale::of(epochs);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#333333\">\n\
         <title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"17\" font-weight=\"600\">{title}</text>\n",
        title = escape(title),
    );
    draw_axes(&mut out, &scale);
    draw_legend(&mut out, epochs);
    for line in &LINES {
        draw_line(&mut out, &scale, line, epochs);
    }
    if epochs.is_empty() {
        let (x, y) = (WIDTH / 2.0, HEIGHT / 2.0);
        push(
            &mut out,
            format_args!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">no epoch yet</text>"),
        );
    }
    out.push_str("</svg>\n");
    out
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a string cannot fail");
}

fn draw_axes(out: &mut String, scale: &Scale) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let step = if scale.lowest < 0.5 { 2 } else { 1 };
    let lowest = (scale.lowest * 10.0).round() as u32;
    for tenth in (lowest..=10).filter(|tenth| (10 - tenth) % step == 0) {
        let value = f64::from(tenth) / 10.0;
        let y = scale.y(value);
        push(
            out,
            format_args!(
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.1}</text>",
                LEFT - 8.0,
                y + 4.5,
            ),
        );
    }
    let step = tick_step(scale.epochs);
    let ticks = (1..=scale.epochs).filter(|epoch| *epoch == 1 || epoch % step == 0);
    for epoch in ticks {
        let x = scale.x(epoch);
        push(
            out,
            format_args!(
                "<line x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#333333\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{epoch}</text>",
                bottom + 5.0,
                bottom + 20.0,
            ),
        );
    }
    let (middle, centre) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
    push(
        out,
        format_args!(
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#333333\"/>\n\
         <text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">epoch</text>\n\
         <text transform=\"translate(18 {centre}) rotate(-90)\" text-anchor=\"middle\">accuracy</text>",
            HEIGHT - 12.0,
        ),
    );
}

/// The smallest of 1, 2, 5, 10, 20 … that leaves at most a dozen ticks.
fn tick_step(epochs: u32) -> u32 {
    let mut decade = 1;
    loop {
        for step in [decade, 2 * decade, 5 * decade] {
            if epochs / step <= 12 {
                return step;
            }
        }
        decade *= 10;
    }
}

fn draw_legend(out: &mut String, epochs: &[EpochSummary]) {
    let mut x = LEFT;
    for line in &LINES {
        let Line { name, colour, dashes, .. } = line;
        let last = epochs.last().map(|epoch| format!(" {:.3}", (line.value)(epoch)));
        let label = format!("{name}{}", last.unwrap_or_default());
        push(
            out,
            format_args!(
                "<line x1=\"{x}\" y1=\"51\" x2=\"{:.1}\" y2=\"51\" stroke=\"{colour}\" \
             stroke-width=\"2.5\" stroke-dasharray=\"{dashes}\"/>\
             <text x=\"{:.1}\" y=\"55.5\">{label}</text>",
                x + 26.0,
                x + 32.0,
            ),
        );
        x += 56.0 + 7.5 * label.len() as f64;
    }
}

fn draw_line(out: &mut String, scale: &Scale, line: &Line, epochs: &[EpochSummary]) {
    let Line { colour, dashes, .. } = line;
    let known = epochs.iter().filter(|epoch| (line.value)(epoch).is_finite());
    let points: Vec<_> =
        known.map(|epoch| (scale.x(epoch.epoch), scale.y((line.value)(epoch)))).collect();
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    push(
        out,
        format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" \
         stroke-linejoin=\"round\" stroke-dasharray=\"{dashes}\"/>",
            path.join(" "),
        ),
    );
    if points.len() <= 40 {
        for (x, y) in points {
            push(
                out,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"),
            );
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u32, accuracy: f64) -> EpochSummary {
        EpochSummary {
            epoch: number,
            running_accuracy: accuracy - 0.1,
            train_accuracy: accuracy + 0.02,
            train_loss: 1.0,
            test_accuracy: accuracy,
            test_loss: 1.0,
            seconds: 1.0,
            learning_rate: None,
        }
    }

    fn points(svg: &str) -> Vec<(f64, f64)> {
        let inside = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let pair = |text: &str| {
            let (x, y) = text.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        };
        inside.split_whitespace().map(pair).collect()
    }

    #[test]
    fn every_epoch_is_a_point_and_better_is_higher() {
        let epochs: Vec<_> = (1..=20).map(|n| epoch(n, 0.3 + 0.03 * f64::from(n))).collect();
        let points = points(&svg("run", &epochs));
        assert_eq!(points.len(), 20);
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1));
        assert!(
            points.iter().all(|(x, y)| (LEFT..=WIDTH).contains(x) && (TOP..HEIGHT).contains(y))
        );
    }

    #[test]
    fn titles_are_escaped_and_empty_or_broken_runs_still_draw() {
        let empty = svg("a <b> & \"c\"", &[]);
        assert!(
            empty.contains("a &lt;b&gt; &amp; &quot;c&quot;") && empty.contains("no epoch yet")
        );
        let broken = svg("one", &[epoch(1, f64::NAN)]);
        assert!(!broken.contains("points=\"NaN") && !broken.contains(",NaN"));
        assert_eq!(points(&svg("one", &[epoch(1, 0.5)])).len(), 1);
    }

    #[test]
    fn ticks_stay_few() {
        assert_eq!([1, 12, 20, 40, 100, 10_000].map(tick_step), [1, 1, 2, 5, 10, 1000]);
    }
}
