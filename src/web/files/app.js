/** Starts the page: mounts each section and keeps it fresh. */

import * as audit from "./audit.js";
import * as classify from "./classify.js";
import * as clean from "./clean.js";
import * as compare from "./compare.js";
import * as datasets from "./datasets.js";
import * as experiments from "./experiments.js";
import * as jobs from "./jobs.js";
import * as replay from "./replay.js";
import * as review from "./review.js";
import * as runs from "./runs.js";
import { refreshDatasets, refreshModels, setOffline } from "./state.js";

/** How often lists are read; a running job tells its changes itself, in between. */
const INTERVAL = 4000;

let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    await refreshDatasets();
    await Promise.all([refreshModels(), jobs.refresh()]);
    setOffline(false);
  } catch {
    setOffline(true);
  } finally {
    busy = false;
  }
}

for (const section of [datasets, classify, jobs, clean, audit, replay, compare, review, runs, experiments]) section.mount();
refresh();
setInterval(refresh, INTERVAL);
document.addEventListener("visibilitychange", refresh);
