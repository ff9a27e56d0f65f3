/** What one cleaning job says differently from another one, by check. */

import { all, get } from "./api.js";
import { spaced } from "./checks.js";
import { line } from "./differences.js";
import { byId, count, plural, setOptions, setText } from "./dom.js";
import { label } from "./job-words.js";
import { news } from "./state.js";

/** Pictures of one line that are shown. */
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
    const path = `/cleaning-jobs/${job.id}/differences`;
    const { items } = await get(`${path}/totals`, { with: other });
    if (mine !== turn) return;
    byId("compare-list").replaceChildren(...items.map((total) => difference(total, path, other)));
    if (items.length === 0) text = "In the checks that both made, they say the same.";
  } catch (problem) {
    text = problem.message;
  }
  if (mine === turn) setText(byId("compare-none"), text);
}

const OUTCOME = { flagged: "flagged", passed: "passed", unscannable: "could not look", null: "had not seen it" };

function change({ before, after }) {
  if (before === "passed" && after === "flagged") return "newly flagged";
  if (before === "flagged" && after === "passed") return "no longer flagged";
  return `${OUTCOME[before ?? null]}, now ${OUTCOME[after ?? null]}`;
}

/** A line that says how many pictures changed in one way, and reads them when somebody looks. */
function difference(total, path, other) {
  const { check, before, after, images } = total;
  const words = change(total);
  const note = ({ reason_before, reason_after }) => [
    `Before: ${reason_before ?? "not judged"}`,
    `Then: ${reason_after ?? "not judged"}`,
  ];
  const shown = Math.min(images, MOST);
  const entries = async () => {
    const alike = (one) => one.before === before && one.after === after;
    const found = await all(path, { with: other, check }, shown, alike);
    return found.slice(0, shown).map((one) => ({ id: one.image_id, note: note(one) }));
  };
  const title = `What changed in ${spaced(check)}`;
  const some = shown < images ? ` of ${count(images)}` : "";
  const about = `${plural(shown, "picture")}${some} on which the two cleanings differ: ${words}.`;
  const kind = `${spaced(check)}: ${words}`;
  return line({ words: kind, pictures: images, label: `Look at: ${kind}`, shown: { title, about, check, entries } });
}
