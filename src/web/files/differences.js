/** Pictures of which one judgement differs from another: how many, and a way to look at them. */

import { count, el } from "./dom.js";
import { tell } from "./state.js";

/** A line that says `words` of so many pictures; its button, which `label` names, shows what `shown` says. */
export function line({ words, pictures, label, shown }) {
  const button = el("button", { type: "button", className: "small" }, "Look");
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => tell("look", shown));
  return el("li", {}, el("span", { className: "about" }, words), el("b", {}, count(pictures)), button);
}
