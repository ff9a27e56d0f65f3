/** A photo in, its classes as bars out. */

import { all, call } from "./api.js";
import { byId, command, count, curl, el, plural, setOptions, share } from "./dom.js";
import { datasetName, news } from "./state.js";

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
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) classify(file);
  });
  news.addEventListener("model", listModels);
  news.addEventListener("datasets", listModels, { once: true });
}

async function listModels() {
  const models = await all("/models").catch(() => []);
  const name = (model) => `${datasetName(model.dataset_id)} (${model.classes.length} classes)`;
  const active = models.filter((model) => model.active).map((model) => [model.id, name(model)]);
  setOptions(byId("classify-model"), [["", "activated last"], ...active]);
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

function ask(file) {
  const form = new FormData();
  form.append("image", file);
  return call("POST", "/classify", { query: { model: byId("classify-model").value }, body: form });
}

function showPhoto(file) {
  if (preview) URL.revokeObjectURL(preview);
  preview = URL.createObjectURL(file);
  const picture = byId("preview");
  picture.onerror = () => {
    picture.hidden = true;
    byId("drop-text").hidden = false;
  };
  picture.src = preview;
  picture.alt = file.name || "The pasted photo";
  picture.hidden = false;
  byId("drop-text").hidden = true;
}

function bars(answer) {
  const listed = answer.probabilities.slice(0, BARS);
  const rest = answer.probabilities.slice(BARS);
  const rows = listed.map(({ class: name, probability }, at) => {
    const fill = el("span", { className: "fill" });
    fill.style.width = `${probability * 100}%`;
    return el(
      "li",
      { className: at === 0 ? "first" : "" },
      el("span", { className: "bar-name" }, name),
      el("span", { className: "bar", attributes: { "aria-hidden": "true" } }, fill),
      el("data", { value: String(probability) }, share(probability)),
    );
  });
  const others = rest.reduce((sum, item) => sum + item.probability, 0);
  const { decode, infer, total } = answer.timings_ms;
  return [
    el("p", { className: "verdict" }, el("strong", {}, answer.class), ` ${share(answer.probability)}`),
    answer.unfamiliar
      ? el("p", { className: "note" }, "The model is unsure: the photo may show something else.")
      : null,
    el("ol", { className: "bars", attributes: { "aria-label": "Probabilities" } }, rows),
    rest.length ? el("p", { className: "quiet" }, `${plural(rest.length, "other")}: ${share(others)}`) : null,
    el(
      "p",
      { className: "quiet small" },
      `Dataset ${answer.dataset} · ${total.toFixed(0)} ms (decoding ${decode.toFixed(1)}, network ${infer.toFixed(1)})`,
      el("br"),
      "Model ",
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
  const detail = el("p", {}, problem.message);
  if (problem.code === "no_active_model") {
    const how = el("p", {}, "Pick a run under ", el("a", { href: "#training" }, "Training runs"), " and use its model, or:");
    return { lead: "No model answers yet", help: el("div", {}, how, command(curl("/models/MODEL_ID/activate"))) };
  }
  if (problem.status === 0 && file.size > 10 * MEGABYTE) {
    const size = `${count(Math.round(file.size / MEGABYTE))} MB`;
    return { lead: "The upload broke off", help: `The photo has ${size}; the service takes 10 MB.` };
  }
  const leads = {
    0: "The service does not answer",
    413: "The photo is too large",
    415: "This is no picture that the service reads",
    422: "The picture cannot be used",
    429: "The service is busy",
    503: "The service cannot answer now",
  };
  return { lead: leads[problem.status] ?? "That did not work", help: detail };
}
