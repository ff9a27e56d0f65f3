/** Runs and experiments. */

import assert from "node:assert/strict";

import { json, shoot, tile, until } from "./support.mjs";

export async function showsCurve(page) {
  const [run] = (await json("/training-runs")).items;
  const drawn = (epochs) => document.querySelector(".curve .test[points]")?.points.length === epochs;
  await page.waitForFunction(drawn, run.epochs);
  await page.waitForFunction(() => /Test accuracy\d/.test(document.querySelector(".figures").textContent));
  await page.hover(".curve svg", { position: { x: 60, y: 100 } });
  assert.match(await page.textContent(".curve-legend"), /epoch 1$|epoch 2$/);
}

export async function judgesRun(page) {
  const [run] = (await json("/training-runs?status=succeeded")).items;
  const { verdict } = await json(`/training-runs/${run.id}/report`);
  const { classes, matrix } = await json(`/training-runs/${run.id}/confusion`);
  await page.selectOption("#run-picker", run.id);
  await page.locator(".finding").filter({ hasText: verdict.sentence.slice(1) }).waitFor();
  for (const summary of await page.locator(".report summary").all()) await summary.click();
  assert.equal(await page.locator(".confusion tbody td").count(), classes.length ** 2);
  const precision = page.getByRole("region", { name: "Scores of each class" }).locator("tbody tr");
  assert.equal(await precision.count(), classes.length + 1);
  await page.locator(".report .plot").scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelector(".report .plot").naturalWidth > 0);
  await shoot(page, "report", "#training");
  await page.click(`[aria-label="Look at ${matrix[0][0].toLocaleString("en")} pictures: ${classes[0]}, told rightly"]`);
  const cell = new URLSearchParams({ split: "test", class: classes[0], predicted: classes[0] });
  const { items } = await json(`/training-runs/${run.id}/predictions?${cell}`);
  await page.waitForSelector(tile(items[0].image_id));
  await page.locator(`${tile(items[0].image_id)} .why`, { hasText: `Taken for ${classes[0]}` }).waitFor();
  await page.click("#asked-back");
}

/** Begins an experiment of two small networks that learn next to nothing; its id. */
async function experiment(epochs) {
  const [snapshot] = (await json("/snapshots?status=succeeded")).items;
  const recipe = { conv: [4], dense: [4], dropout: [], image_size: 16, epochs };
  const body = JSON.stringify({ snapshot_id: snapshot.id, recipe, grid: { dense: [[4], [8]] }, seeds: [1] });
  const headers = { "content-type": "application/json" };
  return (await json("/training-runs", { method: "POST", headers, body })).id;
}

export async function stopsAnExperiment(page) {
  const id = await experiment(1000);
  await page.locator(`#experiment-picker option[value="${id}"]`).waitFor({ state: "attached" });
  await page.selectOption("#experiment-picker", id);
  await page.getByRole("button", { name: "Cancel 2 runs" }).click();
  await page.locator("#toast.shown", { hasText: "Cancelled." }).waitFor();
  assert.equal((await json(`/experiments/${id}`)).unfinished, 0);
  await page.getByRole("button", { name: "Go on with 2 runs" }).click();
  await page.locator("#toast.shown", { hasText: "They go on" }).waitFor();
  assert.equal((await json(`/experiments/${id}`)).unfinished, 2);
  await json(`/experiments/${id}/cancel`, { method: "POST" });
}

export async function comparesRecipes(page) {
  const id = await experiment(1);
  const found = await until(() => json(`/experiments/${id}`), ({ unfinished }) => unfinished === 0);
  await page.locator("#experiment", { hasText: found.selection.why }).waitFor();
  await page.locator("#experiment .plot").scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelector("#experiment .plot").naturalWidth > 0);
  assert.equal(await page.locator(".recipes tbody tr").count(), 2);
  assert.equal(await page.locator(".picked th").textContent(), `${found.selection.pick} pick`);
  await shoot(page, "experiments", "#experiments");
  await page.locator(".recipes button").first().click();
  const run = found.items.find(({ name }) => name === found.selection.pick);
  assert.equal(await page.inputValue("#run-picker"), run.id);
}

export async function retrains(page) {
  const [run] = (await json("/training-runs?status=succeeded")).items;
  await page.selectOption("#run-picker", run.id);
  await page.click(".retraining button:enabled");
  await page.locator("#toast.shown", { hasText: "The same training begins" }).waitFor();
  const repeated = (await json("/training-runs")).items.find(({ baseline_id: baseline }) => baseline === run.id);
  assert.ok(repeated, "no run repeats it");
  await json(`/training-runs/${repeated.id}/cancel`, { method: "POST" });
}
