/** Experiments of the chosen dataset: recipes side by side, which one a rule picks, and why. */

import { all, get, post } from "./api.js";
import { byId, capital, command, count, curl, el, plural, press, say, setOptions, setText, share } from "./dom.js";
import { currentDataset, news, shared, tell } from "./state.js";

/** Milliseconds after which the experiments are read anew when a run begins or ends: several do so together. */
const CALM = 700;
const NAME = {
  best_test: "best test accuracy",
  smallest_gap: "smallest gap",
  best_within_gap: "best test accuracy, gap at most",
};

let experiments = [];
let turn = 0;
let waiting = null;
/** What stands there, as text; what has not changed keeps its nodes. */
let shown = "";

export function mount() {
  setOptions(byId("experiment-rule"), Object.entries(NAME));
  for (const id of ["experiment-picker", "experiment-rule", "experiment-limit"]) byId(id).addEventListener("change", show);
  news.addEventListener("dataset", load);
  news.addEventListener("job", ({ detail: { kind, job, before } }) => {
    if (kind !== "training-runs" || !job.experiment_id || job.dataset_id !== shared.current) return;
    // How far it is stands elsewhere.
    if (before?.status === job.status) return;
    waiting ??= setTimeout(() => {
      waiting = null;
      load();
    }, CALM);
  });
}

async function load() {
  const mine = ++turn;
  if (!shared.current) return;
  try {
    const found = await all("/experiments", { dataset_id: shared.current });
    if (mine !== turn) return;
    experiments = found;
    await show();
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

/** How far an experiment is. */
function state({ runs, unfinished, succeeded }) {
  if (unfinished > 0) return `${count(unfinished)} of ${plural(runs, "run")} to go`;
  return succeeded === runs ? `${plural(runs, "run")} done` : `${count(succeeded)} of ${plural(runs, "run")} succeeded`;
}

function label(experiment) {
  const format = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return `${experiment.name} · ${state(experiment)} · ${new Date(experiment.created_at).toLocaleString(undefined, format)}`;
}

async function show() {
  const mine = ++turn;
  const picker = byId("experiment-picker");
  setOptions(picker, experiments.map((one) => [one.id, label(one)]));
  const experiment = experiments.find(({ id }) => id === picker.value);
  byId("experiment-controls").hidden = !experiment;
  const rule = byId("experiment-rule").value;
  byId("experiment-limit-label").hidden = rule !== "best_within_gap";
  if (!experiment) {
    shown = "";
    byId("experiment").replaceChildren(...empty());
    return;
  }
  const field = byId("experiment-limit");
  if (rule === "best_within_gap" && (!field.validity.valid || field.value === "")) {
    say("The largest gap: a number of points from 0 to 100.", { failed: true });
    return;
  }
  const query = { rule, limit: rule === "best_within_gap" ? field.valueAsNumber / 100 : null };
  try {
    const found = await get(`/experiments/${experiment.id}`, query);
    // How far a run is stands elsewhere: it is no reason to draw this anew.
    const results = found.items.map(({ id, status, test_accuracy: test }) => [id, status, test]);
    const text = JSON.stringify([experiment.id, results, found.selection, query]);
    if (mine !== turn || text === shown) return;
    shown = text;
    byId("experiment").replaceChildren(...parts(found, query));
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

function empty() {
  const quiet = (text) => el("p", { className: "quiet" }, text);
  if (!currentDataset()) return [quiet("Recipes that were trained side by side are compared here.")];
  const body = { snapshot_id: "SNAPSHOT_ID", seeds: [1, 2, 3], grid: { conv: [[32, 64], [32, 64, 128]] } };
  const words = "No experiment yet. Train several recipes, each with several seeds, and compare them:";
  return [el("p", {}, words), command(curl("/training-runs", body))];
}

function parts({ id, items, selection, ...experiment }, { rule, limit }) {
  const why = el("p", { className: "experiment-why" });
  setText(why, selection ? selection.why : `No run has succeeded yet: ${state(experiment)}.`);
  const beware = (selection?.caveats ?? []).map((one) => el("li", {}, `${capital(one)}.`));
  const caveats = beware.length ? el("ul", { className: "quiet small" }, beware) : null;
  const table = recipes(items, selection);
  const acts = el("p", { className: "acts" }, verbs(id, experiment));
  if (!selection) return [why, acts, table];
  const search = new URLSearchParams(limit === null ? { rule } : { rule, limit });
  const source = `/experiments/${id}/pictures/comparison.svg?${search}`;
  const alt = `The recipes compared: ${selection.why}`;
  const picture = el("img", { className: "plot", loading: "lazy", alt, src: source });
  const href = `/experiments/${id}/pictures/curves.svg`;
  const curves = el("a", { className: "small", href }, "The learning curves as a picture");
  // On a narrow screen it is small: it opens alone.
  return [why, ...(caveats ? [caveats] : []), acts, el("a", { href: source }, picture), table, curves];
}

/** Buttons for what can be done with its runs together. */
function verbs(id, { runs, unfinished, succeeded }) {
  const act = (name, verb, told) => {
    const button = el("button", { type: "button", className: "small" }, name);
    const run = async () => {
      await post(`/experiments/${id}/${verb}`);
      say(told);
      await load();
    };
    button.addEventListener("click", () => press(button, run));
    return button;
  };
  const stopped = runs - unfinished - succeeded;
  return [
    ...(unfinished ? [act(`Cancel ${plural(unfinished, "run")}`, "cancel", "Cancelled. What has ended stays.")] : []),
    ...(stopped ? [act(`Go on with ${plural(stopped, "run")}`, "retry", "They go on where they stopped.")] : []),
  ];
}

const range = ({ estimate, low, high }, show) => [
  show(estimate),
  el("span", { className: "quiet small" }, ` ${show(low)} to ${show(high)}`),
];
const points = (value) => (value * 100).toFixed(1).replace("-", "−");

function recipes(items, selection) {
  const standings = selection?.standings ?? [];
  const known = new Set(standings.map(({ name }) => name));
  const others = [...new Set(items.map(({ name }) => name))].filter((name) => !known.has(name)).map((name) => ({ name }));
  const head = ["Recipe", "Test accuracy", "Gap in points", "What the gap says", "Runs"];
  const rows = [...standings, ...others].map((one) => recipe(one, selection, items.filter(({ name }) => name === one.name)));
  const table = el(
    "table",
    { className: "recipes" },
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows),
  );
  return el("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Recipes" } }, table);
}

/** A row: what is known of a recipe, and its runs. */
function recipe({ name, test, gap, verdict, eligible, tied }, selection, runs) {
  const pick = selection?.pick === name;
  const mark = pick ? ["pick", "good"] : tied ? ["tied", "warn"] : eligible === false ? ["not admitted by the rule", ""] : null;
  return el(
    "tr",
    { className: pick ? "picked" : "" },
    el("th", { scope: "row" }, name, " ", mark ? el("span", { className: `chip ${mark[1]}` }, mark[0]) : null),
    el("td", {}, test ? range(test, share) : "–"),
    el("td", {}, gap ? range(gap, points) : "–"),
    el("td", { title: verdict?.advice ?? "" }, verdict?.sentence ?? "–"),
    el("td", {}, el("span", { className: "acts" }, runs.map(link))),
  );
}

/** A button that shows a run in its section. */
function link(run) {
  const result = run.test_accuracy != null ? share(run.test_accuracy) : run.status;
  const button = el("button", { type: "button", className: "small" }, `seed ${run.seed}: ${result}`);
  button.setAttribute("aria-label", `Show the run of ${run.name} with seed ${run.seed}`);
  button.addEventListener("click", () => tell("run", { id: run.id }));
  return button;
}
