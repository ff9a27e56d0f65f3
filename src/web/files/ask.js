/** A question before something is done: what it does, and a number where one is needed. */

import { el } from "./dom.js";

let asked = 0;

/**
 * Asks in a dialog with a `title`, `text` in paragraphs, and a button that says `verb`; `field`, if given, is a number to
 * write: `{label, value, min}`. Gives null when the person leaves it, else what was written, or true.
 */
export function ask({ title, text, verb, tone = "", field = null }) {
  asked += 1;
  const id = `ask-${asked}`;
  const input = field && el("input", { type: "number", step: "any", required: true, min: field.min, value: field.value });
  const go = el("button", { type: "submit", className: tone, value: "go" }, verb);
  const leave = el("button", { type: "button", onclick: () => dialog.close() }, "Leave it");
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id }, title),
    el("div", { id: `${id}-text` }, text.map((one) => el("p", {}, one))),
    field ? el("label", { className: "inline" }, field.label, " ", input) : null,
    el("div", { className: "ask-foot" }, leave, go),
  );
  const attributes = { "aria-labelledby": id, "aria-describedby": `${id}-text` };
  const dialog = el("dialog", { className: "ask", attributes }, form);
  document.body.append(dialog);
  dialog.showModal();
  // Enter alone is not to do what cannot be taken back.
  (input ?? leave).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "go" ? (input?.valueAsNumber ?? true) : null);
    });
  });
}
