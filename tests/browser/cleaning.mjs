/** Cleaning: begun, sampled, replayed, compared and undone. */

import assert from "node:assert/strict";

import { json, queue, shoot, state, tile, tiles, until } from "./support.mjs";

/** Asks for what needs no tagger, as a dry run. */
export async function startsCleaning(page) {
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
export async function showsSample(page) {
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
export async function triesAnotherRule(page) {
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
export async function comparesCleanings(page) {
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

/** A cleaning that flags the few most blurry pictures: their scores come from a dry run. */
export async function undoesCleaning(page) {
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
  const others = (await queue(200)).map(({ id }) => id);
  assert.ok(after.every((one, at) => one === "accepted" || others.includes(flagged[at])), `they are ${after}`);
  assert.ok(after.includes("accepted"), "none comes back");
  await page.click("#asked-back");
}
