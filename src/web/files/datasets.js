/** Datasets with the counts of each class, and the choice of one of them. */

import { byId, command, count, curl, el, plural, setOptions, setText, syncRows, timeNode } from "./dom.js";
import { choose, held, news, shared } from "./state.js";

const STATES = ["accepted", "flagged", "rejected"];
const rows = new Map();

export function mount() {
  news.addEventListener("datasets", show);
  news.addEventListener("dataset", show);
  byId("dataset-picker").addEventListener("change", (event) => choose(event.target.value));
}

function show() {
  const { datasets, current } = shared;
  if (!datasets) return;
  const list = byId("dataset-list");
  const picker = byId("dataset-picker");
  picker.disabled = datasets.length === 0;
  if (datasets.length === 0) {
    rows.clear();
    list.replaceChildren(...empty());
    return;
  }
  setOptions(picker, datasets.map(({ id, name }) => [id, name]));
  picker.value = current;
  if (rows.size === 0) list.replaceChildren();
  syncRows(list, rows, datasets, create);
}

function empty() {
  const body = {
    name: "ships",
    classes: [
      { name: "freighter", phrases: ["cargo ship at sea"] },
      { name: "zumwalt", phrases: ["zumwalt destroyer"] },
    ],
  };
  return [
    el("p", {}, "There is no dataset yet. Create one with its classes:"),
    command(curl("/datasets", body)),
    el("p", {}, "Or see the whole way at once:"),
    command("shipshape demo"),
  ];
}

function create({ id, created_at }) {
  const totals = el("span", { className: "quiet" });
  const flagged = el("a", { href: "#review", onclick: () => choose(id) });
  const title = el("button", { type: "button", className: "link", onclick: () => choose(id) });
  const body = el("ul", { className: "classes plain" });
  const inside = el("div", {}, body, el("p", { className: "quiet small" }, "Created ", timeNode(created_at)));
  const node = el(
    "div",
    { className: "dataset" },
    el("div", { className: "dataset-head" }, el("h3", {}, title), totals, flagged),
    inside,
  );
  const classes = new Map();
  const update = (dataset) => {
    const current = dataset.id === shared.current;
    const waiting = held(dataset, "flagged");
    setText(title, dataset.name);
    setText(totals, `${plural(held(dataset, "accepted"), "picture")} in use`);
    setText(flagged, waiting ? `${count(waiting)} to review` : "");
    node.classList.toggle("current", current);
    title.setAttribute("aria-expanded", String(current));
    inside.hidden = !current;
    const most = Math.max(1, ...dataset.classes.map(size));
    syncRows(body, classes, dataset.classes.map((one) => ({ ...one, most })), createClass);
  };
  return { node, update };
}

const size = ({ counts }) => STATES.reduce((total, state) => total + counts[state], 0);

function createClass() {
  const name = el("strong");
  const parts = STATES.map((state) => el("span", { className: state }));
  const numbers = el("span", { className: "numbers" });
  const references = el("span", { className: "references" });
  const stack = el("div", { className: "stack", attributes: { "aria-hidden": "true" } }, parts);
  const node = el("li", {}, el("div", { className: "class-head" }, name, numbers, references), stack);
  const update = (one) => {
    setText(name, one.name);
    name.title = one.phrases.join(", ");
    STATES.forEach((state, at) => {
      parts[at].style.width = `${(one.counts[state] / one.most) * 100}%`;
    });
    const told = STATES.filter((state) => state === "accepted" || one.counts[state] > 0);
    setText(numbers, told.map((state) => `${count(one.counts[state])} ${state}`).join(" · "));
    setText(references, one.references ? plural(one.references, "reference") : "no reference");
    references.classList.toggle("missing", one.references === 0);
    references.title = one.references ? "" : "The tags check needs a reference picture of the class";
  };
  return { node, update };
}
