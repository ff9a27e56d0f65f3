/** Where the review grid's pictures come from, page by page: `(cursor, limit)` gives `{items, next_cursor}`. */

import { get } from "./api.js";
import { against } from "./checks.js";

/** The most that one request may list. */
const MOST = 200;
/** Pages of the queue that are searched for a class in one go. */
const SEARCHED = 5;

/** The flagged pictures of a dataset, the most suspicious first. */
export function suspects({ dataset, name, check }) {
  const path = `/datasets/${dataset}/review-queue`;
  return async (cursor, limit) => {
    // The queue knows no classes: of one class, as many pages are read as it takes.
    if (!name) return get(path, { check, cursor, limit });
    const items = [];
    let next = cursor;
    for (let read = 0; read < SEARCHED; read += 1) {
      const page = await get(path, { check, cursor: next, limit: MOST });
      items.push(...page.items.filter((image) => image.class === name));
      next = page.next_cursor;
      if (!next || items.length >= limit) break;
    }
    return { items, next_cursor: next };
  };
}

/** The flagged pictures of a dataset in the order of their arrival. */
export function arrivals({ dataset, name, check, order }) {
  const query = { dataset_id: dataset, state: "flagged", class: name, check, sort: order };
  return async (cursor, limit) => {
    const page = await get("/images", { ...query, cursor, limit });
    // Of a check that a person has overruled, the verdict is still listed.
    const wanted = (image) => !check || against(image).some((verdict) => verdict.check === check);
    return { ...page, items: page.items.filter(wanted) };
  };
}

/** Pictures by name; `entries()` gives `{id, note}` of each, in order. */
export function named(entries) {
  let known = [];
  return async (cursor, limit) => {
    if (!cursor) known = await entries();
    const from = Number(cursor ?? 0);
    const wanted = known.slice(from, from + limit);
    const found = await Promise.all(wanted.map(({ id, note }) => find(id, note)));
    const next = from + limit < known.length ? String(from + limit) : null;
    return { items: found.filter(Boolean), next_cursor: next };
  };
}

/** The picture, or null when it is gone. */
async function find(id, note) {
  try {
    const image = await get(`/images/${id}`);
    return image.state === "deleted" ? null : { ...image, note };
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}
