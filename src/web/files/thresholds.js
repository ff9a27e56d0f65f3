/** The thresholds of a cleaning job's checks, where others than the usual are wanted. */

import { get } from "./api.js";
import { spaced } from "./checks.js";
import { byId, capital, el, say } from "./dom.js";

const fields = new Map();
/** The question for them, while it is open. */
let asked = null;

/** Asks once, when a person first looks. */
export function mount() {
  byId("clean-thresholds").addEventListener("toggle", () => {
    if (fields.size > 0 || asked) return;
    asked = load()
      .catch((problem) => say(problem.message, { failed: true }))
      .finally(() => (asked = null));
  });
}

async function load() {
  const { items } = await get("/checks");
  for (const check of items) if (check.threshold !== null) fields.set(check.name, row(check));
  byId("threshold-list").replaceChildren(...[...fields.values()].map(({ node }) => node));
  show(shown);
}

function row({ name, threshold: usual, highest_threshold: max }) {
  const input = el("input", { type: "number", min: 0, max, step: "any", placeholder: usual });
  return { input, node: el("label", { className: "inline" }, capital(spaced(name)), " under ", input) };
}

let shown = [];

/** Shows those of these checks. */
export function show(checks) {
  shown = checks;
  for (const [name, { node }] of fields) node.hidden = !checks.includes(name);
  byId("threshold-none").hidden = fields.size === 0 || [...fields.keys()].some((name) => checks.includes(name));
}

/** What was written, by check. */
export function given(checks) {
  const written = [...fields].filter(([name, { input }]) => checks.includes(name) && input.value !== "");
  return Object.fromEntries(written.map(([name, { input }]) => [name, input.valueAsNumber]));
}

/** What is wrong with a threshold, as a sentence; empty when nothing is. */
export function wrong(checks) {
  const [found] = [...fields].filter(([name, { input }]) => checks.includes(name) && !input.validity.valid);
  return found ? `${capital(spaced(found[0]))}: a number from 0 to ${found[1].input.max}.` : "";
}
