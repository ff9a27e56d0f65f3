/** Running and recent jobs of every kind, with live progress. */

import { get } from "./api.js";
import { byId, command, count, curl, el, press, say, setText, syncRows, timeNode } from "./dom.js";
import { KINDS } from "./job-words.js";
import { datasetName, news, refreshDatasets, shared, tell } from "./state.js";
import { active, verbs } from "./steering.js";

/** Event streams open at a time: browsers give one host six connections, and requests need some. */
const STREAMS = 3;
const STEP = 8;
const MOST = 200;
/** Jobs read of each kind, so that those that run are among them. */
const FETCHED = 20;
/** Counts of datasets follow running jobs at most this often. */
const COUNTS_INTERVAL = 1500;

const jobs = new Map();
const rows = new Map();
const streams = new Map();
let visible = STEP;
/** Whether the lists were read once. */
let wasRead = false;

export function mount() {
  byId("jobs-more").addEventListener("click", () => {
    visible = Math.min(visible + STEP, MOST);
    refresh().catch((problem) => say(problem.message, { failed: true }));
  });
  news.addEventListener("datasets", show);
}

/** Reads the newest jobs of every kind. */
export async function refresh() {
  const kinds = Object.keys(KINDS);
  const asked = performance.now();
  const limit = Math.max(visible, FETCHED);
  const pages = await Promise.all(kinds.map((kind) => get(`/${kind}`, { limit })));
  const ids = new Set();
  pages.forEach((page, at) => {
    for (const job of page.items) {
      ids.add(job.id);
      take(kinds[at], job, asked);
    }
  });
  for (const id of jobs.keys()) if (!ids.has(id)) jobs.delete(id);
  byId("jobs-more").dataset.more = pages.some((page) => page.next_cursor) ? "yes" : "";
  wasRead = true;
  follow();
  show();
}

/** Remembers a job as it was at the moment `asked`, unless something newer is known. */
function take(kind, job, asked = performance.now()) {
  const { job: known, asked: before = 0 } = jobs.get(job.id) ?? {};
  if (before > asked) return;
  jobs.set(job.id, { id: job.id, kind, job, asked });
  if (!known || JSON.stringify(known) !== JSON.stringify(job)) tell("job", { kind, job, before: known });
}

/** Opens a stream for the newest running jobs; the others are seen each time the lists are read. */
function follow() {
  for (const { id, kind, job } of sorted()) {
    if (!active(job) || streams.has(id) || streams.size >= STREAMS) continue;
    const stream = new EventSource(`/${kind}/${id}/events`);
    streams.set(id, stream);
    const close = () => {
      stream.close();
      streams.delete(id);
    };
    stream.addEventListener("job", (event) => {
      const job = JSON.parse(event.data);
      take(kind, job);
      if (!active(job)) close();
      show();
      countSoon();
    });
    stream.addEventListener("error", close);
  }
}

let counting = null;

function countSoon() {
  counting ??= setTimeout(() => {
    counting = null;
    refreshDatasets().catch(() => {});
  }, COUNTS_INTERVAL);
}

const rank = ({ job }) => (job.status === "running" ? 0 : job.status === "queued" ? 1 : 2);

/** Running first, then queued, then the rest; the newest first (ids sort by time). */
function sorted() {
  const newest = (one, other) => (one.id < other.id ? 1 : -1);
  return [...jobs.values()].sort((one, other) => rank(one) - rank(other) || newest(one, other));
}

function show() {
  const listed = sorted();
  const running = listed.filter(({ job }) => active(job)).length;
  const shown = listed.slice(0, Math.max(visible, running));
  syncRows(byId("job-list"), rows, shown, create);
  setText(byId("jobs-summary"), running ? `${count(running)} running or waiting` : "");
  const more = byId("jobs-more");
  more.hidden = visible >= MOST || (listed.length <= shown.length && !more.dataset.more);
  const none = byId("jobs-empty");
  none.hidden = listed.length > 0;
  if (wasRead && listed.length === 0 && shared.datasets) none.replaceChildren(...empty());
}

function empty() {
  const dataset = shared.datasets[0];
  if (!dataset) return [el("p", {}, "Searches, imports, checks and training show here how far they are.")];
  const body = {
    dataset_id: dataset.id,
    class: dataset.classes[0]?.name ?? "CLASS",
    source: "bing",
    phrase: dataset.classes[0]?.phrases[0] ?? "what to search for",
    limit: 500,
  };
  return [el("p", {}, "No job yet. Look for pictures of a class:"), command(curl("/scrape-jobs", body))];
}

function create({ kind }) {
  const about = el("span", { className: "about" });
  const status = el("span", { className: "status" });
  const dataset = el("span", { className: "quiet" });
  const when = el("span", { className: "quiet" });
  const bar = el("progress", { attributes: { "aria-label": `${KINDS[kind].name} progress` } });
  const done = el("span", { className: "done quiet" });
  const results = el("p", { className: "results" });
  const ended = el("p", { className: "quiet small" });
  const error = el("p", { className: "error" });
  const acts = verbs(kind).map((verb) => {
    const button = el("button", { type: "button", className: "small" }, verb.name);
    button.addEventListener("click", () => control(rows.get(node.dataset.id).item, verb, button));
    return { verb, button };
  });
  const way = el("div", { className: "job-bar" }, bar, done);
  const node = el(
    "li",
    { className: "job", tabIndex: -1 },
    el("div", { className: "job-head" }, el("strong", {}, KINDS[kind].name), about, status),
    way,
    results,
    ended,
    error,
    el("div", { className: "small job-foot" }, dataset, when, el("span", { className: "acts" }, acts.map(({ button }) => button))),
  );
  const row = { node, parts: { way, about, status, dataset, when, bar, done, results, ended, error, acts } };
  row.update = (item) => {
    row.item = item;
    node.dataset.id = item.id;
    update(row, item);
  };
  return row;
}

function update({ node, parts }, { kind, job }) {
  const { name, about, far, results, ended } = KINDS[kind];
  node.className = `job ${job.status}`;
  setText(parts.about, about(job));
  setText(parts.status, job.status);
  setText(parts.dataset, datasetName(job.dataset_id));
  if (parts.when.dataset.time !== job.created_at) {
    parts.when.dataset.time = job.created_at;
    parts.when.replaceChildren(timeNode(job.created_at));
  }
  // A full bar says nothing that the status does not say.
  parts.way.hidden = job.status === "succeeded";
  const { done, total } = job.progress;
  if (total > 0) {
    parts.bar.max = total;
    parts.bar.value = done;
  } else if (active(job)) parts.bar.removeAttribute("value");
  else parts.bar.value = job.status === "succeeded" ? 1 : 0;
  const steps = total > 0 ? `${count(done)} of ${count(total)}` : "";
  setText(parts.done, far ? far(job) : steps);
  const words = results(job);
  const text = JSON.stringify(words);
  if (parts.results.dataset.words !== text) {
    parts.results.dataset.words = text;
    parts.results.replaceChildren(...words.map(([word, tone]) => el("span", { className: `chip ${tone}` }, word)));
  }
  setText(parts.ended, ended?.(job) || "");
  setText(parts.error, job.error ? `${job.error.message || job.error.code} (${job.error.code})` : "");
  const held = parts.acts.find(({ button }) => button === document.activeElement)?.button;
  for (const { verb, button } of parts.acts) {
    button.hidden = !verb.fits(job);
    button.setAttribute("aria-label", `${verb.name} ${name}: ${about(job)}`);
  }
  if (held?.hidden) refocus(node, parts);
}

async function control({ kind, job }, verb, button) {
  await press(button, async () => {
    const changed = await verb.run(kind, job);
    if (changed) {
      take(kind, changed);
      follow();
      show();
    }
  });
  // A disabled button loses the focus.
  if (document.activeElement !== document.body) return;
  const row = rows.get(job.id);
  if (!button.hidden) button.focus();
  else if (row) refocus(row.node, row.parts);
}

/** Where what was done is offered no more, the keyboard goes on beside it. */
function refocus(node, { acts }) {
  const next = acts.find(({ button }) => !button.hidden && !button.disabled);
  (next?.button ?? node).focus();
}
