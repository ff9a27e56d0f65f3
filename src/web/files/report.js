/** What a finished run can be believed for: its gap in words, each class, what it confuses, its probabilities. */

import { all, get } from "./api.js";
import { capital, count, el, plural, probability, say, share } from "./dom.js";
import { tell } from "./state.js";

/** Pictures of one cell of the confusion table that are shown. */
const MOST = 2000;

/** A fraction in points, as `−1.2`. */
const tenths = (value) => (value * 100).toFixed(1).replace("-", "−");

/** The parts that a run's section gets: `node` with the finding, `more` to open, and `show(run)`. */
export function report() {
  const node = el("div");
  const more = el("div", { className: "report" });
  let shown = null;
  const show = async (run) => {
    const wanted = run.status === "succeeded" ? run.id : null;
    if (wanted === shown) return;
    shown = wanted;
    for (const one of [node, more]) one.replaceChildren();
    if (!wanted) return;
    try {
      const asked = [get(`/training-runs/${wanted}/report`), get(`/training-runs/${wanted}/confusion`)];
      const [found, confusion] = await Promise.all(asked);
      if (shown !== wanted) return;
      node.replaceChildren(told(found));
      more.replaceChildren(...parts(run, found, confusion));
    } catch (problem) {
      if (shown !== wanted) return;
      // The next time that the run is shown it is asked for again.
      if (problem.retryable) shown = null;
      else say(problem.message, { failed: true });
    }
  };
  return { node, more, show };
}

function told({ verdict: { finding, gap, sentence, advice }, caveats }) {
  const words = el("strong", {}, `${capital(sentence)}.`);
  // Where the finding is about something else, its sentence lacks the gap.
  const range = `Gap ${tenths(gap.estimate)} points, 95 % interval ${tenths(gap.low)} to ${tenths(gap.high)}. `;
  const beware = caveats.map((one) => ` ${capital(one)}.`).join("");
  const more = (sentence.includes("95 %") ? advice : range + advice) + beware;
  return el("p", { className: `finding ${finding}` }, words, " ", el("span", { className: "quiet" }, more));
}

function parts(run, { classes, calibration }, confusion) {
  return [
    part("How well each class is told", scores(classes)),
    part("Which class is taken for which", confused(run, confusion)),
    part("How far its probabilities can be believed", believed(run, calibration)),
  ];
}

const part = (title, content) => el("details", {}, el("summary", {}, title), content);

const scroll = (label, table) =>
  el("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": label } }, table);

const header = (words) =>
  el("thead", {}, el("tr", {}, words.map(([text, title = ""]) => el("th", { scope: "col", title }, text))));

function scores({ classes, macro_average: mean }) {
  const head = [
    ["Class"],
    ["Pictures", "Held-out pictures of the class"],
    ["Precision", "Of what it gave this class, the share that is of it"],
    ["Recall", "Of what is of this class, the share that it gave it"],
    ["F1", "The harmonic mean of precision and recall"],
  ];
  const row = (name, support, { precision, recall, f1 }) => {
    const cells = [count(support), share(precision), share(recall), share(f1)];
    return el("tr", {}, el("th", { scope: "row" }, name), cells.map((text) => el("td", {}, text)));
  };
  const rows = classes.map((one) => row(one.class, one.support, one));
  const total = classes.reduce((sum, one) => sum + one.support, 0);
  const body = el("tbody", {}, rows, row("Mean of the classes", total, mean));
  return scroll("Scores of each class", el("table", {}, header(head), body));
}

function confused(run, { classes, matrix }) {
  const rows = matrix.map((cells, at) => {
    const total = Math.max(1, cells.reduce((sum, one) => sum + one, 0));
    const of = (many, to) => ({ own: classes[at], predicted: classes[to], many, part: many / total });
    const buttons = cells.map((many, to) => cell(run, of(many, to)));
    return el("tr", {}, el("th", { scope: "row" }, classes[at]), buttons);
  });
  const head = [["Is", "The class in the snapshot"], ...classes.map((name) => [`taken for ${name}`])];
  return [
    scroll("Confusion", el("table", { className: "confusion" }, header(head), el("tbody", {}, rows))),
    el("p", { className: "quiet small" }, "Held-out pictures; a number shows its pictures."),
  ];
}

function cell(run, { own, predicted, many, part }) {
  const right = own === predicted;
  if (many === 0) return el("td", { className: "quiet" }, "0");
  const title = right ? `${own}, told rightly` : `${own}, taken for ${predicted}`;
  const button = el("button", { type: "button", className: `small ${right ? "right" : "wrong"}` }, count(many));
  button.style.setProperty("--part", `${Math.round(part * 100)}%`);
  button.setAttribute("aria-label", `Look at ${plural(many, "picture")}: ${title}`);
  button.addEventListener("click", () => look(run, { own, predicted, many, title }));
  return el("td", {}, button);
}

/** Shows the held-out pictures of a class that the run gave a class. */
function look(run, { own, predicted, many, title }) {
  const entries = async () => {
    const query = { split: "test", class: own, predicted };
    const found = await all(`/training-runs/${run.id}/predictions`, query, MOST, ({ image_id: id }) => id !== null);
    const taken = (one) => `Taken for ${one.predicted}, ${probability(one.probability)}`;
    const note = (one) => `${taken(one)}; in the snapshot it is ${one.class}`;
    return found.slice(0, MOST).map((one) => ({ id: one.image_id, note: note(one) }));
  };
  const about =
    `${plural(many, "held-out picture")} of ${own} that the run took for ${predicted}, ` +
    "as far as they are still in the dataset. What you decide counts from the next snapshot on.";
  tell("look", { title, about, check: null, entries });
}

function believed(run, { accuracy, confidence, expected_error: error, count: answers }) {
  const lean = confidence > accuracy ? "surer than it is right" : "less sure than it is right";
  const words =
    `Expected calibration error ${tenths(error)} points: on average it is ${share(confidence)} sure and right in ` +
    `${share(accuracy)} of ${plural(answers, "held-out picture")}, so ${lean}. ` +
    "The error is above 0 even for a perfect network, the more so the fewer the pictures.";
  const source = `/training-runs/${run.id}/pictures/reliability.svg`;
  const alt = "Reliability: for each range of probability, the share that is right";
  return [el("p", {}, words), el("img", { className: "plot", loading: "lazy", alt, src: source })];
}
