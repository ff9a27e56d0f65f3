/** Why a check flagged a picture, told from its evidence where that shows more than its sentence. */

import { spaced } from "./checks.js";
import { el } from "./dom.js";

/** Labels of a picture that are named. */
const NAMED = 6;

const names = (labels) => labels.map(({ name }) => name);
const two = (value) => value.toFixed(2);
const pixels = (value) => Math.max(0, Math.round(value));

/** Of a verdict's evidence: words, or nodes; null where it is not what we know. */
const TELL = {
  tags,
  near_duplicate: nearDuplicate,
  exact_duplicate: exactDuplicate,
  label_error: ({ suggested, suggested_confidence: sure, class: own, self_confidence: self }) =>
    suggested && [
      el("strong", {}, `looks like ${suggested}`),
      `, ${two(sure)}; like ${own} only ${two(self)} `,
      el("span", { className: "quiet wanted" }, el("kbd", {}, "S"), " moves it there"),
    ],
  outlier: ({ deviation, threshold }) => {
    if (!Number.isFinite(deviation) || !Number.isFinite(threshold)) return null;
    const [far, limit] = apart(deviation, threshold, 1);
    return `unlike the rest: ${far} times the usual spread away, ${limit} is the limit`;
  },
  blurry: scored("out of focus"),
  dark: scored("nearly black"),
  light: scored("nearly white"),
  low_information: scored("almost nothing to see"),
  grayscale: scored("without colour"),
  odd_aspect_ratio: (evidence) => scored(evidence.width > evidence.height ? "very wide" : "very tall")(evidence),
  odd_size: ({ size, usual }) =>
    usual && `${size > usual.to ? "far larger" : "far smaller"} than usual: about ${pixels(size)} pixels a side, ` +
    `others ${pixels(usual.from)} to ${pixels(usual.to)}`,
  too_small: ({ width, height, min_side: least }) =>
    least && `${Math.min(width, height)} pixels at the shorter side, ${least} are needed`,
};

/** The check of a verdict; its sentence is the tooltip. */
export const name = ({ check, reason }) => el("b", { title: reason }, spaced(check));

/** The reason of one verdict; the check's own sentence is the tooltip. */
export function reason(verdict) {
  const { check, outcome, evidence } = verdict;
  const told = outcome === "unscannable" ? `could not look: ${spaced(verdict.reason)}` : TELL[check]?.(evidence);
  return el(
    "span",
    { className: "why", title: verdict.reason },
    name(verdict),
    " ",
    told || verdict.reason,
  );
}

/** Two numbers with as many digits as it takes to tell them apart, at least `least`. */
function apart(one, other, least) {
  const both = (digits) => [one.toFixed(digits), other.toFixed(digits)];
  const digits = [least, least + 1, least + 2].find((digits) => both(digits)[0] !== both(digits)[1]);
  return both(digits ?? 6);
}

function scored(words) {
  return ({ score, threshold }) => {
    if (!Number.isFinite(score)) return null;
    const [shown, limit] = apart(score, threshold, 2);
    return `${words}: ${shown}, under ${limit}`;
  };
}

/** What the tagger saw first, then what the references would have had it see. */
function tags({ labels, references, weights, share, threshold, matched }) {
  if (!labels || !references) return null;
  const seen = names(labels);
  const listed = seen.slice(0, NAMED).join(", ") + (seen.length > NAMED ? " …" : "");
  // The rule `specific` weighs tags, the heaviest first; the other one takes the first ones of each reference.
  const wanted = weights ? weights.map(({ tag }) => tag) : [...new Set(references.flatMap(({ top }) => names(top)))];
  const few = matched?.length ? `only ${matched.map(({ tag }) => tag).join(", ")}` : `none of ${wanted.join(", ")}`;
  const weight = share > 0 ? `: ${two(share)} of the weight, ${two(threshold)} is needed` : "";
  return [listed || "nothing seen", el("span", { className: "quiet wanted" }, few + weight)];
}

function nearDuplicate({ keeper, cluster, label_conflict: conflict, dhash_distance: one, phash_distance: other }) {
  if (!keeper) return null;
  // The keeper is at no distance to itself.
  const alike = one + other === 0 && !conflict ? "the same as another one" : "looks like another one";
  const others = cluster.size > 2 ? `${cluster.size - 1} others look like it` : alike;
  const classes = [...new Set(cluster.members.map((member) => member.class))];
  return conflict ? `${others}, under ${classes.join(" and ")}: which class is right?` : others;
}

function exactDuplicate({ sightings }) {
  return sightings && `the same file came as ${sightings.map((one) => one.class).join(" and as ")}: which is right?`;
}
