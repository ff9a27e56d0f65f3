/** A picture of the review grid: itself, beside its keeper where it is a duplicate, and what speaks against it. */

import { get } from "./api.js";
import { against } from "./checks.js";
import { el } from "./dom.js";
import { name, reason } from "./reasons.js";

/** Reasons of which more is told than their names. */
const TOLD = 4;

/** What became of a picture. */
const STATES = { accepted: "in use", flagged: "in quarantine", rejected: "rejected" };

/** The content of a tile; the `note` of the image, one line or some, is said before the reasons. */
export function tile(image) {
  const reasons = against(image);
  const more = reasons.slice(TOLD);
  const twin = twinOf(image, reasons);
  const told = reasons.slice(0, TOLD).map(reason);
  if (more.length > 0) told.push(el("span", { className: "why quiet" }, "and ", more.flatMap((one) => [name(one), " "])));
  if (told.length === 0 && !image.note) told.push(el("span", { className: "why" }, "No check names a reason."));
  return [
    el(
      "span",
      { className: twin ? "frame pair" : "frame" },
      picture(image.id),
      twin ? beside(image, twin) : null,
      el("span", { className: "tick", attributes: { "aria-hidden": "true" } }, "✓"),
    ),
    el(
      "span",
      { className: "caption" },
      el(
        "span",
        { className: "tile-head" },
        el("span", {}, el("strong", {}, image.class), " ", twin ? null : size(image)),
        image.said ? el("span", { className: `state ${image.state}` }, STATES[image.state]) : null,
        image.suspicion == null ? null : suspicion(image.suspicion),
      ),
      [image.note ?? []].flat().map((line) => el("span", { className: "why" }, line)),
      told,
    ),
  ];
}

const size = ({ width, height }) => el("span", { className: "size" }, `${width} × ${height}`);

const picture = (id, more = {}) =>
  el("img", { loading: "lazy", decoding: "async", alt: "", src: `/images/${id}/thumbnail`, draggable: false, ...more });

/** How much speaks against it, as a short bar. */
function suspicion(value) {
  const fill = el("span", { className: "fill" });
  fill.style.width = `${value * 100}%`;
  const shown = value > 0.994 && value < 1 ? ">0.99" : value.toFixed(2);
  return el(
    "span",
    { className: "suspicion", title: "Suspicion, 0 to 1: how much all checks together have against it" },
    el("span", { className: "bar", attributes: { "aria-hidden": "true" } }, fill),
    el("span", { className: "visually-hidden" }, "suspicion "),
    shown,
  );
}

/** The picture that this one looks like: the keeper, or for the keeper itself another one. */
function twinOf(image, reasons) {
  const found = reasons.find(({ check, outcome }) => check === "near_duplicate" && outcome === "flagged");
  const { keeper, cluster } = found?.evidence ?? {};
  if (!keeper) return null;
  if (keeper !== image.id) return { id: keeper, kept: !found.evidence.label_conflict };
  const other = cluster.members.find((member) => member.image_id !== image.id);
  return other ? { id: other.image_id, kept: false } : null;
}

/** The twin with the sizes of both, and what became of it since: it is read once it comes into view. */
function beside(image, { id, kept }) {
  const about = el("span", { className: "about-twin" }, kept ? "kept" : "the other");
  const tell = async () => {
    const twin = await get(`/images/${id}`).catch(() => null);
    if (!twin) return;
    const state = kept ? (twin.state === "accepted" ? "kept" : twin.state) : twin.class;
    about.replaceChildren(`${state}, `, size(twin));
  };
  return [
    picture(id, { className: "twin", onload: tell, onerror: (event) => event.target.remove() }),
    el("span", { className: "about-this" }, "this one, ", size(image)),
    about,
  ];
}
