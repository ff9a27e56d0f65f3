/** Flagged pictures with the reason on each; keep, reject, move, undo. */

import { all, get, post } from "./api.js";
import { byId, command, count, curl, el, plural, say, setOptions, setText } from "./dom.js";
import { Grid } from "./grid.js";
import { reason } from "./reasons.js";
import { currentDataset, news, refreshDatasets, shared } from "./state.js";

const PAGE = 48;
/** The most that one request may list. */
const MOST = 200;

let grid;
let cursor = null;
let turn = 0;
let busy = false;
/** Reviews of this visit that can be taken back, the last one last. */
const past = [];

export function mount() {
  grid = new Grid(byId("grid"), tile, controls);
  byId("keep").addEventListener("click", () => decide("keep"));
  byId("reject").addEventListener("click", () => decide("reject"));
  byId("undo").addEventListener("click", undo);
  byId("select-all").addEventListener("click", () => grid.selectAll());
  byId("reclass").addEventListener("change", (event) => {
    const name = event.target.value;
    event.target.value = "";
    if (name) decide("reclass", name);
  });
  byId("review-more").addEventListener("click", more);
  for (const id of ["review-class", "review-check"]) byId(id).addEventListener("change", () => load());
  byId("review").addEventListener("keydown", shortcut);
  news.addEventListener("dataset", () => {
    for (const id of ["review-class", "review-check"]) byId(id).value = "";
    load();
  });
  news.addEventListener("datasets", counts);
  news.addEventListener("job", ({ detail }) => {
    const { kind, job, before } = detail;
    const ended = kind === "cleaning-jobs" && before && before.status !== job.status;
    if (ended && job.dataset_id === shared.current) load({ quiet: true });
  });
}

function shortcut(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, input")) return;
  const actions = { k: () => decide("keep"), r: () => decide("reject"), u: undo };
  const action = actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

const filters = () => ({
  dataset_id: shared.current,
  state: "flagged",
  class: byId("review-class").value,
  check: byId("review-check").value,
});

/** Reads the flagged pictures anew, as many as are shown. */
async function load({ quiet = false } = {}) {
  const mine = ++turn;
  if (!shared.current) return;
  const shown = quiet ? grid.items.length : 0;
  try {
    const page = await get("/images", { ...filters(), limit: Math.min(Math.max(PAGE, shown), MOST) });
    if (mine !== turn) return;
    cursor = page.next_cursor;
    grid.show(page.items);
    settle();
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

async function more() {
  const mine = turn;
  const button = byId("review-more");
  button.disabled = true;
  try {
    const page = await get("/images", { ...filters(), limit: PAGE, cursor });
    if (mine !== turn) return;
    cursor = page.next_cursor;
    const first = page.items[0]?.id;
    grid.show([...grid.items, ...page.items]);
    if (first) grid.focus(first);
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
  const held = dataset?.classes.reduce((sum, one) => sum + one.counts.flagged, 0) ?? 0;
  setText(byId("review-count"), held ? count(held) : "");
  settle();
  // A cleaning job may have flagged the first ones just now.
  if (held > 0 && grid.items.length === 0 && !filtered() && !busy) load({ quiet: true });
  if (dataset && listedChecks !== `${dataset.id} ${held}`) {
    listedChecks = `${dataset.id} ${held}`;
    const jobs = await all("/cleaning-jobs", { dataset_id: dataset.id }).catch(() => []);
    const checks = [...new Set(jobs.flatMap((job) => job.checks))].sort();
    const options = checks.map((check) => [check, check.replaceAll("_", " ")]);
    setOptions(byId("review-check"), [["", "all"], ...options]);
  }
}

const filtered = () => Boolean(byId("review-class").value || byId("review-check").value);

function settle() {
  byId("review-more").hidden = !cursor;
  const none = byId("review-empty");
  none.hidden = grid.items.length > 0;
  byId("grid-help").hidden = grid.items.length === 0;
  // With nothing to decide about, only what can be taken back needs the buttons.
  byId("decisions").hidden = grid.items.length === 0 && past.length === 0;
  byId("filters").hidden = grid.items.length === 0 && !filtered();
  if (grid.items.length === 0 && shared.datasets) none.replaceChildren(...empty());
  controls();
}

function empty() {
  if (filtered()) return [el("p", { className: "quiet" }, "No flagged picture fits these filters.")];
  const dataset = currentDataset();
  const checked = byId("review-check").options.length > 1;
  if (!dataset) return [el("p", { className: "quiet" }, "Pictures that look wrong wait here for your decision.")];
  const text = checked ? "Nothing is waiting for you. Checks put pictures here that look wrong:" :
    "No picture is flagged. Let the checks look for wrong ones:";
  const body = {
    dataset_id: dataset.id,
    checks: ["undecodable", "too_small", "exact_duplicate", "near_duplicate", "tags"],
  };
  return [el("p", {}, text), command(curl("/cleaning-jobs", body))];
}

function tile(image) {
  const flags = image.verdicts.filter(({ outcome, dry_run }) => !dry_run && outcome === "flagged");
  const picture = el("img", {
    loading: "lazy",
    decoding: "async",
    alt: "",
    src: `/images/${image.id}/thumbnail`,
    draggable: false,
  });
  const size = el("span", { className: "size" }, `${image.width} × ${image.height}`);
  return [
    el("span", { className: "frame" }, picture, el("span", { className: "tick", attributes: { "aria-hidden": "true" } }, "✓")),
    el(
      "span",
      { className: "caption" },
      el("span", { className: "tile-head" }, el("strong", {}, image.class), " ", size),
      flags.length ? flags.map(reason) : el("span", { className: "why" }, "No check names a reason."),
    ),
  ];
}

function controls() {
  const targets = grid?.targets.length ?? 0;
  for (const id of ["keep", "reject", "reclass"]) byId(id).disabled = busy || targets === 0;
  byId("undo").disabled = busy || past.length === 0;
  byId("select-all").disabled = !grid || grid.items.length === 0;
  const selected = grid?.selected ?? 0;
  const text = selected ? `${count(selected)} selected` : targets ? "1 in focus" : "None selected";
  setText(byId("selection"), text);
}

const DONE = { keep: "Kept", reject: "Rejected", reclass: "Moved" };

async function decide(decision, name) {
  const ids = grid.targets;
  if (busy || ids.length === 0) return;
  busy = true;
  controls();
  // The buttons take the focus away from the grid; it returns there, so that the keys go on working.
  const inside = byId("review").contains(document.activeElement);
  try {
    const request = { image_ids: ids, decision };
    if (name) request.class = name;
    const review = await post("/reviews", request);
    past.push(review);
    const gone = new Set(ids);
    grid.clear();
    grid.show(grid.items.filter((item) => !gone.has(item.id)));
    say(`${DONE[decision]} ${plural(ids.length, "picture")}${name ? ` to ${name}` : ""}. U takes it back.`);
  } catch (problem) {
    say(problem.message, { failed: true });
  }
  busy = false;
  await afterwards(inside);
}

async function undo() {
  const review = past.at(-1);
  if (busy || !review) return;
  busy = true;
  controls();
  try {
    await post(`/reviews/${review.id}/undo`);
    past.pop();
    await load({ quiet: true });
    say(`Took it back: ${plural(review.image_ids.length, "picture")} as before.`);
  } catch (problem) {
    say(problem.message, { failed: true });
  }
  busy = false;
  await afterwards(true, review.image_ids);
}

async function afterwards(refocus, wanted = []) {
  if (grid.items.length === 0 && cursor) await load();
  settle();
  const back = grid.items.find((item) => wanted.includes(item.id));
  if (refocus && grid.items.length > 0) grid.focus(back?.id);
  else if (refocus) byId("undo").focus();
  refreshDatasets().catch(() => {});
}
