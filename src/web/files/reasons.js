/** Why a check flagged a picture, told from its evidence where that shows more than its sentence. */

import { el } from "./dom.js";

/** Labels of a picture that are named. */
const NAMED = 6;

const names = (labels) => labels.map(({ name }) => name);

const TELL = { tags, near_duplicate: nearDuplicate };

/** The reason of one verdict; the check's own sentence is the tooltip. */
export function reason(verdict) {
  const told = TELL[verdict.check]?.(verdict) ?? [` ${verdict.reason}`];
  return el(
    "span",
    { className: "why", title: verdict.reason },
    el("b", {}, verdict.check.replaceAll("_", " ")),
    told,
  );
}

/** What the tagger saw first, then what the references would have had it see. */
function tags({ evidence }) {
  const { labels, references } = evidence;
  if (!labels || !references) return null;
  const seen = names(labels);
  const listed = seen.slice(0, NAMED).join(", ") + (seen.length > NAMED ? " …" : "");
  const wanted = new Set(references.flatMap(({ top }) => names(top)));
  return [
    ` ${listed || "nothing seen"}`,
    el("span", { className: "quiet wanted" }, `none of ${[...wanted].join(", ")}`),
  ];
}

/** Beside the picture that is kept of the two. */
function nearDuplicate({ evidence, reason }) {
  if (!evidence.keeper) return null;
  const kept = el("img", {
    className: "kept",
    loading: "lazy",
    alt: "",
    src: `/images/${evidence.keeper}/thumbnail`,
    onerror: (event) => event.target.remove(),
    draggable: false,
  });
  return [` ${reason}`, kept];
}
