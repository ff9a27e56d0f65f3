/** Training again on what the dataset is now, and what that changed. */

import { get, post } from "./api.js";
import { byId, el, press, say, setText } from "./dom.js";

/** The parts that a run's section gets: `node`, and `show(run)`. */
export function retraining() {
  const button = el("button", { type: "button" }, "Train again on the cleaned set");
  const changes = el("p", { className: "changes" });
  const node = el("div", { className: "retraining" }, button, changes);
  let shown = null;
  const show = (run) => {
    const done = run.status === "succeeded";
    button.hidden = !done;
    button.onclick = () => retrain(button, run);
    const wanted = done && run.baseline_id ? run.id : null;
    if (wanted === shown) return;
    shown = wanted;
    setText(changes, "");
    if (wanted) tell(wanted, (text) => shown === wanted && setText(changes, text));
  };
  return { node, show };
}

const retrain = (button, run) =>
  press(button, async () => {
    await post(`/training-runs/${run.id}/retrain`);
    say("The same training begins on what the dataset is now; it joins the list of runs.");
    byId("run-picker").focus();
  });

async function tell(id, write) {
  try {
    const { sentence } = await get(`/training-runs/${id}/changes`);
    write(`Against the run that it repeats: ${sentence}`);
  } catch (problem) {
    write(problem.message);
  }
}
