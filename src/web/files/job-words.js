/** What a job is about and how it went, in words. */

import { spaced } from "./checks.js";
import { count, dollars, plural, share } from "./dom.js";
import { network } from "./recipe.js";

const STOPPED = {
  limit_reached: "as many pictures as asked for",
  exhausted: "the source has no more",
  cap_reached: "the source shows no more of one query",
  blocked_suspected: "the source seems to block us",
  rate_limited: "the source asks for too much patience",
  parse_drift: "the source's pages have changed and cannot be read",
};

/**
 * Each kind of job by its path: its name, what it is about, how far it is where that is no plain count, and what came
 * of it as `[words, tone]` pairs.
 */
export const KINDS = {
  "scrape-jobs": {
    name: "Scrape",
    about: (job) => `${job.class} from ${job.source}${job.phrase ? `: “${job.phrase}”` : ""}`,
    results: (job) => outcomes(job.outcomes),
    ended: (job) => job.stop_reason && `Stopped: ${STOPPED[job.stop_reason] ?? job.stop_reason}`,
  },
  "import-jobs": {
    name: "Import",
    about: (job) => (job.class ? `${job.file_name} as ${job.class}` : job.file_name),
    results: (job) => outcomes(job.outcomes),
  },
  "cleaning-jobs": {
    name: "Clean",
    about: (job) => `${job.checks.map(spaced).join(", ")}${job.dry_run ? " (dry run)" : ""}`,
    results: cleaned,
    ended: (job) => job.undone_at && "Undone: everything that it moved came back",
  },
  snapshots: {
    name: "Snapshot",
    about: (job) => `${share(job.test_fraction)} held out, seed ${job.seed}`,
    results: (job) => [
      [`${count(job.counts.train)} train`, ""],
      [`${count(job.counts.test)} test`, ""],
      ...(job.leaks ? [[`${count(job.leaks)} leaks`, "bad"]] : []),
      ...(job.missing ? [[`${count(job.missing)} missing`, "warn"]] : []),
    ],
  },
  "training-runs": {
    name: "Train",
    about: (job) => `${network(job.recipe)} at ${job.recipe.image_size} px, seed ${job.seed}`,
    far: remaining,
    results: trained,
  },
};

/** When a cleaning was, and what it looked for. */
export function label(job) {
  const format = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const what = job.checks.length === 1 ? spaced(job.checks[0]) : plural(job.checks.length, "check");
  return `${new Date(job.created_at).toLocaleString(undefined, format)}: ${what}${job.dry_run ? ", dry run" : ""}`;
}

function outcomes(counts) {
  const listed = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return listed.map(([outcome, many]) => {
    const [kind, why] = outcome.split(":");
    const words = why ? `${kind}: ${spaced(why)}` : kind;
    // The web is full of dead links: only what was won stands out.
    return [`${count(many)} ${words}`, kind === "stored" ? "good" : ""];
  });
}

function cleaned(job) {
  const { passed, flagged, unscannable } = job.counts;
  const by = Object.entries(job.by_check).filter(([, tally]) => tally.flagged > 0);
  const checks = by.map(([check, tally]) => `${spaced(check)} ${count(tally.flagged)}`);
  const results = [
    [`${count(passed)} passed`, "good"],
    [`${count(flagged)} flagged${checks.length ? ` (${checks.join(", ")})` : ""}`, flagged ? "warn" : ""],
  ];
  if (unscannable) results.push([`${count(unscannable)} unscannable`, "bad"]);
  if (job.cost_usd) results.push([`${dollars(job.cost_usd)} to the tagger`, ""]);
  return results;
}

/** How long it takes still, once its pace is known. */
function remaining(job) {
  const { done, total } = job.progress;
  if (job.status !== "running" || !(done > total / 50)) return "";
  const elapsed = (Date.now() - new Date(job.started_at)) / 1000;
  const left = (elapsed * (total - done)) / done;
  if (left < 90) return `about ${Math.max(10, Math.round(left / 10) * 10)} s left`;
  return left < 5400 ? `about ${Math.round(left / 60)} min left` : `about ${Math.round(left / 3600)} h left`;
}

function trained(job) {
  const results = [[`epoch ${job.epoch} of ${job.epochs}`, ""]];
  if (job.train_accuracy != null) results.push([`train ${share(job.train_accuracy)}`, ""]);
  if (job.test_accuracy != null) results.push([`test ${share(job.test_accuracy)}`, "good"]);
  return results;
}
