/** Starting a cleaning job: which checks, and what they cost before anything begins. */

import { post } from "./api.js";
import { GROUPS, NOTES, spaced } from "./checks.js";
import { byId, capital, count, dollars, el, plural, say, sentence, setText } from "./dom.js";
import * as jobs from "./jobs.js";
import { currentDataset, news, shared } from "./state.js";
import { active } from "./steering.js";
import * as thresholds from "./thresholds.js";

/** Checks that every dataset can do with; `tags` joins them where each class has a reference. */
const USUAL = ["undecodable", "too_small", "exact_duplicate", "near_duplicate"];
/** Milliseconds without a change before the estimate is asked for. */
const CALM = 250;

const boxes = new Map();
let waiting = null;
let turn = 0;
let busy = false;
/** What the last estimate was about; counts change while pictures arrive. */
let estimated = "";

export function mount() {
  byId("clean-checks").append(...GROUPS.map(group));
  thresholds.mount();
  byId("clean-form").addEventListener("input", soon);
  byId("clean-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  news.addEventListener("dataset", usual);
  news.addEventListener("clean", ({ detail }) => fill(detail));
  news.addEventListener("datasets", () => {
    if (!estimated) usual();
    else if (estimated !== subject()) soon();
  });
  news.addEventListener("job", ({ detail: { kind, job, before } }) => {
    // What it had labelled costs nothing the next time.
    const ended = kind === "cleaning-jobs" && before && before.status !== job.status && !active(job);
    if (ended && job.dataset_id === shared.current) soon();
  });
}

function group([name, checks]) {
  const choices = checks.map(([check, about]) => {
    const box = el("input", { type: "checkbox", name: "check", value: check });
    boxes.set(check, box);
    const words = el("span", {}, capital(spaced(check)), " ", el("span", { className: "quiet" }, about));
    return el("label", { className: "choice" }, box, words);
  });
  const note = NOTES[name] ? el("p", { className: "quiet small about-group" }, NOTES[name]) : null;
  return el("fieldset", {}, el("legend", {}, name), choices, note);
}

/** The usual choice for the dataset. */
function usual() {
  const dataset = currentDataset();
  if (!dataset) return;
  const ready = dataset.classes.every(({ references, counts }) => references > 0 || counts.accepted + counts.flagged === 0);
  for (const [check, box] of boxes) box.checked = USUAL.includes(check) || (check === "tags" && ready);
  soon();
}

/** The dataset with as many pictures and references as it has. */
function subject() {
  const dataset = currentDataset();
  const sizes = dataset?.classes.map(({ references, counts }) => [references, counts.accepted + counts.flagged]) ?? [];
  return dataset ? `${dataset.id} ${sizes}` : "";
}

/** The request that the form makes. */
function request() {
  const checks = [...boxes].filter(([, box]) => box.checked).map(([check]) => check);
  const job = { dataset_id: shared.current, checks, dry_run: byId("clean-dry").checked };
  if (checks.includes("near_duplicate")) job.keeper = byId("clean-keeper").value;
  job.thresholds = thresholds.given(checks);
  if (!checks.includes("tags")) return job;
  job.tags = { tagger: byId("clean-tagger").value, rule: byId("clean-rule").value, k: byId("clean-k").valueAsNumber };
  for (const [name, { field, fits }] of Object.entries(FINE)) {
    if (fits(job.tags) && byId(field).value !== "") job.tags[name] = byId(field).valueAsNumber;
  }
  const budget = byId("clean-budget").valueAsNumber;
  if (paid(job) && Number.isFinite(budget)) job.budget_usd = budget;
  return job;
}

/** Settings of tags that have a usual value. */
const FINE = {
  min_confidence: { field: "clean-confidence", fits: () => true, wrong: "Confidence: a number from 0 to 100." },
  threshold: { field: "clean-threshold", fits: ({ rule }) => rule === "specific", wrong: "Enough: a share from 0 to 1." },
};

/** From which confidence, in percent, the tags of a tagger count usually. */
const usualConfidence = (tagger) => (tagger === "zero_shot" ? 5 : 55);

const digits = (value) => Number(value.toPrecision(6));

/** Writes these settings of tags into the form, and goes there. */
function fill(tags) {
  boxes.get("tags").checked = true;
  byId("clean-tagger").value = tags.tagger;
  byId("clean-rule").value = tags.rule;
  byId("clean-k").value = tags.k;
  for (const [name, { field }] of Object.entries(FINE)) byId(field).value = digits(tags[name]);
  byId("clean-tag-more").open = true;
  soon();
  byId("clean").scrollIntoView();
  byId("clean-tagger").focus({ preventScroll: true });
}

const paid = (job) => job.tags?.tagger === "rekognition";

/** What is wrong with the form, as a sentence; empty when nothing is. */
function mistake(job) {
  if (job.checks.length === 0) return "Choose at least one check.";
  const threshold = thresholds.wrong(job.checks);
  if (threshold) return threshold;
  if (job.tags && !byId("clean-k").validity.valid) return "Top tags: a whole number from 1 to 50.";
  if (job.tags && !Number.isInteger(job.tags.k)) return "Top tags: a whole number from 1 to 50.";
  for (const { field, fits, wrong } of Object.values(FINE)) {
    if (job.tags && fits(job.tags) && !byId(field).validity.valid) return wrong;
  }
  if (paid(job) && !byId("clean-budget").validity.valid) return "Spend at most: a number of dollars, 0 or more.";
  return "";
}

function soon() {
  const job = request();
  byId("tag-settings").hidden = !job.tags;
  byId("duplicate-settings").hidden = !job.keeper;
  thresholds.show(job.checks);
  byId("clean-budget-label").hidden = !paid(job);
  byId("clean-threshold-label").hidden = byId("clean-rule").value !== "specific";
  byId("clean-confidence").placeholder = usualConfidence(byId("clean-tagger").value);
  setText(byId("clean-start"), job.dry_run ? "Start the dry run" : "Start cleaning");
  byId("clean-start").disabled = true;
  byId("estimate").setAttribute("aria-busy", "true");
  clearTimeout(waiting);
  waiting = setTimeout(estimate, CALM);
}

async function estimate() {
  const mine = ++turn;
  if (!currentDataset()) return;
  estimated = subject();
  const job = request();
  const wrong = mistake(job);
  setText(byId("clean-error"), wrong);
  let text = "";
  let able = !wrong && !busy;
  if (!wrong) {
    try {
      const answer = await post("/cleaning-jobs/estimate", job);
      text = inWords(answer, job);
      able &&= answer.images > 0 && answer.unreferenced_classes.length === 0 && !answer.too_few_to_learn;
    } catch (problem) {
      // Without an estimate a person can still start.
      if (mine === turn) setText(byId("clean-error"), explain(problem));
    }
  }
  if (mine !== turn) return;
  byId("estimate").removeAttribute("aria-busy");
  setText(byId("estimate"), text);
  byId("clean-start").disabled = !able;
}

function inWords(answer, job) {
  const { images, tagger_calls: calls, cost_usd: cost, tagger_seconds: seconds, networks, within_budget } = answer;
  if (images === 0) return "The dataset has no picture yet.";
  const lacking = answer.unreferenced_classes.join(", ");
  if (lacking) return `Tags are compared with reference pictures, and none is there yet for: ${lacking}.`;
  if (answer.too_few_to_learn) {
    return "Its networks learn from the dataset itself: wrong labels and outliers need two classes and twenty pictures at least.";
  }
  const words = [`Looks at ${plural(images, "picture")}.`];
  if (job.tags && calls === 0) words.push("All of them have their tags already: nothing to pay.");
  else if (paid(job)) words.push(`${plural(calls, "call")} to Rekognition: ${dollars(cost)}, ${lasting(seconds)}.`);
  else if (job.tags) words.push(`${plural(calls, "picture")} to tag here, at no cost.`);
  else words.push("No cost.");
  if (networks > 0) words.push(`Trains ${plural(networks, "small network")} on them first, which takes minutes.`);
  if (within_budget === false) words.push("That is over your limit: it would stop there, unfinished.");
  return words.join(" ");
}

function lasting(seconds) {
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `about ${Math.round(seconds / 60)} min` : `about ${count(Math.round(seconds / 3600))} h`;
}

const FIELDS = { "tags.k": "Top tags", budget_usd: "Spend at most", dataset_id: "Dataset" };

function explain(problem) {
  const [field, ...rest] = problem.message.split(": ");
  if (problem.code === "references_missing") {
    return `Tags are compared with reference pictures, and some are missing: ${problem.message}.`;
  }
  return sentence(FIELDS[field] ? [FIELDS[field], ...rest].join(": ") : problem.message);
}

async function start() {
  const job = request();
  if (busy || mistake(job)) return;
  busy = true;
  byId("clean-start").disabled = true;
  try {
    await post("/cleaning-jobs", job);
    setText(byId("clean-error"), "");
    say(`${job.dry_run ? "The dry run" : "Cleaning"} has begun: Jobs shows how far it is.`);
    await jobs.refresh();
  } catch (problem) {
    setText(byId("clean-error"), explain(problem));
  }
  busy = false;
  byId("clean-start").disabled = false;
}
