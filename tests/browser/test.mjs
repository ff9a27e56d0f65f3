/**
 * Drives the page in Chromium against a service that has a served model and at least one flagged picture:
 * `node test.mjs BASE_URL PHOTO`. Screenshots go to `SCREENSHOTS`, if set.
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, photo] = process.argv.slice(2);
assert.ok(base && photo, "usage: node test.mjs BASE_URL PHOTO");
const folder = process.env.SCREENSHOTS;
if (folder) mkdirSync(folder, { recursive: true });

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TALLEST = 1900;
const complaints = [];
/** What a step provokes: Chromium itself logs each failed request. */
const PROVOKED = [/status of 415/, /ERR_INTERNET_DISCONNECTED/];

const state = async (id) => (await json(`/images/${id}`)).state;
const tiles = (page) => page.$$eval("#grid [role=option]", (nodes) => nodes.map((node) => node.dataset.id));
const tile = (id) => `#tile-${id}`;

const profile = mkdtempSync(join(tmpdir(), "shipshape-browser-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
  viewport: { width: 1280, height: 900 },
  colorScheme: "light",
});

try {
  const page = await open();
  await step("a dropped photo becomes bars that sum to one", () => dropsPhoto(page));
  await step("what is no picture is refused in words", () => refusesText(page));
  await step("datasets and jobs are listed", () => listsDatasetsAndJobs(page));
  await step("a running job tells how far it is", () => followsJob(page));
  await step("a run shows its curve", () => showsCurve(page));
  await step("a flagged picture is kept by keyboard, and taken back", () => reviewsByKeyboard(page));
  await step("two pictures are rejected by mouse, and taken back", () => reviewsByMouse(page));
  await step("a service that is away is told, and so is its return", () => survivesOutage(page));
  await step("the page fits a narrow screen and has a dark side", () => looks(page));
  assert.deepEqual(complaints, [], "the console has errors");
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}

async function step(name, run) {
  await run();
  console.log(`ok - ${name}`);
}

async function open() {
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    const provoked = PROVOKED.some((text) => text.test(message.text()));
    if (message.type() === "error" && !provoked) complaints.push(message.text());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
    });
  });
  const response = await page.goto(base);
  const policy = response.headers()["content-security-policy"] ?? "";
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  await page.waitForSelector(".dataset");
  return page;
}

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

async function dropsPhoto(page) {
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

async function refusesText(page) {
  await drop(page, "notes.txt", "text/plain", Buffer.from("no picture at all"));
  const problem = page.locator("#answer .problem");
  await problem.waitFor();
  assert.match(await problem.textContent(), /no picture/i);
  await shoot(page, "refused", "body", 900);
}

async function listsDatasetsAndJobs(page) {
  const datasets = await json("/datasets");
  assert.equal(await page.locator(".dataset").count(), datasets.items.length);
  const total = await page.locator(".dataset.current .classes li").count();
  assert.equal(total, datasets.items[0].classes.length);
  await page.waitForSelector(".job .status");
}

/** A dry run changes nothing, and asks no tagger. */
async function followsJob(page) {
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

async function showsCurve(page) {
  const [run] = (await json("/training-runs")).items;
  const drawn = (epochs) => document.querySelector(".curve .test[points]")?.points.length === epochs;
  await page.waitForFunction(drawn, run.epochs);
  await page.waitForFunction(() => /Test accuracy\d/.test(document.querySelector(".figures").textContent));
  await page.hover(".curve svg", { position: { x: 60, y: 100 } });
  assert.match(await page.textContent(".curve-legend"), /epoch 1$|epoch 2$/);
}

async function json(path, options) {
  const response = await fetch(new URL(path, base), options);
  assert.ok(response.ok, `${path} answers ${response.status}`);
  return response.json();
}

async function survivesOutage(page) {
  await browser.setOffline(true);
  await page.waitForSelector("#offline:not([hidden])");
  await drop(page, "photo.jpg", "image/jpeg", readFileSync(photo));
  const problem = page.locator("#answer .problem");
  await problem.filter({ hasText: "does not answer" }).waitFor();
  await shoot(page, "away", "body", 900);
  await browser.setOffline(false);
  await page.waitForSelector("#offline", { state: "hidden" });
  await page.click("#answer button");
  await page.waitForSelector(".bars li");
}

async function reviewsByKeyboard(page) {
  await page.waitForSelector("#grid [role=option]");
  const [first, second] = await tiles(page);
  assert.match(await page.locator(`${tile(first)} .why`).first().textContent(), /\w+ \w+/);
  await page.locator("#select-all").focus();
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => document.activeElement.dataset.id);
  assert.equal(await focused(), first, "Tab enters the grid");
  if (second) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), second);
    await page.keyboard.press("ArrowLeft");
  }
  await page.keyboard.press("Space");
  assert.equal(await page.getAttribute(tile(first), "aria-selected"), "true");
  await page.keyboard.press("k");
  await page.waitForSelector(tile(first), { state: "detached" });
  assert.equal(await state(first), "accepted");
  await page.keyboard.press("u");
  await page.waitForSelector(tile(first));
  assert.equal(await state(first), "flagged");
  await page.waitForFunction((id) => document.activeElement.dataset.id === id, first);
}

async function reviewsByMouse(page) {
  const chosen = (await tiles(page)).slice(0, 2);
  await page.keyboard.press("Escape");
  for (const id of chosen) await page.click(tile(id));
  await shoot(page, "review", "#review");
  await page.click("#reject");
  for (const id of chosen) await page.waitForSelector(tile(id), { state: "detached" });
  for (const id of chosen) assert.equal(await state(id), "rejected");
  await page.click("#undo");
  for (const id of chosen) await page.waitForSelector(tile(id));
  for (const id of chosen) assert.equal(await state(id), "flagged");
}

async function looks(page) {
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "dark");
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the narrow page scrolls sideways by ${wide} px`);
  await page.emulateMedia({ colorScheme: "light" });
  await shoot(page, "narrow", "body", 2 * TALLEST);
}

/** The page from the top, or from `from`, cut where a person would stop to look. */
async function shoot(page, name, from = "body", tallest = TALLEST) {
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
