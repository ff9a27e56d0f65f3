/** What the sections share: the datasets, the chosen one, and the news that they tell each other. */

import { all } from "./api.js";
import { byId } from "./dom.js";

/**
 * Fires `datasets` (list or counts changed), `dataset` (another one was chosen), `job` (a job changed; detail
 * `{kind, job}`), `models` (a model came, went, or answers now), `look` (the review grid is to show pictures; detail
 * `{title, about, check, entries}`; `entries()` gives `{id, note, said}` of each picture, in order: lines about it, and
 * verdicts to show before those that count), `reviewed` (a person decided, or took it back), `clean` (the form is to take
 * these settings of tags), `run` (a training run is to be shown; detail `{id}`), `audited` (the jobs to audit are known;
 * detail `{jobs, job}`).
 */
export const news = new EventTarget();

export const tell = (name, detail) => news.dispatchEvent(new CustomEvent(name, { detail }));

export const shared = {
  /** All datasets, newest first; null until they are known. */
  datasets: null,
  /** Models, newest first; null until they are known. */
  models: null,
  /** Id of the chosen dataset, or null. */
  current: new URL(location.href).searchParams.get("dataset"),
};

export const currentDataset = () => shared.datasets?.find((dataset) => dataset.id === shared.current) ?? null;

/** How many pictures of a dataset are in a state; none of no dataset. */
export const held = (dataset, state) => dataset?.classes.reduce((sum, one) => sum + one.counts[state], 0) ?? 0;

export const datasetName = (id) => shared.datasets?.find((dataset) => dataset.id === id)?.name ?? "";

/** Chooses a dataset for review and training; the address keeps it. */
export function choose(id) {
  if (shared.current === id) return;
  shared.current = id;
  const address = new URL(location.href);
  address.searchParams.set("dataset", id);
  history.replaceState(null, "", address);
  tell("dataset");
}

let loading = null;
let again = false;

/** Reads the datasets anew; calls while one is under way become one more. */
export async function refreshDatasets() {
  if (loading) {
    again = true;
    return loading;
  }
  loading = read();
  try {
    await loading;
  } finally {
    loading = null;
  }
  if (again) {
    again = false;
    return refreshDatasets();
  }
}

async function read() {
  shared.datasets = await all("/datasets");
  if (!currentDataset() && shared.datasets.length > 0) {
    shared.current = shared.datasets[0].id;
    tell("dataset");
  }
  tell("datasets");
}

/** Reads the models anew. */
export async function refreshModels() {
  const models = await all("/models", {}, 200);
  const same = JSON.stringify(models) === JSON.stringify(shared.models);
  shared.models = models;
  if (!same) tell("models");
}

/** Shows or hides the line that says the service is away. */
export const setOffline = (offline) => {
  byId("offline").hidden = !offline;
};
