/** The review queue: its order, decisions by keyboard and mouse, and taking them back. */

import assert from "node:assert/strict";

import { json, queue, shoot, state, tile, tiles } from "./support.mjs";

export async function reviewsByKeyboard(page) {
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

export async function reviewsByMouse(page) {
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

export async function ordersBySuspicion(page) {
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

export async function reviewsManyByKeyboard(page) {
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

export async function dismisses(page) {
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

export async function movesByKeyboard(page) {
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
