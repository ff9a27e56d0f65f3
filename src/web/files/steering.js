/** What a person can do with a job: cancel it, let it go on, take it back, look at what it flagged. */

import { call, post } from "./api.js";
import { ask } from "./ask.js";
import { count, dollars, plural, say } from "./dom.js";
import { lookAtFlagged } from "./flagged.js";
import { held, refreshDatasets, shared } from "./state.js";

export const active = (job) => job.status === "queued" || job.status === "running";

/**
 * The verbs in order, some for one kind of job only. `fits(job)`: whether it can be done now. `run(kind, job)` does it, and
 * gives the changed job, or null where nothing changed.
 */
const VERBS = [
  { name: "Cancel", fits: active, run: cancel },
  { name: "Retry", fits: (job) => ["failed", "cancelled"].includes(job.status) && !job.undone_at, run: retry },
  { name: "Look at flagged", only: "cleaning-jobs", fits: (job) => job.counts.flagged > 0 && !job.undone_at, run: look },
  { name: "Undo", only: "cleaning-jobs", fits: (job) => !active(job) && !job.dry_run && !job.undone_at, run: undo },
];

/** Those of a kind of job. */
export const verbs = (kind) => VERBS.filter(({ only }) => !only || only === kind);

async function cancel(kind, job) {
  const changed = await post(`/${kind}/${job.id}/cancel`);
  say("Cancelled.");
  return changed;
}

async function retry(kind, job) {
  const query = {};
  if (job.error?.code === "budget_exhausted") {
    const budget = await askBudget(job);
    if (budget === null) return null;
    query.budget_usd = budget;
  }
  const changed = await call("POST", `/${kind}/${job.id}/retry`, { query });
  say("It goes on where it stopped.");
  return changed;
}

/** Asks what the job may cost in all, and proposes what it needs. */
async function askBudget(job) {
  const { dataset_id, checks, thresholds, keeper, dry_run, tags } = job;
  const wanted = { dataset_id, checks, thresholds, keeper, dry_run, tags };
  const rest = await post("/cleaning-jobs/estimate", wanted).then((answer) => answer.cost_usd, () => null);
  // Upwards, so that the last call is within it.
  const needed = rest === null ? null : Math.ceil((job.cost_usd + rest) * 1000 - 1e-6) / 1000;
  const spent = `It has spent ${dollars(job.cost_usd)} of ${dollars(job.budget_usd ?? 0)}`;
  const text = [`${spent}, and stopped before it would spend more.`];
  if (needed !== null) text.push(`To come to its end it needs about ${dollars(needed)} in all.`);
  const field = { label: "Spend at most, from its start, $", value: needed ?? "", min: job.cost_usd };
  return ask({ title: "Go on with a larger budget?", text, verb: "Go on", tone: "good", field });
}

function look(kind, job) {
  lookAtFlagged(job);
  return null;
}

const inUse = (id) => held(shared.datasets.find((dataset) => dataset.id === id), "accepted");

async function undo(kind, job) {
  const { passed, flagged, unscannable } = job.counts;
  const others = "but for those against which a person or another cleaning speaks";
  const back = flagged ? `What it flagged, ${plural(flagged, "picture")}, comes back into use, ${others}.` : "It flagged nothing.";
  const text = [
    `Takes back all that it said of ${plural(passed + flagged + unscannable, "picture")}. ${back}`,
    "What cleanings before it said counts again. What you decided yourself stays.",
    "This cannot be reversed, but you can start another cleaning; tags that are known cost nothing then.",
  ];
  if (!(await ask({ title: "Undo this cleaning?", text, verb: "Undo it", tone: "bad" }))) return null;
  await refreshDatasets();
  const before = inUse(job.dataset_id);
  const changed = await post(`/${kind}/${job.id}/undo`);
  await refreshDatasets();
  say(`Undone: ${told(inUse(job.dataset_id) - before)}`);
  return changed;
}

function told(more) {
  if (more > 0) return `${plural(more, "picture")} ${more === 1 ? "is" : "are"} back in use.`;
  if (more < 0) return `${count(-more)} fewer in use, because what was said before counts again.`;
  return "as many pictures are in use as before.";
}
