/** What another tag rule would say of a cleaning's pictures, from the tags that are known: at no cost. */

import { post } from "./api.js";
import { line } from "./differences.js";
import { byId, count, plural, setText } from "./dom.js";
import { news, tell } from "./state.js";

/** Milliseconds without a change before the service is asked. */
const CALM = 250;
/** Pictures that are asked for. */
const MOST = 5000;
const FIELDS = { k: "replay-k", min_confidence: "replay-confidence", threshold: "replay-threshold" };

let job = null;
let turn = 0;
let waiting = null;

export function mount() {
  byId("replay-rule").append(...[...byId("clean-rule").options].map((rule) => rule.cloneNode(true)));
  byId("replay").addEventListener("input", soon);
  byId("replay-clean").addEventListener("click", () => tell("clean", { tagger: job.tags.tagger, ...settings() }));
  byId("replay").addEventListener("toggle", soon);
  news.addEventListener("audited", ({ detail }) => {
    if (job?.id === detail.job?.id) return;
    job = detail.job;
    byId("replay").hidden = !job?.tags;
    if (job?.tags) fill(job.tags);
    soon();
  });
}

/** Begins with the cleaning's own settings. */
function fill(tags) {
  byId("replay-rule").value = tags.rule;
  for (const [name, field] of Object.entries(FIELDS)) byId(field).value = Number(tags[name].toPrecision(6));
}

function soon() {
  byId("replay-threshold-label").hidden = byId("replay-rule").value !== "specific";
  clearTimeout(waiting);
  waiting = setTimeout(show, CALM);
}

/** What is written; null where a number is missing or beyond its limits. */
function settings() {
  const written = Object.entries(FIELDS).map(([name, id]) => [name, byId(id)]);
  if (written.some(([, field]) => !field.validity.valid || field.value === "")) return null;
  const numbers = written.map(([name, field]) => [name, field.valueAsNumber]);
  return { rule: byId("replay-rule").value, ...Object.fromEntries(numbers) };
}

/** Asks only where somebody looks. */
async function show() {
  const mine = ++turn;
  if (!job?.tags || !byId("replay").open) return;
  const tried = settings();
  byId("replay-clean").disabled = !tried;
  if (!tried) {
    byId("replay-list").replaceChildren();
    setText(byId("replay-words"), "Each number needs a value within its limits.");
    return;
  }
  try {
    const found = await post(`/cleaning-jobs/${job.id}/replay`, { ...tried, images: MOST });
    if (mine !== turn) return;
    // Of the pictures that are judged now; the cleaning's own count is of those of then.
    const before = found.counts.flagged - found.newly_flagged + found.no_longer_flagged;
    const text = `Of the pictures here now it would flag ${count(found.counts.flagged)}; this cleaning flagged ${count(before)}.`;
    setText(byId("replay-words"), text);
    const kinds = [
      ["newly flagged", found.newly_flagged, (one) => one.outcome === "flagged" && one.before !== "flagged"],
      ["no longer flagged", found.no_longer_flagged, (one) => one.outcome !== "flagged"],
    ];
    const some = kinds.filter(([, all]) => all > 0);
    byId("replay-list").replaceChildren(...some.map(([words, all, is]) => difference(words, all, found.images.filter(is))));
  } catch (problem) {
    if (mine !== turn) return;
    byId("replay-list").replaceChildren();
    setText(byId("replay-words"), problem.message);
  }
}

function difference(words, all, ones) {
  const entries = async () => ones.map(({ image_id, reason }) => ({ id: image_id, note: `It would be: ${reason}` }));
  const some = ones.length < all ? ` of ${count(all)}` : "";
  const about = `${plural(ones.length, "picture")}${some} that another tag rule would call ${words}; nothing has changed yet.`;
  const shown = { title: `Tags: ${words}`, about, check: "tags", entries };
  return line({ words, pictures: all, label: `Look at what would be ${words}`, shown });
}
