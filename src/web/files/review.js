/** Pictures to decide about with the reasons on each: the flagged ones, or those that another section asks for. */

import { all } from "./api.js";
import { spaced, suggestion } from "./checks.js";
import { pictures, requests, words } from "./decisions.js";
import { ago, byId, count, el, say, setOptions, setText } from "./dom.js";
import { Grid } from "./grid.js";
import * as history from "./history.js";
import { mountMover } from "./mover.js";
import { arrivals, named, suspects } from "./source.js";
import { currentDataset, held, news, refreshDatasets, shared, tell } from "./state.js";
import { tile } from "./tile.js";

const PAGE = 48;
/** The most that one request may list. */
const MOST = 200;
const FILTERS = ["review-class", "review-check", "review-order"];

let grid;
/** What another section asked for, as the news `look` says it; null for the flagged pictures. */
let asked = null;
let source = null;
let cursor = null;
let turn = 0;
let busy = false;
/** Whether pictures are read that nothing was shown of yet. */
let reading = false;

export function mount() {
  grid = new Grid(byId("grid"), tile, controls);
  const buttons = { keep: "keep", reject: "reject", "no-problem": "not_a_problem", suggested: "suggested" };
  for (const [id, decision] of Object.entries(buttons)) byId(id).addEventListener("click", () => decide(decision));
  byId("undo").addEventListener("click", () => undo());
  byId("select-all").addEventListener("click", () => grid.selectAll());
  mountMover(byId("reclass"), { move: (name) => decide("reclass", name), leave: () => grid.focus() });
  history.mount(async (decision) => {
    await undo(decision, { inList: true });
    if (!history.focus()) grid.focus();
  });
  byId("review-more").addEventListener("click", more);
  byId("asked-back").addEventListener("click", () => look(null, { enter: true }));
  for (const id of FILTERS) byId(id).addEventListener("change", () => load());
  byId("review").addEventListener("keydown", shortcut);
  news.addEventListener("dataset", () => {
    for (const id of ["review-class", "review-check"]) byId(id).value = "";
    history.read();
    look(null);
  });
  news.addEventListener("datasets", counts);
  news.addEventListener("look", ({ detail }) => look(detail, { enter: true }));
  news.addEventListener("job", ({ detail }) => {
    const { kind, job, before } = detail;
    const changed = before && (before.status !== job.status || before.undone_at !== job.undone_at);
    if (kind === "cleaning-jobs" && changed && job.dataset_id === shared.current) load({ quiet: true });
  });
}

function shortcut(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, input")) return;
  const actions = {
    k: () => decide("keep"),
    r: () => decide("reject"),
    n: () => decide("not_a_problem"),
    s: () => decide("suggested"),
    m: () => byId("reclass").focus(),
    u: () => undo(),
  };
  const action = actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

/** Shows what another section asks for, or the flagged pictures again; goes there, if `enter`. */
async function look(wanted, { enter = false } = {}) {
  asked = wanted;
  // Nobody is to decide about what stood there before.
  grid.show([]);
  await load();
  if (!enter) return;
  byId("review").scrollIntoView();
  if (grid.items.length > 0) grid.focus(grid.items[0].id);
}

function current() {
  if (asked) return named(asked.entries);
  const [name, check, order] = FILTERS.map((id) => byId(id).value);
  const of = { dataset: shared.current, name, check, order };
  return order ? arrivals(of) : suspects(of);
}

/** Reads the pictures anew, as many as are shown. */
async function load({ quiet = false } = {}) {
  const mine = ++turn;
  if (!shared.current) return;
  const shown = quiet ? grid.items.length : 0;
  const from = current();
  setReading(true);
  try {
    const page = await from(null, Math.min(Math.max(PAGE, shown), MOST));
    if (mine !== turn) return;
    source = from;
    cursor = page.next_cursor;
    grid.show(page.items);
  } catch (problem) {
    if (mine !== turn) return;
    say(problem.message, { failed: true });
  }
  setReading(false);
  settle();
}

function setReading(now) {
  reading = now;
  byId("grid").setAttribute("aria-busy", now);
}

async function more() {
  const mine = turn;
  const button = byId("review-more");
  button.disabled = true;
  try {
    const page = await source(cursor, PAGE);
    if (mine !== turn) return;
    cursor = page.next_cursor;
    // What was decided meanwhile may have moved the rest up.
    const known = new Set(grid.items.map(({ id }) => id));
    const items = page.items.filter(({ id }) => !known.has(id));
    grid.show([...grid.items, ...items]);
    if (items.length > 0) grid.focus(items[0].id);
    settle();
  } catch (problem) {
    say(problem.message, { failed: true });
  } finally {
    button.disabled = false;
  }
}

let listedChecks = null;

async function counts() {
  const dataset = currentDataset();
  const names = dataset?.classes.map(({ name }) => name) ?? [];
  setOptions(byId("review-class"), [["", "all"], ...names.map((name) => [name, name])]);
  setOptions(byId("reclass"), [["", "Move to …"], ...names.map((name) => [name, name])]);
  const flagged = held(dataset, "flagged");
  setText(byId("review-count"), flagged ? count(flagged) : "");
  settle();
  // A cleaning job may have flagged the first ones just now.
  if (flagged > 0 && grid.items.length === 0 && !asked && !filtered() && !busy) load({ quiet: true });
  if (dataset && listedChecks !== `${dataset.id} ${flagged}`) {
    listedChecks = `${dataset.id} ${flagged}`;
    const jobs = await all("/cleaning-jobs", { dataset_id: dataset.id }).catch(() => []);
    const checks = [...new Set(jobs.flatMap((job) => job.checks))].sort();
    setOptions(byId("review-check"), [["", "all"], ...checks.map((check) => [check, spaced(check)])]);
  }
}

const filtered = () => Boolean(byId("review-class").value || byId("review-check").value);

function settle() {
  const none = grid.items.length === 0;
  byId("review-more").hidden = !cursor;
  byId("review-empty").hidden = !none;
  byId("grid-help").hidden = none;
  byId("asked").hidden = !asked;
  setText(byId("asked-about"), asked?.about ?? "");
  setText(byId("review-name"), asked?.title ?? "Flagged pictures");
  byId("review-count").hidden = Boolean(asked);
  // With nothing to decide about, only what can be taken back needs the buttons.
  byId("decisions").hidden = none && !history.newest();
  byId("filters").hidden = Boolean(asked) || (none && !filtered());
  if (none && shared.datasets) byId("review-empty").replaceChildren(...empty());
  controls();
}

function empty() {
  const quiet = (text) => [el("p", { className: "quiet" }, text)];
  if (asked) return quiet("All of these are decided.");
  if (filtered()) return quiet(cursor ? "None of the first ones fits these filters." : "No flagged picture fits these filters.");
  if (!currentDataset()) return quiet("Pictures that look wrong wait here for your decision.");
  if (reading) return quiet("Loading …");
  const checked = byId("review-check").options.length > 1;
  const text = checked ? "Nothing is waiting for you. " : "No picture is flagged. ";
  return [el("p", {}, text, el("a", { href: "#clean" }, "Let checks look for wrong ones"), ".")];
}

function controls() {
  const targets = grid?.targets ?? [];
  for (const id of ["keep", "reject", "no-problem", "reclass"]) byId(id).disabled = busy || targets.length === 0;
  const better = [...new Set(targets.map(suggestion).filter(Boolean))];
  byId("suggested").disabled = busy || better.length === 0;
  byId("suggested").hidden = !grid?.items.some(suggestion);
  setText(byId("suggested-to"), better.length === 1 ? `It is ${better[0]}` : "As suggested");
  const last = history.newest();
  byId("undo").disabled = busy || !last;
  byId("undo").title = last ? `Takes back: ${words(last.reviews)}` : "";
  byId("select-all").disabled = !grid || grid.items.length === 0;
  const selected = grid?.selected ?? 0;
  const text = selected ? `${count(selected)} selected` : targets.length ? "1 in focus" : "None selected";
  setText(byId("selection"), text);
}

async function decide(decision, name) {
  if (busy || grid.targets.length === 0) return;
  const check = asked ? asked.check : byId("review-check").value;
  const bodies = requests(decision, grid.targets, { name, check });
  if (bodies.length === 0) {
    const why = decision === "suggested" ? "No check suggests another class." : "No check speaks against it.";
    say(why, { failed: true });
    return;
  }
  // The buttons take the focus away from the grid; it returns there, so that the keys go on working.
  const inside = byId("review").contains(document.activeElement);
  await work(async () => {
    const reviews = await history.decide(bodies);
    const gone = new Set(pictures(reviews));
    grid.clear();
    grid.show(grid.items.filter((item) => !gone.has(item.id)));
    say(`${words(reviews)}. U takes it back.`);
  });
  await afterwards(inside);
}

/** Takes a decision back; the grid has the focus then, unless it was made `inList`. */
async function undo(decision = history.newest(), { inList = false } = {}) {
  if (busy || !decision) return;
  const back = pictures(decision.reviews);
  await work(async () => {
    await history.undo(decision);
    say(`Taken back: ${words(decision.reviews)}, ${ago(decision.reviews[0].created_at)}.`);
  });
  await load({ quiet: true });
  await afterwards(!inList, back);
}

async function work(run) {
  busy = true;
  controls();
  try {
    await run();
  } catch (problem) {
    say(problem.message, { failed: true });
    // Some of it may have been done.
    await load({ quiet: true });
  }
  busy = false;
}

async function afterwards(refocus, wanted = []) {
  // Before anything is read: a key that follows closely is for the grid, not for the list of classes.
  const focused = refocus && enter(wanted);
  await history.read();
  if (grid.items.length === 0 && cursor) await load();
  settle();
  if (refocus && !focused && !enter(wanted)) byId("undo").focus();
  tell("reviewed");
  refreshDatasets().catch(() => {});
}

/** Gives the focus to one of these pictures, or to where it was; false when there is none. */
function enter(wanted) {
  if (grid.items.length === 0) return false;
  grid.focus(grid.items.find((item) => wanted.includes(item.id))?.id);
  return true;
}
