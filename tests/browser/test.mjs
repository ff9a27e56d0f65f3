/**
 * Drives the page in Chromium against a service that has a served model and at least one flagged picture:
 * `node test.mjs BASE_URL PHOTO`. Screenshots go to `SCREENSHOTS`, if set.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import * as cleaning from "./cleaning.mjs";
import * as whole from "./page.mjs";
import * as review from "./review.mjs";
import { base } from "./support.mjs";
import * as training from "./training.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const complaints = [];
/** What a step provokes: Chromium itself logs each failed request. */
const PROVOKED = [/status of 415/, /ERR_INTERNET_DISCONNECTED/];

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
  await step("a dropped photo becomes bars that sum to one", () => whole.dropsPhoto(page));
  await step("what is no picture is refused in words", () => whole.refusesText(page));
  await step("datasets and jobs are listed", () => whole.listsDatasetsAndJobs(page));
  await step("a running job tells how far it is", () => whole.followsJob(page));
  await step("a run shows its curve", () => training.showsCurve(page));
  await step("the most suspicious pictures come first, with their reasons", () => review.ordersBySuspicion(page));
  await step("a flagged picture is kept by keyboard, and taken back", () => review.reviewsByKeyboard(page));
  await step("many are rejected by keyboard at once, and taken back", () => review.reviewsManyByKeyboard(page));
  await step("two pictures are rejected by mouse, and taken back", () => review.reviewsByMouse(page));
  await step("what is no problem leaves, and comes back by undo on another visit", () => review.dismisses(page));
  await step("a class is chosen by keyboard, and Enter moves to it", () => review.movesByKeyboard(page));
  await step("a cleaning shows what it costs, and begins", () => cleaning.startsCleaning(page));
  await step("the sample of a check is shown for review", () => cleaning.showsSample(page));
  await step("another tag rule shows what it would flag", () => cleaning.triesAnotherRule(page));
  await step("two cleanings are compared", () => cleaning.comparesCleanings(page));
  await step("what a cleaning flagged is shown, and comes back when it is undone", () => cleaning.undoesCleaning(page));
  await step("a run tells how far it can be believed, and shows what it confuses", () => training.judgesRun(page));
  await step("a run is repeated on what the dataset is now", () => training.retrains(page));
  await step("an experiment shows which recipe to take, and leads to its runs", () => training.comparesRecipes(page));
  await step("all runs of an experiment are cancelled, and go on", () => training.stopsAnExperiment(page));
  await step("a service that is away is told, and so is its return", () => whole.survivesOutage(page));
  await step("the page fits a narrow screen and has a dark side", () => whole.looks(page));
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
