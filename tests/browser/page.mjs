/** The page as a whole: a photo that is asked about, lists, a service that is away, a narrow screen. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { TALLEST, json, photo, shoot } from "./support.mjs";

async function drop(page, name, type, bytes) {
  const transfer = await page.evaluateHandle(
    ({ name, type, text }) => {
      const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([data], name, { type }));
      return transfer;
    },
    { name, type, text: bytes.toString("base64") },
  );
  for (const event of ["dragenter", "dragover", "drop"]) {
    await page.dispatchEvent("#drop", event, { dataTransfer: transfer });
  }
}

export async function dropsPhoto(page) {
  await drop(page, "photo.jpg", "image/jpeg", readFileSync(photo));
  await page.waitForSelector(".bars li");
  const shares = await page.$$eval(".bars data", (nodes) => nodes.map((node) => Number(node.value)));
  assert.ok(shares.length >= 2, "at least two classes");
  const sum = shares.reduce((total, one) => total + one, 0);
  assert.ok(Math.abs(sum - 1) < 1e-3, `the bars sum to ${sum}`);
  const widths = await page.$$eval(".bar", (bars) =>
    bars.map((bar) => bar.firstChild.getBoundingClientRect().width / bar.getBoundingClientRect().width),
  );
  assert.ok(Math.abs(widths[0] - shares[0]) < 0.02, "the first bar is as long as its probability");
  const natural = await page.$eval("#preview", (image) => image.naturalWidth);
  assert.ok(natural > 0, "the photo is shown");
  await shoot(page, "light");
}

export async function refusesText(page) {
  await drop(page, "notes.txt", "text/plain", Buffer.from("no picture at all"));
  const problem = page.locator("#answer .problem");
  await problem.waitFor();
  assert.match(await problem.textContent(), /no picture/i);
  await shoot(page, "refused", "body", 900);
}

export async function listsDatasetsAndJobs(page) {
  const datasets = await json("/datasets");
  assert.equal(await page.locator(".dataset").count(), datasets.items.length);
  const total = await page.locator(".dataset.current .classes li").count();
  assert.equal(total, datasets.items[0].classes.length);
  await page.waitForSelector(".job .status");
}

/** A dry run changes nothing, and asks no tagger. */
export async function followsJob(page) {
  const [dataset] = (await json("/datasets")).items;
  const body = { dataset_id: dataset.id, checks: ["undecodable", "too_small"], dry_run: true };
  const headers = { "content-type": "application/json" };
  const { id } = await json("/cleaning-jobs", { method: "POST", headers, body: JSON.stringify(body) });
  const row = page.locator(`.job[data-id="${id}"]`);
  await row.filter({ hasText: "(dry run)" }).waitFor();
  await row.locator(".status", { hasText: "succeeded" }).waitFor();
  const told = await row.locator(".results").textContent();
  const size = (one) => one.counts.accepted + one.counts.flagged;
  const pictures = dataset.classes.reduce((sum, one) => sum + size(one), 0);
  const number = (word) => Number(told.match(`([\\d,]+) ${word}`)[1].replaceAll(",", ""));
  assert.equal(number("passed") + number("flagged"), pictures, told);
}

export async function survivesOutage(page) {
  await page.context().setOffline(true);
  await page.waitForSelector("#offline:not([hidden])");
  await drop(page, "photo.jpg", "image/jpeg", readFileSync(photo));
  const problem = page.locator("#answer .problem");
  await problem.filter({ hasText: "does not answer" }).waitFor();
  await shoot(page, "away", "body", 900);
  await page.context().setOffline(false);
  await page.waitForSelector("#offline", { state: "hidden" });
  await page.click("#answer button");
  await page.waitForSelector(".bars li");
}

export async function looks(page) {
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "dark");
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the narrow page scrolls sideways by ${wide} px`);
  await page.emulateMedia({ colorScheme: "light" });
  await shoot(page, "narrow", "body", 2 * TALLEST);
}
