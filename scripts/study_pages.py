"""The page that scripts/study writes about a set of photographs: figures as tables, the rules' picks in their own words."""

import os
import pathlib
import statistics

ORIGINAL = {
    "conv 32-64, dropout 0.5": (0.947, 0.891),
    "conv 32-64, dropout 0.25-0.5": (0.917, 0.852),
    "conv 32-64-128, dropout 0.5": (0.913, 0.890),
    "conv 32-64-128, dropout 0.25-0.5": (0.873, 0.860),
}
MEASURED = {
    "test, mean of the last five epochs": "late_test_accuracy", "test, last epoch": "test_accuracy",
    "train, last epoch": "train_accuracy",
}
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


def keras(data):
    if not data["keras"]:
        return ""
    versions = data["keras"][0]["versions"]
    text = (f"\n## Beside it: Keras {versions['keras']} on TensorFlow {versions['tensorflow']}\n\n"
            "The same files, the same split, size, epochs, batch, optimiser and ranges of augmentation, as many seeds. Accuracy in"
            " evaluation mode: mean over the seeds, and the lowest and the highest seed. A single epoch swings by several points,"
            " so the mean of the last five says more.\n\n")
    text += head("network", "measured", "shipshape %", "Keras %", "difference of the means in points")
    nets = list(dict.fromkeys((tuple(one["conv"]), tuple(one["dropout"])) for one in data["keras"]))
    for net in nets:
        theirs = [one for one in data["keras"] if (tuple(one["conv"]), tuple(one["dropout"])) == net]
        name, runs = ours(data, net)
        for measured, key in MEASURED.items():
            sides = [[run[key] for run in side] for side in (runs, theirs)]
            spread = [f"{percent(statistics.mean(side))} ({percent(min(side))} to {percent(max(side))})" for side in sides]
            apart = statistics.mean(sides[0]) - statistics.mean(sides[1])
            text += row(name, measured, *spread, f"{100 * apart:+.1f}")
    return text


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
