/** Small helpers to build and update the page's nodes. */

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. `properties` are set as properties (`className`, `onclick`, `textContent` …), those under
 * `attributes` as attributes; `null` among the children is left out.
 */
export function el(name, properties = {}, ...children) {
  const { attributes = {}, ...rest } = properties;
  const node = Object.assign(document.createElement(name), rest);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text only when it differs, so that screen readers and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of `parent` show `items` in order, one row per key. Rows that stay keep their node (and with
 * it focus, selection and loaded pictures). `create(item)` gives `{node, update(item)}`.
 */
export function syncRows(parent, rows, items, create) {
  const keys = new Set(items.map((item) => item.id));
  for (const [key, row] of rows) {
    if (!keys.has(key)) {
      row.node.remove();
      rows.delete(key);
    }
  }
  let before = parent.firstElementChild;
  for (const item of items) {
    let row = rows.get(item.id);
    if (!row) {
      row = create(item);
      rows.set(item.id, row);
    }
    row.update(item);
    if (row.node === before) before = before.nextElementSibling;
    else parent.insertBefore(row.node, before);
  }
}

/** Replaces a select's options, keeping its value where it is still there. `options`: `[value, label]` pairs. */
export function setOptions(select, options) {
  const wanted = JSON.stringify(options);
  if (select.dataset.options === wanted) return;
  const value = select.value;
  select.dataset.options = wanted;
  select.replaceChildren(...options.map(([key, label]) => el("option", { value: key }, label)));
  if (options.some(([key]) => key === value)) select.value = value;
}

/** A shell command to copy; browsers copy by button on safe origins only, which includes this machine's. */
export function command(text) {
  const copy = el("button", { type: "button", className: "small copy" }, "Copy");
  copy.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(text).then(() => true, () => false);
    if (copied) copy.textContent = "Copied";
    else say("The browser forbids it: select the text and copy it.", { failed: true });
  });
  return el(
    "div",
    { className: "command" },
    el("pre", { tabIndex: 0 }, el("code", {}, text)),
    navigator.clipboard ? copy : null,
  );
}

/** The command that posts `body` to this service. */
export function curl(path, body) {
  const address = `${location.origin}${path}`;
  if (body === undefined) return `curl -X POST ${address}`;
  // On one line, with spaces to break it at.
  const text = JSON.stringify(body, null, 1).replace(/\n\s*/g, " ");
  return `curl ${address} --json \\\n  '${text.replaceAll("'", "'\\''")}'`;
}

const number = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

/** `12,345`. */
export const count = (value) => number.format(value);

/** A fraction as `97.3%`. */
export const share = (value) => percent.format(value);

/** `$1.20`, `$0.003`. */
export const dollars = (value) => `$${value.toFixed(value > 0 && value < 0.1 ? 3 : 2)}`;

/** A probability as `97.3%`; what is not quite certain is not shown as certain. */
export function probability(value) {
  if (value < 1 && value >= 0.9995) return ">99.9%";
  if (value > 0 && value < 0.0005) return "<0.1%";
  return share(value);
}

/** `3 pictures`, `1 picture`. */
export const plural = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The service's words as a sentence. */
export const sentence = (text) => capital(text) + (/[.?!]$/.test(text) ? "" : ".");

/** `just now`, `5 min ago`, or a date. */
export function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

/** A `<time>` with the exact moment as its tooltip. */
export function timeNode(time) {
  const node = el("time", { dateTime: time, title: new Date(time).toLocaleString() }, ago(time));
  return node;
}

let hiding;

/** Says what just happened, at the foot of the page and to screen readers. */
export function say(message, { failed = false } = {}) {
  const toast = byId("toast");
  clearTimeout(hiding);
  toast.textContent = message;
  toast.classList.toggle("failed", failed);
  toast.classList.add("shown");
  hiding = setTimeout(() => toast.classList.remove("shown"), failed ? 9000 : 4500);
}

/** Does what a button is for; it is disabled meanwhile, and a problem is said. */
export async function press(button, act) {
  button.disabled = true;
  try {
    await act();
  } catch (problem) {
    say(problem.message, { failed: true });
  }
  button.disabled = false;
}
