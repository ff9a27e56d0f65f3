/** Where the review grid's pictures come from, page by page: `(cursor, limit)` gives `{items, next_cursor}`. */

import { get } from "./api.js";

/** The flagged pictures of a dataset, the most suspicious first. */
export function suspects({ dataset, name, check }) {
  const path = `/datasets/${dataset}/review-queue`;
  return (cursor, limit) => get(path, { class: name, check, cursor, limit });
}

/** The flagged pictures of a dataset in the order of their arrival. */
export function arrivals({ dataset, name, check, order }) {
  const query = { dataset_id: dataset, state: "flagged", class: name, check, sort: order };
  return (cursor, limit) => get("/images", { ...query, cursor, limit });
}

/** Pictures by name; `entries()` gives `{id, note, said}` of each, in order. */
export function named(entries) {
  let known = [];
  return async (cursor, limit) => {
    if (!cursor) known = await entries();
    const from = Number(cursor ?? 0);
    const wanted = known.slice(from, from + limit);
    const found = await Promise.all(wanted.map(({ id, ...more }) => find(id, more)));
    const next = from + limit < known.length ? String(from + limit) : null;
    return { items: found.filter(Boolean), next_cursor: next };
  };
}

/** The picture, or null when it is gone. */
async function find(id, more) {
  try {
    const image = await get(`/images/${id}`);
    return image.state === "deleted" ? null : { ...image, ...more };
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}
