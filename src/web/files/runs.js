/** Training runs of the chosen dataset: curve, accuracies, and the model of each. */

import { all, get, post } from "./api.js";
import { Curve } from "./curve.js";
import { byId, command, curl, el, press, say, setOptions, setText, share } from "./dom.js";
import { inWords, network } from "./recipe.js";
import { report } from "./report.js";
import { retraining } from "./retraining.js";
import { currentDataset, news, refreshModels, shared } from "./state.js";
import { active } from "./steering.js";

let runs = [];
let turn = 0;
let parts = null;

export function mount() {
  byId("run-picker").addEventListener("change", show);
  news.addEventListener("dataset", load);
  news.addEventListener("run", ({ detail }) => pick(detail.id));
  news.addEventListener("models", () => parts && show());
  news.addEventListener("datasets", () => shared.datasets.length === 0 && show(), { once: true });
  news.addEventListener("job", ({ detail: { kind, job } }) => {
    if (kind !== "training-runs" || job.dataset_id !== shared.current) return;
    const known = runs.findIndex((run) => run.id === job.id);
    if (known < 0) load();
    else {
      runs[known] = job;
      show();
    }
  });
}

async function load() {
  const mine = ++turn;
  if (!shared.current) return;
  try {
    const found = await all("/training-runs", { dataset_id: shared.current });
    if (mine !== turn) return;
    runs = found;
    show();
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

/** Shows this run, and goes there. */
async function pick(id) {
  if (!runs.some((run) => run.id === id)) await load();
  byId("run-picker").value = id;
  show();
  byId("training").scrollIntoView();
  byId("run-picker").focus({ preventScroll: true });
}

const label = (run) => {
  const time = new Date(run.created_at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const result = run.test_accuracy != null ? `test ${share(run.test_accuracy)}` : run.status;
  return `${result} · ${network(run.recipe)} · ${time}`;
};

function show() {
  byId("run-label").hidden = runs.length === 0;
  if (runs.length === 0) {
    parts = null;
    byId("run").replaceChildren(...empty());
    return;
  }
  const picker = byId("run-picker");
  setOptions(picker, runs.map((run) => [run.id, label(run)]));
  parts ??= build();
  update(runs.find((run) => run.id === picker.value) ?? runs[0]);
}

function empty() {
  const dataset = currentDataset();
  if (!dataset) return [el("p", { className: "quiet" }, "Each run shows its learning curve here.")];
  const freeze = curl(`/datasets/${dataset.id}/snapshots`, { test_fraction: 0.2, seed: 1 });
  const train = curl("/training-runs", { snapshot_id: "SNAPSHOT_ID", seed: 1, recipe: { epochs: 20 } });
  const first = el("p", {}, "No training run yet. Freeze the dataset, then train on the snapshot:");
  return [first, command(freeze), command(train)];
}

function build() {
  const curve = new Curve();
  const figures = el("dl", { className: "figures" });
  const recipe = el("p", { className: "quiet small" });
  const error = el("p", { className: "error" });
  const use = el("button", { type: "button", className: "good", onclick: activate }, "Use this model");
  const state = el("span", { className: "quiet" });
  const body = el("tbody");
  const head = ["Epoch", "Train", "Test", "Running", "Test loss", "Seconds"];
  const picture = el("a", { className: "small" }, "The curve as a picture");
  const table = el(
    "details",
    {},
    el("summary", {}, "The curve as numbers"),
    el("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Epochs" } },
      el("table", {}, el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))), body)),
  );
  const model = el("p", { className: "use" }, use, state);
  const judged = report();
  const again = retraining();
  const more = el("div", { className: "more-of-it" }, table, picture);
  byId("run").replaceChildren(figures, judged.node, curve.node, recipe, error, model, again.node, judged.more, more);
  return { curve, figures, recipe, error, use, state, judged, again, body, picture, shown: "", last: null };
}

function update(run) {
  const { recipe, error, use, state } = parts;
  const wanted = `${run.id} ${run.epoch}`;
  if (parts.shown !== wanted) {
    parts.shown = wanted;
    parts.picture.href = `/training-runs/${run.id}/curve.svg`;
    if (parts.last?.run !== run.id) {
      parts.last = null;
      parts.curve.show([], run.epochs);
    }
    epochs(run);
  }
  setText(recipe, `${inWords(run.recipe)}, seed ${run.seed}`);
  setText(error, run.error ? `${run.error.message || run.error.code} (${run.error.code})` : "");
  const model = shared.models?.find((model) => model.id === run.model_id);
  use.hidden = !run.model_id || Boolean(model?.default);
  use.dataset.model = run.model_id ?? "";
  const answers = model?.active ? "It answers when the dataset is named." : "";
  const idle = active(run) ? "The model comes at the end of the run." : "";
  setText(state, model?.default ? "Its model answers the photos." : answers || idle);
  state.classList.toggle("answering", Boolean(model?.default));
  figures(run);
  parts.judged.show(run);
  parts.again.show(run);
}

function figures(run) {
  const last = parts.last?.epoch;
  const value = (one) => (one == null ? "–" : share(one));
  const train = run.train_accuracy ?? last?.train_accuracy;
  const test = run.test_accuracy ?? last?.test_accuracy;
  const gap = train != null && test != null ? train - test : null;
  const shown = [
    ["Train accuracy", value(train)],
    ["Test accuracy", value(test)],
    ["Gap", gap == null ? "–" : `${(gap * 100).toFixed(1)} points`],
    ["Epochs", `${run.epoch} of ${run.epochs}`],
  ];
  const cells = shown.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)));
  parts.figures.replaceChildren(...cells);
}

async function epochs(run) {
  const { items } = await get(`/training-runs/${run.id}/epochs`).catch(() => ({ items: [] }));
  // Another run may have been picked meanwhile, or another epoch have ended.
  if (!parts || parts.shown !== `${run.id} ${run.epoch}`) return;
  parts.curve.show(items, run.epochs);
  const row = (one) => [
    one.epoch,
    share(one.train_accuracy),
    share(one.test_accuracy),
    share(one.running_accuracy),
    one.test_loss.toFixed(3),
    one.seconds.toFixed(1),
  ];
  const cells = (one) => row(one).map((text) => el("td", {}, String(text)));
  parts.body.replaceChildren(...items.map((one) => el("tr", {}, cells(one))));
  parts.last = { run: run.id, epoch: items.at(-1) };
  figures(run);
}

const activate = () =>
  press(parts.use, async () => {
    await post(`/models/${parts.use.dataset.model}/activate`);
    say("This model answers from now on.");
    await refreshModels();
  });
