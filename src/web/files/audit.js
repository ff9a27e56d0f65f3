/** How good each check of a cleaning job is, by what people say of a sample of its pictures. */

import { get } from "./api.js";
import { spaced } from "./checks.js";
import { byId, capital, count, el, plural, say, setOptions, setText, share, syncRows } from "./dom.js";
import { lookAtFlagged } from "./flagged.js";
import { label } from "./job-words.js";
import { currentDataset, news, shared, tell } from "./state.js";

/** Pictures in a sample. */
const SIZE = 50;
/** Decisions on one side of a sample, without a gap, before an estimate is worth showing. */
const ENOUGH = 8;
/** Jobs to choose from. */
const JOBS = 50;
/** Milliseconds without a decision before the estimates are read anew. */
const CALM = 700;
/** Milliseconds after which a service that was away is asked again. */
const AGAIN = 4000;

const rows = new Map();
/** Ended jobs of the dataset that said something, newest first. */
let jobs = [];
/** Whether a person chose the job; else it is the newest one. */
let chosen = false;
let turn = 0;
let waiting = null;

export function mount() {
  byId("audit-job").addEventListener("change", () => {
    chosen = true;
    show();
  });
  news.addEventListener("dataset", () => {
    chosen = false;
    load();
  });
  news.addEventListener("reviewed", () => soon(CALM));
  news.addEventListener("job", ({ detail: { kind, job } }) => {
    if (kind !== "cleaning-jobs" || job.dataset_id !== shared.current) return;
    const known = jobs.find(({ id }) => id === job.id);
    if (fit(job) ? known?.finished_at !== job.finished_at : known) load();
  });
}

function soon(wait) {
  clearTimeout(waiting);
  waiting = setTimeout(show, wait);
}

const fit = (job) => job.status === "succeeded" && !job.undone_at;

async function load() {
  const mine = ++turn;
  if (!shared.current) return;
  try {
    const { items } = await get("/cleaning-jobs", { dataset_id: shared.current, status: "succeeded", limit: JOBS });
    if (mine !== turn) return;
    jobs = items.filter(fit);
    const picker = byId("audit-job");
    setOptions(picker, jobs.map((job) => [job.id, label(job)]));
    if (!chosen && jobs.length > 0) picker.value = jobs[0].id;
    await show();
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

async function show() {
  const mine = ++turn;
  const job = jobs.find(({ id }) => id === byId("audit-job").value) ?? null;
  byId("audit-label").hidden = !job;
  tell("audited", { jobs, job });
  const flagged = job?.checks.filter((check) => job.by_check[check]?.flagged > 0) ?? [];
  const quiet = job?.checks.filter((check) => !flagged.includes(check)) ?? [];
  setText(byId("audit-rest"), quiet.length ? `Nothing flagged by: ${quiet.map(spaced).join(", ")}.` : "");
  if (!job) {
    rows.clear();
    const none = currentDataset() ? "When a cleaning has ended, its checks stand here." : "";
    byId("audit-list").replaceChildren(el("li", { className: "quiet" }, none));
    return;
  }
  if (rows.size === 0) byId("audit-list").replaceChildren();
  try {
    const asked = flagged.map((check) => get(`/cleaning-jobs/${job.id}/audit`, { check, size: SIZE }));
    const audits = await Promise.all(asked);
    if (mine !== turn) return;
    const items = audits.map((audit) => ({ id: `${job.id} ${audit.check}`, job, audit }));
    syncRows(byId("audit-list"), rows, items, create);
  } catch (problem) {
    if (mine !== turn) return;
    if (problem.retryable) soon(AGAIN);
    else say(problem.message, { failed: true });
  }
}

function create({ audit }) {
  const found = el("span", { className: "quiet" });
  const bar = el("progress", { attributes: { "aria-label": `Sample of ${spaced(audit.check)} decided` } });
  const done = el("span", { className: "quiet small" });
  const button = el("button", { type: "button", className: "small" });
  const whole = el("button", { type: "button", className: "small" }, "Look at flagged");
  const right = el("dd");
  const complete = el("dd");
  const term = (words, title) => el("dt", { title }, words);
  const node = el(
    "li",
    { className: "audit" },
    el("div", { className: "audit-head" }, el("strong", {}, capital(spaced(audit.check))), found, whole),
    el("div", { className: "audit-bar" }, bar, done, button),
    el(
      "dl",
      {},
      el("div", {}, term("Flagged rightly", "Precision: of what it flags, the share that is wrong indeed"), right),
      el("div", {}, term("Found of all that is wrong", "Recall: of what is wrong, the share that it flags"), complete),
    ),
  );
  const update = ({ job, audit }) => {
    const { check, flagged, passed, sample } = audit;
    const reviewed = flagged.reviewed + passed.reviewed;
    whole.setAttribute("aria-label", `Look at all flagged by ${spaced(check)}`);
    whole.onclick = () => lookAtFlagged(job, check);
    setText(found, `flagged ${count(flagged.images)} of ${count(flagged.images + passed.images)}`);
    bar.max = Math.max(1, sample.length);
    bar.value = reviewed;
    setText(done, `${count(reviewed)} of ${count(sample.length)} decided in order`);
    setText(button, reviewed < sample.length ? "Look at the sample" : "All decided");
    button.disabled = reviewed >= sample.length;
    button.setAttribute("aria-label", `Look at the sample of ${spaced(check)}`);
    button.onclick = () => look(job, check);
    setText(right, precision(audit));
    setText(complete, recall(audit));
  };
  return { node, update };
}

const short = ({ sampled, reviewed }) => Math.max(0, Math.min(ENOUGH, sampled) - reviewed);
const later = (pictures) => `known after ${plural(pictures, "more picture")}`;
const range = ({ estimate, low, high }) =>
  low === high ? share(estimate) : `about ${share(estimate)}, likely ${share(low)} to ${share(high)}`;

function precision({ flagged, precision }) {
  return precision && short(flagged) === 0 ? range(precision) : later(short(flagged));
}

function recall({ flagged, passed, recall }) {
  const missing = short(flagged) + short(passed);
  if (missing > 0) return later(missing);
  return recall ? range(recall) : "unknown: nothing wrong was in the sample";
}

/** Shows what of the sample nobody has decided on; both sides take turns, as in the sample itself. */
function look(job, check) {
  const entries = async () => {
    const { sample } = await get(`/cleaning-jobs/${job.id}/audit`, { check, size: SIZE });
    const open = sample.filter(({ decision }) => !decision);
    // Where the check flagged it, the picture's reasons say so; those of a dry run are not among them.
    const note = (outcome) => (outcome === "flagged" && !job.dry_run ? null : `${spaced(check)} ${outcome} it`);
    return open.map(({ image_id, outcome }) => ({ id: image_id, note: note(outcome) }));
  };
  const title = `Sample of ${spaced(check)}`;
  const about =
    "Keep what shows its class well, reject or move what does not, whether the check flagged it or passed it. " +
    "Leave none out: the estimate counts only up to the first picture that you skip.";
  tell("look", { title, about, check, entries });
}
