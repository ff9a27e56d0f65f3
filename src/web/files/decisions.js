/** What to ask the API for when a person decides about pictures, and how that reads. */

import { against, spaced, suggestion } from "./checks.js";
import { plural } from "./dom.js";

/** The most pictures of one review. */
const MOST = 1000;

/**
 * The bodies of the reviews that a decision takes: `keep`, `reject`, `reclass` (to the class `name`), `suggested` (each
 * to the class that it looks like), `not_a_problem` (of `check`, or else of every check that speaks against it).
 */
export function requests(decision, images, { name, check }) {
  const groups = new Map();
  const add = (key, image) => groups.set(key, [...(groups.get(key) ?? []), image.id]);
  for (const image of images) {
    if (decision === "suggested") {
      const suggested = suggestion(image);
      if (suggested) add(suggested, image);
    } else if (decision === "not_a_problem") {
      const wrong = check ? [check] : against(image).map((verdict) => verdict.check);
      for (const one of wrong) add(one, image);
    } else add(name ?? "", image);
  }
  return [...groups].flatMap(([key, ids]) => chunks(ids).map((image_ids) => body(decision, key, image_ids)));
}

function body(decision, key, image_ids) {
  if (decision === "not_a_problem") return { image_ids, decision, check: key };
  if (decision === "suggested" || decision === "reclass") return { image_ids, decision: "reclass", class: key };
  return { image_ids, decision };
}

function chunks(ids) {
  const number = Math.ceil(ids.length / MOST);
  return Array.from({ length: number }, (_, at) => ids.slice(at * MOST, (at + 1) * MOST));
}

/** The pictures of some reviews, each once. */
export const pictures = (reviews) => [...new Set(reviews.flatMap((review) => review.image_ids))];

/** `Moved 3 pictures to freighter`: what some reviews that belong together did. */
export function words(reviews) {
  const many = plural(pictures(reviews).length, "picture");
  const of = (key) => [...new Set(reviews.map((review) => review[key]))].map(spaced).join(", ");
  switch (reviews[0].decision) {
    case "keep":
      return `Kept ${many}`;
    case "reject":
      return `Rejected ${many}`;
    case "reclass":
      return `Moved ${many} to ${[...new Set(reviews.map((review) => review.class))].join(", ")}`;
    default:
      return `No problem: ${of("check")} in ${many}`;
  }
}
