/** What one cleaning job says differently from another one, by check. */

import { all } from "./api.js";
import { spaced } from "./checks.js";
import { label } from "./audit.js";
import { line } from "./differences.js";
import { byId, plural, setOptions, setText } from "./dom.js";
import { news } from "./state.js";

/** Differences that are read. */
const MOST = 2000;

let job = null;
let turn = 0;

export function mount() {
  byId("compare-job").addEventListener("change", show);
  byId("compare").addEventListener("toggle", show);
  news.addEventListener("audited", ({ detail }) => {
    const known = new Set(detail.job?.checks);
    const others = detail.jobs.filter((other) => other.id !== detail.job.id && other.checks.some((one) => known.has(one)));
    const changed = job?.id !== detail.job?.id;
    job = detail.job;
    byId("compare").hidden = others.length === 0;
    setOptions(byId("compare-job"), others.map((other) => [other.id, label(other)]));
    if (changed) show();
  });
}

/** Asks only where somebody looks. */
async function show() {
  const mine = ++turn;
  const other = byId("compare-job").value;
  byId("compare-list").replaceChildren();
  if (!job || !other || !byId("compare").open) return;
  setText(byId("compare-none"), "Comparing …");
  let text = "";
  try {
    const found = await all(`/cleaning-jobs/${job.id}/differences`, { with: other }, MOST);
    if (mine !== turn) return;
    byId("compare-list").replaceChildren(...[...kinds(found)].map(([words, ones]) => difference(words, ones)));
    if (found.length === 0) text = "In the checks that both made, they say the same.";
    if (found.length >= MOST) text = `Only the first ${plural(found.length, "difference")}.`;
  } catch (problem) {
    text = problem.message;
  }
  if (mine === turn) setText(byId("compare-none"), text);
}

/** The differences by check and by what became of the pictures. */
function kinds(found) {
  const groups = new Map();
  for (const one of found) {
    const words = `${spaced(one.check)}: ${change(one)}`;
    groups.set(words, [...(groups.get(words) ?? []), one]);
  }
  return new Map([...groups].sort(([one], [other]) => one.localeCompare(other)));
}

const OUTCOME = { flagged: "flagged", passed: "passed", unscannable: "could not look", null: "had not seen it" };

function change({ before, after }) {
  if (after === "flagged") return "newly flagged";
  if (before === "flagged" && after === "passed") return "no longer flagged";
  return `${OUTCOME[before ?? null]}, now ${OUTCOME[after ?? null]}`;
}

function difference(words, ones) {
  const [{ check }] = ones;
  const note = ({ reason_before, reason_after }) => [
    `Before: ${reason_before ?? "not judged"}`,
    `Then: ${reason_after ?? "not judged"}`,
  ];
  const entries = async () => ones.map((one) => ({ id: one.image_id, note: note(one) }));
  const title = `What changed in ${spaced(check)}`;
  const about = `${plural(ones.length, "picture")} on which the two cleanings differ: ${words.split(": ")[1]}.`;
  return line({ words, pictures: ones.length, label: `Look at: ${words}`, shown: { title, about, check, entries } });
}
