/** What the steps share: the service, its pictures on the page, screenshots. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

export const [base, photo] = process.argv.slice(2);
assert.ok(base && photo, "usage: node test.mjs BASE_URL PHOTO");
const folder = process.env.SCREENSHOTS;
if (folder) mkdirSync(folder, { recursive: true });
export const TALLEST = 1900;

export const state = async (id) => (await json(`/images/${id}`)).state;
export const tiles = (page) => page.$$eval("#grid [role=option]", (nodes) => nodes.map((node) => node.dataset.id));
export const tile = (id) => `#tile-${id}`;

export async function json(path, options) {
  const response = await fetch(new URL(path, base), options);
  assert.ok(response.ok, `${path} answers ${response.status}`);
  return response.json();
}

/** What `ask` gives once it is as `wanted`. */
export async function until(ask, wanted) {
  for (let left = 200; left > 0; left -= 1) {
    const found = await ask();
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error("it does not come to its end");
}

/** The page from the top, or from `from`, cut where a person would stop to look. */
export async function shoot(page, name, from = "body", tallest = TALLEST) {
  if (!folder) return;
  // What the toast says has been read by then.
  await page.evaluate(() => document.getElementById("toast").classList.remove("shown"));
  // A full-page picture shows what lies below the fold too, which is loaded lazily otherwise.
  await page.evaluate(() => {
    for (const image of document.images) image.loading = "eager";
  });
  await page.waitForFunction(() => [...document.images].every((image) => image.hidden || image.complete));
  await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  const { x, y, width, height } = await page.locator(from).boundingBox();
  const clip = { x, y, width, height: Math.min(height, tallest) };
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, clip, animations: "disabled" });
}

/** The first flagged pictures as the API lists them. */
export async function queue(limit = 20) {
  const [dataset] = (await json("/datasets")).items;
  return (await json(`/datasets/${dataset.id}/review-queue?limit=${limit}`)).items;
}
