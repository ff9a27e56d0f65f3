/** A photo in, its classes as bars out. */

import { call, Problem } from "./api.js";
import { byId, command, count, curl, el, plural, probability, say, sentence, setOptions, setText } from "./dom.js";
import { datasetName, news, shared } from "./state.js";

/** Bars shown; the rest is summed up in a line. */
const BARS = 10;
const MEGABYTE = 1024 * 1024;

let shown = 0;
let preview = null;

export function mount() {
  byId("photo").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) classify(file);
    event.target.value = "";
  });
  const zone = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) classify(file);
    else say("That was no file: save the photo first, then drop it.", { failed: true });
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) classify(file);
  });
  news.addEventListener("models", listModels);
}

/** Offers the models that answer: the default one, and those that are active for another dataset. */
function listModels() {
  const active = shared.models.filter((model) => model.active);
  const standard = active.find((model) => model.default);
  const others = active.filter((model) => !model.default);
  const name = (model) => datasetName(model.dataset_id);
  const first = ["", standard ? name(standard) : "none"];
  setOptions(byId("classify-model"), [first, ...others.map((model) => [model.id, name(model)])]);
  byId("classify-model-label").hidden = others.length === 0;
  const hint = byId("answer-hint");
  if (!hint) return;
  const ready = "The classes appear here, each with its probability.";
  const waiting = "No model answers yet. When a training run has ended, use its model; then drop a photo.";
  setText(hint, active.length > 0 ? ready : waiting);
}

async function classify(file) {
  const turn = ++shown;
  showPhoto(file);
  const answer = byId("answer");
  answer.setAttribute("aria-busy", "true");
  let content;
  try {
    content = bars(await ask(file));
  } catch (problem) {
    content = failure(problem, file);
  }
  // A later photo may have been dropped meanwhile.
  if (turn !== shown) return;
  answer.removeAttribute("aria-busy");
  answer.replaceChildren(...content);
}

async function ask(file) {
  // A folder can be dropped like a file; only reading it tells.
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Problem({ detail: "is it a folder?", code: "unreadable" });
  });
  const form = new FormData();
  form.append("image", file);
  return call("POST", "/classify", { query: { model: byId("classify-model").value }, body: form });
}

function showPhoto(file) {
  if (preview) URL.revokeObjectURL(preview);
  preview = URL.createObjectURL(file);
  const picture = byId("preview");
  picture.onerror = () => showing(false);
  picture.src = preview;
  picture.alt = file.name || "The pasted photo";
  showing(true);
}

function showing(photo) {
  byId("preview").hidden = !photo;
  byId("drop-next").hidden = !photo;
  byId("drop-text").hidden = photo;
}

function bars(answer) {
  const listed = answer.probabilities.slice(0, BARS);
  const rest = answer.probabilities.slice(BARS);
  const rows = listed.map(({ class: name, probability: value }, at) => {
    const fill = el("span", { className: "fill" });
    fill.style.width = `${value * 100}%`;
    return el(
      "li",
      { className: at === 0 ? "first" : "" },
      el("span", { className: "bar-name" }, name),
      el("span", { className: "bar", attributes: { "aria-hidden": "true" } }, fill),
      el("data", { value: String(value) }, probability(value)),
    );
  });
  const others = rest.reduce((sum, item) => sum + item.probability, 0);
  const { decode, infer, total } = answer.timings_ms;
  return [
    el("p", { className: "verdict" }, answer.class),
    answer.unfamiliar
      ? el("p", { className: "note" }, "The model is unsure: the photo may show something else.")
      : null,
    el("ol", { className: "bars", attributes: { "aria-label": "Probabilities" } }, rows),
    rest.length ? el("p", { className: "quiet" }, `${plural(rest.length, "other")}: ${probability(others)}`) : null,
    el(
      "p",
      { className: "quiet small" },
      `${total.toFixed(0)} ms: decoding ${decode.toFixed(1)}, network ${infer.toFixed(1)}`,
      el("br"),
      `Trained on ${answer.dataset}, model `,
      el("code", {}, answer.model_id),
    ),
  ].filter(Boolean);
}

function failure(problem, file) {
  const { lead, help } = explain(problem, file);
  const retry = el("button", { type: "button", onclick: () => classify(file) }, "Try again");
  return [
    el("div", { className: "problem" }, el("p", {}, el("strong", {}, lead)), help),
    problem.retryable ? retry : null,
  ].filter(Boolean);
}

function explain(problem, file) {
  const detail = el("p", {}, sentence(problem.message));
  if (problem.code === "no_active_model") {
    const runs = el("a", { href: "#training" }, "Training runs");
    const how = el("p", {}, "When a run under ", runs, " has ended, use its model there, or:");
    return { lead: "No model answers yet", help: el("div", {}, how, command(curl("/models/MODEL_ID/activate"))) };
  }
  if (problem.status === 0 && file.size > 10 * MEGABYTE) {
    const size = `${count(Math.round(file.size / MEGABYTE))} MB`;
    return { lead: "The upload broke off", help: `The photo has ${size}; the service takes 10 MB.` };
  }
  if (problem.status === 0) return { lead: "The service does not answer", help: el("p", {}, "Is it running?") };
  if (problem.code === "unreadable") return { lead: "This cannot be read", help: detail };
  const leads = {
    413: "The photo is too large",
    415: "This is no picture that the service reads",
    422: "The picture cannot be used",
    429: "The service is busy",
    503: "The service cannot answer now",
  };
  return { lead: leads[problem.status] ?? "That did not work", help: detail };
}
