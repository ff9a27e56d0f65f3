"""The page that scripts/study writes about a set of photographs: figures as tables, the rules' picks in their own words,
Keras beside it."""

import csv
import math
import os
import pathlib
import statistics

from student import student

ORIGINAL = {
    "conv 32-64, dropout 0.5": (0.947, 0.891),
    "conv 32-64, dropout 0.25-0.5": (0.917, 0.852),
    "conv 32-64-128, dropout 0.5": (0.913, 0.890),
    "conv 32-64-128, dropout 0.25-0.5": (0.873, 0.860),
}
MEASURED = {
    "Test accuracy after the last epoch": "test_accuracy",
    "Test accuracy, mean of the last five epochs": "late_test_accuracy",
    "Training accuracy after the last epoch": "train_accuracy",
}
BESIDE = (
    "The same files, the same split, size, epochs, batch, optimiser and ranges of augmentation. Accuracy in evaluation mode:"
    " mean ± standard deviation over the seeds, and the lowest and the highest seed. The difference is shipshape minus Keras"
    " with its 95 % interval after Welch, over the seeds only: both sides have the same test pictures, and other pictures would move"
    " both. The last column says whether our mean reaches Keras' mean (*higher*), lies at most one standard deviation of Keras'"
    " seeds below it (*within*), or lies lower still (*below*)."
)
CURVES = (
    "The mean test accuracy of the seeds by epoch; the band reaches from our lowest to our highest seed. The first epochs may"
    " lie below the axis. Keras' mean is drawn here and not into the learning curves above, as those show one run each."
)
# Okabe and Ito's vermilion, as the service's pictures draw test accuracy, and a black.
INK, PALE, GRID, OURS, THEIRS = "#222222", "#5f6368", "#e4e6e9", "#D55E00", "#000000"
WIDE, TALL, ACROSS, DOWN = 246, 158, 300, 232
SHARES = (
    "32-64-128 with dropout 0.25-0.5, the same test pictures for all; every class keeps its share, the smaller shares are parts"
    " of the larger ones. As many epochs for each, so that fewer pictures also mean fewer steps."
)
RULES = {
    "best_test": "the best test accuracy",
    "smallest_gap": "the smallest gap, the original study's rule",
    "best_within_gap": "the best test accuracy among gaps of at most 3 points",
}


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    pairs = (line.partition(":") for line in lines)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    wide = "AVX-512" if "avx512f" in fields.get("flags", "").split() else "no AVX-512"
    return f"{os.cpu_count()} cores, {fields.get('model name', 'unknown processor')} (family {fields.get('cpu family')}, {wide})"


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |\n"


def head(*cells):
    return row(*cells) + "|---" * len(cells) + "|\n"


def percent(value):
    return f"{100 * value:.1f}"


def between(interval):
    return f"{percent(interval['estimate'])} ({percent(interval['low'])} to {percent(interval['high'])})"


def standings(experiment):
    """In the order of the grid."""
    found = experiment["selections"]["best_test"]["standings"]
    names = list(dict.fromkeys(run["name"] for run in experiment["runs"]))
    return sorted(found, key=lambda one: names.index(one["name"]))


def table(experiment):
    text = head("network", "train %", "test %", "test of each seed %", "gap in points", "verdict")
    for one in standings(experiment):
        seeds = ", ".join(percent(value) for value in one["test_of_runs"])
        text += row(one["name"], between(one["train"]), between(one["test"]), seeds, between(one["gap"]),
                    one["verdict"]["sentence"])
    return text


def picks(experiment):
    text = head("rule", "pick", "why, in the service's words")
    for rule, meaning in RULES.items():
        selection = experiment["selections"][rule]
        text += row(f"`{rule}`: {meaning}", selection["pick"] or "none", selection["why"])
    return text


def difference(experiment):
    """What separates the rule's pick from the others, on the same test pictures."""
    text = ""
    selection = experiment["selections"]["best_test"]
    for one in selection["standings"]:
        if one["behind_pick"]:
            interval, p = one["behind_pick"]["interval"], one["corrected_p"]
            told = "cannot be told apart" if one["tied"] else "can be told apart"
            text += f"* {selection['pick']} minus {one['name']}: {between(interval)} points, corrected p {p:.3f}: {told}.\n"
    return text


def section(data, what, title, words):
    stem = f"{data['set']}/{what.replace(' ', '-')}"
    experiment = data["experiments"][what]
    return (f"\n## {title}\n\n{words}\n\n{table(experiment)}\n![{title}: accuracies and gaps]({stem}-comparison.svg)\n\n"
            f"Differences in test accuracy, 95 % interval over pictures and seeds:\n\n{difference(experiment)}\n"
            f"Learning curves of all runs: [{stem}-curves.svg]({stem}-curves.svg), as data "
            f"[{stem}-curves.csv]({stem}-curves.csv).\n")


def original(data):
    text = head("network", "original study, train", "test", "here, train", "test")
    for one in standings(data["experiments"]["the four networks"]):
        if one["name"] in ORIGINAL:
            train, test = ORIGINAL[one["name"]]
            text += row(one["name"], f"{train:.3f}", f"{test:.3f}", f"{one['train']['estimate']:.3f}",
                        f"{one['test']['estimate']:.3f}")
    return text


def ours(data, net):
    """Our test accuracies of a network that Keras trained too."""
    conv, dropout = ("-".join(map(str, numbers)) for numbers in net)
    names = [(f"conv {conv}, dropout {dropout}", "the four networks"), (f"dropout {dropout}", "a third dropout layer")]
    for name, what in names:
        runs = data["experiments"].get(what, {"runs": []})["runs"]
        found = [run for run in runs if run["name"] == name]
        if found:
            return f"conv {conv}, dropout {dropout}", found
    return name, []


def beside(data):
    """The networks that Keras trained: name, our runs, its runs."""
    nets = list(dict.fromkeys((tuple(one["conv"]), tuple(one["dropout"])) for one in data["keras"]))
    for net in nets:
        theirs = [one for one in data["keras"] if (tuple(one["conv"]), tuple(one["dropout"])) == net]
        yield *ours(data, net), theirs


def welch(ours, theirs):
    """The difference of two means in points with its 95 % interval (Welch 1947, Biometrika 34: 28-35)."""
    apart = statistics.mean(ours) - statistics.mean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return f"{100 * apart:+.1f}"
    parts = [(statistics.variance(side) / len(side), len(side) - 1) for side in (ours, theirs)]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return f"{100 * apart:+.1f}"
    half = student(variance**2 / sum(part**2 / freedom for part, freedom in parts)) * math.sqrt(variance)
    return f"{100 * apart:+.1f} ({100 * (apart - half):+.1f} to {100 * (apart + half):+.1f})"


def against(ours, theirs):
    apart = statistics.mean(ours) - statistics.mean(theirs)
    spread = statistics.stdev(theirs) if len(theirs) > 1 else 0
    return "higher" if apart >= 0 else "within" if apart >= -spread else "below"


def seeds_of(side):
    deviation = f" ± {percent(statistics.stdev(side))}" if len(side) > 1 else ""
    return f"{percent(statistics.mean(side))}{deviation} ({percent(min(side))} to {percent(max(side))})"


def keras(data):
    if not data["keras"]:
        return ""
    versions = data["keras"][0]["versions"]
    text = f"\n## Beside it: Keras {versions['keras']} on TensorFlow {versions['tensorflow']}\n\n{BESIDE}\n"
    for measured, key in MEASURED.items():
        text += f"\n{measured}:\n\n"
        text += head("network", "seeds, shipshape and Keras", "shipshape %", "Keras %", "difference in points",
                     "against Keras' seeds")
        for name, *sides in beside(data):
            counts = " and ".join(str(len(side)) for side in sides)
            ours, theirs = ([run[key] for run in side] for side in sides)
            told = against(ours, theirs) if key != "train_accuracy" else ""
            text += row(name, counts, seeds_of(ours), seeds_of(theirs), welch(ours, theirs), told)
    picture = f"{data['set']}/keras-curves.svg"
    return f"{text}\n{CURVES}\n\n![Mean test accuracy by epoch, shipshape and Keras]({picture})\n"


def test_curves(files):
    """The test accuracy by epoch of the runs in these `curves.csv`, by the run's name without its seed."""
    runs = {}
    for file in files:
        with file.open(newline="") as lines:
            for line in csv.DictReader(lines):
                runs.setdefault((file, line["run"]), []).append(float(line["test_accuracy"]))
    found = {}
    for (file, run), curve in runs.items():
        found.setdefault((file, run.partition(" · ")[0]), []).append(curve)
    return {name: curves for (_, name), curves in found.items()}


def label(x, y, text, anchor="start", size=12, colour=PALE, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{text}</text>\n')


def line(points, colour, width, dashes="none"):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dashes}" stroke-linejoin="round" stroke-linecap="round"/>\n')


def panel(left, top, name, ours, theirs, limits):
    """One network: our mean and our seeds' band, Keras' mean; accuracy within `limits`, in tenths."""
    low, high = limits
    epochs = len(theirs[0])

    def at(epoch, accuracy):
        return left + WIDE * epoch / max(epochs - 1, 1), top + TALL * (high - 10 * accuracy) / (high - low)

    def along(pick, curves):
        return [at(epoch, pick(values)) for epoch, values in enumerate(zip(*curves, strict=True))]

    text = label(left, top - 8, name, colour=INK, weight="bold")
    for tenth in range(low, high + 1):
        x, y = at(0, tenth / 10)
        text += line([(x, y), (x + WIDE, y)], GRID, 1) + label(left - 8, y + 4, f"{tenth / 10:.1f}", "end")
    for epoch in sorted({1, *range(5, epochs + 1, 5)}):
        x, y = at(epoch - 1, low / 10)
        text += line([(x, y), (x, top)], GRID, 1) + label(x, y + 18, epoch, "middle")
    band = along(min, ours) + along(max, ours)[::-1]
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in band)
    inside = f"panel-{left}-{top}"
    text += f'<clipPath id="{inside}"><rect x="{left}" y="{top}" width="{WIDE}" height="{TALL}"/></clipPath>\n'
    text += f'<g clip-path="url(#{inside})">\n<polygon points="{places}" fill="{OURS}" fill-opacity="0.15"/>\n'
    text += line(along(statistics.mean, ours), OURS, 2.6) + line(along(statistics.mean, theirs), THEIRS, 1.3, "5 4") + "</g>\n"
    text += line([at(0, low / 10), at(epochs - 1, low / 10)], INK, 1)
    counts = f"shipshape {len(ours)} seeds, Keras {len(theirs)}"
    return text + label(left + WIDE - 3, top + TALL - 8, counts, "end")


def keras_picture(data, curves):
    """The mean test curves of both sides as SVG, a panel per network; `curves` as of test_curves. The axis reaches from the
    lowest to the highest accuracy behind the first fifth of the epochs, whose rise would flatten the rest."""
    panels = [(name, curves[runs[0]["name"]], [one["test_curve"] for one in theirs])
              for name, runs, theirs in beside(data) if runs]
    values = [value for _, ours, theirs in panels for curve in ours + theirs for value in curve[len(curve) // 5:]]
    limits = math.floor(10 * min(values)), math.ceil(10 * max(values))
    width, height = 24 + 3 * ACROSS + 6, 94 + DOWN * -(-len(panels) // 3) - 24
    title = f"{data['set']}: test accuracy by epoch, shipshape and Keras"
    text = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f"role=\"img\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">\n<title>{title}</title>\n"
            f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>\n')
    text += label(24, 32, title, size=17, colour=INK, weight="bold")
    text += line([(24, 49), (54, 49)], OURS, 2.6) + label(60, 53, "shipshape, mean; band: lowest to highest seed", size=13)
    text += line([(400, 49), (430, 49)], THEIRS, 1.3, "5 4") + label(436, 53, "Keras, mean", size=13)
    for number, (name, *sides) in enumerate(panels):
        text += panel(60 + number % 3 * ACROSS, 94 + number // 3 * DOWN, name, *sides, limits)
    return text + "</svg>\n"


def repeats(data):
    """Runs of one recipe and seed that were trained in two experiments: whether they gave one model."""
    names = {"conv 32-64-128, dropout 0.25-0.5", "dropout 0.25-0.5", "train_fraction 1.0"}
    models = {}
    for experiment in data["experiments"].values():
        for run in experiment["runs"]:
            if run["name"] in names:
                models.setdefault(run["seed"], []).append(run["sha256"])
    if len(data["experiments"]) < 2 or not models:
        return ""
    told = {True: "each time the same model file", False: "NOT each time the same model file"}
    equal = all(len(set(files)) == 1 for files in models.values())
    return (f"\n32-64-128 with dropout 0.25-0.5 was trained {len(data['experiments'])} times with each seed, once per "
            f"experiment, and gave {told[equal]}.\n")


def page(data):
    """The page as Markdown."""
    counts, size = data["counts"], data["image_size"]
    classes = ", ".join(data["classes"])
    text = (f"# The {data['set']} photographs\n\n"
            f"{len(data['classes'])} classes ({classes}); {counts['train']} pictures to train on, {counts['test']} held out, "
            f"split by seed {data['split_seed']}, {data['leaks']} near-duplicates across the split. {size}×{size} pixels, "
            f"{data['epochs']} epochs, batch 32, Adam at 0.001, shear to 10°, zoom 0.8 to 1.2, mirror; seeds "
            f"{', '.join(map(str, data['seeds']))}. {machine()}.\n\n"
            "Both accuracies are measured after the last epoch in evaluation mode: dropout off, no augmentation. Intervals are "
            "95 %, over pictures and seeds. All figures: "
            f"[{data['set']}/results.json]({data['set']}/results.json). Written by `scripts/study`.\n")
    known = data["experiments"]
    if "the four networks" in known:
        text += section(data, "the four networks", "The four networks", original(data))
        text += f"\nWhat each rule picks:\n\n{picks(known['the four networks'])}"
        stem = f"{data['set']}/the-four-networks-pick"
        text += (f"\nThe first run of the most accurate network: [curve]({stem}-curve.svg), "
                 f"[confusion]({stem}-confusion.svg), [reliability]({stem}-reliability.svg).\n")
    if "a third dropout layer" in known:
        text += section(data, "a third dropout layer", "A third dropout layer on 32-64-128",
                        "The third layer stands between the second and the third block, rate 0.25.")
    if "more data" in known:
        text += section(data, "more data", "More data: a quarter, a half and all of the training pictures", SHARES)
    return text + repeats(data) + keras(data)
