/** The checks in words: what each looks for, in the groups in which a person thinks of them. */

/** A name of the API as it reads in a sentence. */
export const spaced = (name) => name.replaceAll("_", " ");

/** `[group, what it is about, [check, what it looks for]…]`. */
export const GROUPS = [
  ["Files", [
    ["undecodable", "broken or changed files"],
    ["too_small", "a side under 32 pixels"],
  ]],
  ["Duplicates", [
    ["exact_duplicate", "the same file under two classes"],
    ["near_duplicate", "looks like another one; one of them is kept"],
  ]],
  ["Tags", [["tags", "shows something else than the references of its class"]]],
  ["Quality", [
    ["blurry", "out of focus"],
    ["dark", "nearly black"],
    ["light", "nearly white"],
    ["low_information", "almost nothing to see"],
    ["grayscale", "without colour"],
    ["odd_size", "far larger or smaller than the others"],
    ["odd_aspect_ratio", "very wide or very tall"],
  ]],
  ["Learned", [
    ["label_error", "looks like another class"],
    ["outlier", "looks like nothing else here"],
  ]],
];

/** What is to be known of a whole group. */
export const NOTES = {
  Learned:
    "These two train small networks on the dataset itself; look at what they flag, for a rare but right picture looks strange too.",
};

/** What a check looks for. */
const ABOUT = new Map(GROUPS.flatMap(([, checks]) => checks));
export const about = (check) => ABOUT.get(check) ?? "";

/** Whether a verdict counts against its picture. */
const counts = ({ outcome, dismissed, dry_run }) =>
  (outcome === "flagged" || outcome === "unscannable") && !dismissed && !dry_run;

/** The score that a verdict counts with; where it has none, as the review queue counts it. */
const weight = ({ score, outcome }) => score ?? (outcome === "flagged" ? 0.1 : 0.5);

/** What speaks against a picture, the strongest first; what a job `said` of it does so even where it does not count. */
export function against({ verdicts, said = [] }) {
  const told = new Set(said.map(({ check }) => check));
  const others = verdicts.filter((verdict) => counts(verdict) && !told.has(verdict.check));
  return [...said, ...others].sort((one, other) => weight(one) - weight(other));
}

/** The class that the picture looks like, where a check says that it is another one than its own; else null. */
export function suggestion(image) {
  const error = against(image).find(({ check, outcome }) => check === "label_error" && outcome === "flagged");
  const suggested = error?.evidence.suggested;
  return suggested && suggested !== image.class ? suggested : null;
}
