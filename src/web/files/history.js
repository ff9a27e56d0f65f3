/** The latest decisions about the chosen dataset, whenever they were made, and taking them back. */

import { get, post } from "./api.js";
import { words } from "./decisions.js";
import { byId, el, say, setText, syncRows, timeNode } from "./dom.js";
import { shared } from "./state.js";

/** Decisions that are listed, and reviews that are read to have so many: one may be several. */
const LISTED = 10;
const READ = 50;
/** Where the browser keeps which reviews were one decision. */
const KEPT = "shipshape.decisions";
const MOST_KEPT = 100;

/** The decisions on the list, the newest first: `{id, reviews}`, the newest review first. */
let decisions = [];
let turn = 0;
const rows = new Map();
let takeBack = () => {};

/** `undo(decision)` is called for the one whose button on the list is pressed. */
export function mount(undo) {
  takeBack = undo;
}

export const newest = () => decisions[0] ?? null;

/** Goes to the newest decision on the list; false when there is none. */
export function focus() {
  const button = byId("history-list").querySelector("button");
  button?.focus();
  return Boolean(button);
}

/** Asks for the reviews of one decision, which are undone as one; gives those that were made. */
export async function decide(bodies) {
  const made = [];
  try {
    for (const body of bodies) {
      made.unshift(await post("/reviews", body));
    }
  } finally {
    if (made.length > 1) keep(made.map(({ id }) => id));
    // At once, so that an undo that follows closely means this one.
    if (made.length > 0) decisions = [{ id: made[0].id, reviews: made }, ...decisions];
  }
  return made;
}

/** Takes a decision back. */
export async function undo({ id, reviews }) {
  for (const review of reviews) await post(`/reviews/${review.id}/undo`);
  decisions = decisions.filter((decision) => decision.id !== id);
}

/** Reads the decisions anew. */
export async function read() {
  const mine = ++turn;
  const dataset = shared.current;
  try {
    const query = { dataset_id: dataset, undone: false, limit: READ };
    const { items } = dataset ? await get("/reviews", query) : { items: [] };
    if (mine !== turn) return;
    decisions = together(items).slice(0, LISTED);
    show();
  } catch (problem) {
    if (mine === turn) say(problem.message, { failed: true });
  }
}

/** Joins the reviews that were one decision in this browser. */
function together(reviews) {
  const first = new Map(kept().flatMap((ids) => ids.map((id) => [id, ids[0]])));
  const groups = new Map();
  for (const review of reviews) {
    const id = first.get(review.id) ?? review.id;
    groups.set(id, [...(groups.get(id) ?? []), review]);
  }
  return [...groups].map(([id, reviews]) => ({ id, reviews }));
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}

function keep(ids) {
  try {
    localStorage.setItem(KEPT, JSON.stringify([ids, ...kept()].slice(0, MOST_KEPT)));
  } catch {
    // A browser that stores nothing undoes them one by one.
  }
}

function show() {
  byId("history").hidden = decisions.length === 0;
  syncRows(byId("history-list"), rows, decisions, create);
}

function create() {
  const text = el("span", { className: "about" });
  const when = el("span", { className: "quiet" });
  const picture = el("img", { alt: "", loading: "lazy", onerror: (event) => event.target.remove() });
  const button = el("button", { type: "button", className: "small" }, "Undo");
  const node = el("li", {}, picture, text, when, button);
  const update = (decision) => {
    const [first] = decision.reviews;
    const said = words(decision.reviews);
    const source = `/images/${first.image_ids[0]}/thumbnail`;
    if (picture.getAttribute("src") !== source) picture.src = source;
    setText(text, said);
    when.replaceChildren(timeNode(first.created_at));
    button.setAttribute("aria-label", `Undo: ${said}`);
    button.onclick = () => takeBack(decision);
  };
  return { node, update };
}

