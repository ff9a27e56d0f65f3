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
  await step("the most suspicious pictures come first, with their reasons", () => ordersBySuspicion(page));
  await step("a flagged picture is kept by keyboard, and taken back", () => reviewsByKeyboard(page));
  await step("many are rejected by keyboard at once, and taken back", () => reviewsManyByKeyboard(page));
  await step("two pictures are rejected by mouse, and taken back", () => reviewsByMouse(page));
  await step("what is no problem leaves, and comes back by undo on another visit", () => dismisses(page));
  await step("a class is chosen by keyboard, and Enter moves to it", () => movesByKeyboard(page));
  await step("a cleaning shows what it costs, and begins", () => startsCleaning(page));
  await step("the sample of a check is shown for review", () => showsSample(page));
  await step("another tag rule shows what it would flag", () => triesAnotherRule(page));
  await step("two cleanings are compared", () => comparesCleanings(page));
  await step("what a cleaning flagged is shown, and comes back when it is undone", () => undoesCleaning(page));
  await step("a run tells how far it can be believed, and shows what it confuses", () => judgesRun(page));
  await step("a run is repeated on what the dataset is now", () => retrains(page));
  await step("an experiment shows which recipe to take, and leads to its runs", () => comparesRecipes(page));
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

/** The flagged pictures as the API lists them. */
async function queue() {
  const [dataset] = (await json("/datasets")).items;
  return (await json(`/datasets/${dataset.id}/review-queue?limit=20`)).items;
}

async function ordersBySuspicion(page) {
  await page.waitForSelector("#grid [role=option]");
  const wanted = await queue();
  const shown = await tiles(page);
  assert.deepEqual(shown.slice(0, wanted.length), wanted.map(({ id }) => id));
  const told = await page.$$eval("#grid .suspicion", (nodes) => nodes.map((node) => node.textContent.match(/[\d.]+/)[0]));
  assert.deepEqual(told, [...told].sort((one, other) => other - one), "suspicion falls");
  const counting = ({ outcome, dismissed }) => outcome !== "passed" && !dismissed;
  for (const { id, verdicts } of wanted) {
    const checks = verdicts.filter(counting).map(({ check }) => check.replaceAll("_", " "));
    const reasons = await page.$$eval(`${tile(id)} .why b`, (nodes) => nodes.map((node) => node.textContent));
    assert.deepEqual(reasons.sort(), checks.sort(), "every reason is told");
  }
  const duplicate = wanted.find(({ id, verdicts }) =>
    verdicts.some(({ check, outcome, evidence }) => check === "near_duplicate" && outcome === "flagged" && evidence.keeper !== id),
  );
  if (!duplicate) return;
  const { evidence } = duplicate.verdicts.find(({ check }) => check === "near_duplicate");
  const keeper = await json(`/images/${evidence.keeper}`);
  await page.locator(`${tile(duplicate.id)} .twin`).scrollIntoViewIfNeeded();
  const beside = page.locator(tile(duplicate.id)).filter({ hasText: `${keeper.width} × ${keeper.height}` });
  await beside.filter({ hasText: `${duplicate.width} × ${duplicate.height}` }).waitFor();
}

async function reviewsManyByKeyboard(page) {
  const chosen = (await tiles(page)).slice(0, 3);
  await page.focus(tile(chosen[0]));
  for (let at = 1; at < chosen.length; at += 1) await page.keyboard.press("Shift+ArrowRight");
  await page.waitForFunction((text) => document.getElementById("selection").textContent === text, `${chosen.length} selected`);
  await page.keyboard.press("r");
  for (const id of chosen) await page.waitForSelector(tile(id), { state: "detached" });
  for (const id of chosen) assert.equal(await state(id), "rejected");
  await page.keyboard.press("u");
  for (const id of chosen) await page.waitForSelector(tile(id));
  for (const id of chosen) assert.equal(await state(id), "flagged");
  assert.deepEqual((await tiles(page)).slice(0, 3), chosen, "they stand where they stood");
}

async function dismisses(page) {
  const [{ id }] = await queue();
  const reviews = async () => (await json(`/reviews?image_id=${id}`)).items.filter((review) => !review.undone_at);
  assert.equal((await reviews()).length, 0);
  await page.keyboard.press("Escape");
  await page.focus(tile(id));
  await page.keyboard.press("n");
  await page.waitForSelector(tile(id), { state: "detached" });
  assert.equal(await state(id), "accepted");
  assert.ok((await reviews()).every(({ decision, check }) => decision === "not_a_problem" && check));
  await page.reload();
  await page.waitForSelector("#grid [role=option]");
  assert.equal(await page.locator(tile(id)).count(), 0, "it stays away");
  await page.click("#history summary");
  await page.locator("#history-list li").first().filter({ hasText: "No problem" }).waitFor();
  await shoot(page, "history", "#review");
  await page.focus("#select-all");
  await page.keyboard.press("u");
  await page.waitForSelector(tile(id));
  assert.equal(await state(id), "flagged");
  assert.equal((await reviews()).length, 0);
}

async function movesByKeyboard(page) {
  const [{ id, class: name }] = await queue();
  const [dataset] = (await json("/datasets")).items;
  const other = dataset.classes.find((one) => one.name !== name).name;
  await page.keyboard.press("Escape");
  await page.focus(tile(id));
  await page.keyboard.press("Space");
  await page.keyboard.press("m");
  await page.keyboard.type(other.slice(0, 3));
  assert.equal(await page.inputValue("#reclass"), other);
  assert.equal((await json(`/images/${id}`)).class, name, "typing alone moves nothing");
  await page.keyboard.press("Enter");
  await page.waitForSelector(tile(id), { state: "detached" });
  assert.equal((await json(`/images/${id}`)).class, other);
  await page.keyboard.press("u");
  await page.waitForSelector(tile(id));
  assert.equal((await json(`/images/${id}`)).class, name);
}

/** Asks for what needs no tagger, as a dry run. */
async function startsCleaning(page) {
  const [dataset] = (await json("/datasets")).items;
  const estimated = page.locator("#estimate:not([aria-busy])");
  const pictures = dataset.classes.reduce((sum, { counts }) => sum + counts.accepted + counts.flagged, 0);
  await estimated.filter({ hasText: `${pictures.toLocaleString("en")} pictures` }).waitFor();
  await page.check("#clean-checks input[value=tags]");
  await estimated.filter({ hasText: /Rekognition: \$|nothing to pay/ }).waitFor();
  await shoot(page, "clean", "#clean");
  await page.uncheck("#clean-checks input[value=tags]");
  await estimated.filter({ hasText: "No cost" }).waitFor();
  await page.check("#clean-checks input[value=outlier]");
  await estimated.filter({ hasText: /Trains \d+ small networks/ }).waitFor();
  await page.uncheck("#clean-checks input[value=outlier]");
  await page.check("#clean-checks input[value=blurry]");
  await page.selectOption("#clean-keeper", "earliest");
  await page.click("#clean-thresholds summary");
  await page.getByLabel("Blurry under").fill("2");
  await page.locator("#clean-error", { hasText: "Blurry: a number from 0 to 1" }).waitFor();
  await page.getByLabel("Blurry under").fill("0.1");
  await page.check("#clean-dry");
  await page.locator("#clean-start:enabled").filter({ hasText: "dry run" }).click();
  await page.locator(".job .about", { hasText: "near duplicate, blurry (dry run)" }).first().waitFor();
  const [job] = (await json("/cleaning-jobs")).items;
  assert.deepEqual([job.keeper, job.thresholds.blurry], ["earliest", 0.1]);
  assert.deepEqual([...job.checks].sort(), ["blurry", "exact_duplicate", "near_duplicate", "too_small", "undecodable"]);
  assert.equal(job.dry_run, true);
  await page.locator(`.job[data-id="${job.id}"] .status`, { hasText: "succeeded" }).waitFor();
}

/** Of the job that flagged what is shown. */
async function showsSample(page) {
  const { items } = await json("/cleaning-jobs?status=succeeded");
  const job = items.find((job) => !job.dry_run && job.counts.flagged > 0);
  const [check, other] = job.checks.filter((check) => job.by_check[check].flagged > 0);
  await page.selectOption("#audit-job", job.id);
  const name = (check) => check.replaceAll("_", " ");
  await page.click(`[aria-label="Look at the sample of ${name(other ?? check)}"]`);
  await page.locator("#review-title", { hasText: `Sample of ${name(other ?? check)}` }).waitFor();
  const { sample } = await json(`/cleaning-jobs/${job.id}/audit?check=${other ?? check}&size=50`);
  const open = sample.filter(({ decision }) => !decision).map(({ image_id }) => image_id);
  await page.waitForSelector(tile(open[0]));
  assert.deepEqual(await tiles(page), open.slice(0, 48));
  await shoot(page, "audit", "#audit");
  await page.focus(tile(open[0]));
  await page.keyboard.press("k");
  await page.waitForSelector(tile(open[0]), { state: "detached" });
  const decided = page.locator(".audit-bar", { hasText: `1 of ${sample.length} decided in order` });
  await decided.first().waitFor();
  await page.keyboard.press("u");
  await page.waitForSelector(tile(open[0]));
  await page.click("#asked-back");
  await page.waitForSelector(tile((await queue())[0].id));
}

/** On the job that compared tags, from the labels that are known. */
async function triesAnotherRule(page) {
  const { items } = await json("/cleaning-jobs?status=succeeded");
  const job = items.find((job) => job.tags);
  await page.selectOption("#audit-job", job.id);
  await page.click("#replay summary");
  const words = page.locator("#replay-words");
  const own = job.by_check.tags.flagged.toLocaleString("en");
  await words.filter({ hasText: `it would flag ${own}; this cleaning flagged ${own}.` }).waitFor();
  await page.selectOption("#replay-rule", "specific");
  await page.fill("#replay-k", "1");
  await page.fill("#replay-threshold", "1");
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ rule: "specific", k: 1, threshold: 1 });
  const wanted = await json(`/cleaning-jobs/${job.id}/replay`, { method: "POST", headers, body });
  await words.filter({ hasText: `it would flag ${wanted.counts.flagged.toLocaleString("en")};` }).waitFor();
  await shoot(page, "replay", "#audit");
  await page.click("#replay-clean");
  assert.equal(await page.inputValue("#clean-rule"), "specific");
  assert.deepEqual([await page.inputValue("#clean-k"), await page.inputValue("#clean-threshold")], ["1", "1"]);
  assert.ok(wanted.newly_flagged > 0, "the strictest rule flags no picture more");
  await page.click('[aria-label="Look at what would be newly flagged"]');
  const first = wanted.images.find(({ outcome, before }) => outcome === "flagged" && before === "passed");
  await page.waitForSelector(tile(first.image_id));
  await page.click("#asked-back");
  await page.waitForSelector(tile((await queue())[0].id));
}

/** The dry run with what flagged first: it keeps other duplicates, and some pictures have been decided about since. */
async function comparesCleanings(page) {
  const { items } = await json("/cleaning-jobs?status=succeeded");
  const [job, other] = [items.find((job) => job.dry_run), items.find((job) => !job.dry_run)];
  const path = `/cleaning-jobs/${job.id}/differences`;
  const { items: totals } = await json(`${path}/totals?with=${other.id}`);
  assert.ok(totals.length > 0, "the two cleanings say the same");
  await page.selectOption("#audit-job", job.id);
  await page.click("#compare summary");
  await page.selectOption("#compare-job", other.id);
  const lines = page.locator("#compare-list li");
  await lines.nth(totals.length - 1).waitFor();
  assert.deepEqual(await lines.locator("b").allTextContents(), totals.map(({ images }) => images.toLocaleString("en")));
  await shoot(page, "compare", "#audit");
  await lines.first().locator("button").click();
  const [{ check, before, after }] = totals;
  const of = (one) => one.before === before && one.after === after;
  const first = (await json(`${path}?with=${other.id}&check=${check}&limit=200`)).items.find(of);
  await page.waitForSelector(tile(first.image_id));
  await page.click("#asked-back");
  await page.waitForSelector(tile((await queue())[0].id));
}

/** A job as it ended. */
async function cleaned(body) {
  const [dataset] = (await json("/datasets")).items;
  const headers = { "content-type": "application/json" };
  const { id } = await json("/cleaning-jobs", { method: "POST", headers, body: JSON.stringify({ dataset_id: dataset.id, ...body }) });
  const ended = ({ status }) => !["queued", "running"].includes(status);
  return until(() => json(`/cleaning-jobs/${id}`), ended);
}

/** What `ask` gives once it is as `wanted`. */
async function until(ask, wanted) {
  for (let left = 200; left > 0; left -= 1) {
    const found = await ask();
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error("it does not come to its end");
}

/** A cleaning that flags the few most blurry pictures: their scores come from a dry run. */
async function undoesCleaning(page) {
  const dry = await cleaned({ checks: ["blurry"], thresholds: { blurry: 1 }, dry_run: true });
  const { items } = await json(`/cleaning-jobs/${dry.id}/verdicts?outcome=flagged&limit=200`);
  const scores = items.map(({ score }) => score).sort((one, other) => one - other);
  const job = await cleaned({ checks: ["blurry"], thresholds: { blurry: scores[3] } });
  assert.ok(job.counts.flagged > 0, "nothing is flagged that could come back");
  const { items: verdicts } = await json(`/cleaning-jobs/${job.id}/verdicts?outcome=flagged&limit=48`);
  const flagged = verdicts.map(({ image_id: image }) => image);
  const row = page.locator(`.job[data-id="${job.id}"]`);
  await row.getByText("Look at flagged").click();
  await page.waitForSelector(tile(flagged[0]));
  assert.deepEqual((await tiles(page)).sort(), [...flagged].sort());
  await page.locator(`${tile(flagged[0])} .why b`, { hasText: "blurry" }).waitFor();
  const before = await Promise.all(flagged.map(state));
  assert.ok(before.every((one) => one === "flagged"), `they are ${before}`);
  const undo = row.getByRole("button", { name: /^Undo/ });
  await undo.click();
  await page.getByRole("dialog").getByText(/comes back into use/).waitFor();
  await page.keyboard.press("Escape");
  assert.equal((await json(`/cleaning-jobs/${job.id}`)).undone_at, null, "Escape leaves it");
  await undo.click();
  await shoot(page, "undo", "body", 900);
  await page.getByRole("dialog").getByRole("button", { name: "Undo it" }).click();
  await page.locator("#toast.shown", { hasText: "Undone" }).waitFor();
  await row.getByText("everything that it moved came back").waitFor();
  const after = await Promise.all(flagged.map(state));
  const others = (await queue()).map(({ id }) => id);
  assert.ok(after.every((one, at) => one === "accepted" || others.includes(flagged[at])), `they are ${after}`);
  assert.ok(after.includes("accepted"), "none comes back");
  await page.click("#asked-back");
}

async function judgesRun(page) {
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

/** Of two small networks that learn next to nothing. */
async function comparesRecipes(page) {
  const [snapshot] = (await json("/snapshots?status=succeeded")).items;
  const recipe = { conv: [4], dense: [4], dropout: [], image_size: 16, epochs: 1 };
  const body = JSON.stringify({ snapshot_id: snapshot.id, recipe, grid: { dense: [[4], [8]] }, seeds: [1] });
  const headers = { "content-type": "application/json" };
  const { id } = await json("/training-runs", { method: "POST", headers, body });
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

async function retrains(page) {
  const [run] = (await json("/training-runs?status=succeeded")).items;
  await page.selectOption("#run-picker", run.id);
  await page.click(".retraining button:enabled");
  await page.locator("#toast.shown", { hasText: "The same training begins" }).waitFor();
  const repeated = (await json("/training-runs")).items.find(({ baseline_id: baseline }) => baseline === run.id);
  assert.ok(repeated, "no run repeats it");
  await json(`/training-runs/${repeated.id}/cancel`, { method: "POST" });
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
