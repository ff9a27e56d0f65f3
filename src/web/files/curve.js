/** The learning curve of a run, in the type and the colours of the page, whatever its width. */

import { count, el, plural, setText, share } from "./dom.js";

const HEIGHT = 250;
const MARGIN = { left: 46, right: 12, top: 12, bottom: 26 };
/** Pixels that a label below the axis takes. */
const LABEL = 34;

const LINES = [
  { name: "Train", key: "train_accuracy", className: "train", about: "On the training pictures, after an epoch" },
  { name: "Test", key: "test_accuracy", className: "test", about: "On the held-out pictures, after an epoch" },
  { name: "Running", key: "running_accuracy", className: "running", about: "While learning, with dropout and augmentation" },
];

export class Curve {
  #svg = draw("svg", { height: HEIGHT, role: "img" });
  #legend = el("ul", { className: "curve-legend plain" });
  #at = el("li", { className: "quiet" });
  #epochs = [];
  #total = 1;
  /** The epoch under the pointer, or null. */
  #picked = null;

  constructor() {
    for (const { name, className, about } of LINES) {
      this.#legend.append(el("li", { className, title: about }, name, " ", el("b")));
    }
    this.#legend.append(this.#at);
    this.node = el("div", { className: "curve" }, this.#legend, this.#svg);
    new ResizeObserver(() => this.#draw()).observe(this.node);
    this.#svg.addEventListener("pointermove", (event) => this.#pick(event.offsetX));
    this.#svg.addEventListener("pointerdown", (event) => this.#pick(event.offsetX));
    this.#svg.addEventListener("pointerleave", () => this.#pick(null));
  }

  /** Shows these epochs of a run that has `total` of them at its end. */
  show(epochs, total) {
    this.#epochs = epochs;
    this.#total = Math.max(total, 2);
    this.#picked = null;
    this.#draw();
  }

  get #width() {
    return Math.max(this.#svg.clientWidth, 200);
  }

  #x(epoch) {
    return MARGIN.left + ((epoch - 1) / (this.#total - 1)) * (this.#width - MARGIN.left - MARGIN.right);
  }

  /** The lowest tenth that the axis shows. */
  get #floor() {
    const values = this.#epochs.flatMap((epoch) => LINES.map(({ key }) => epoch[key])).filter(Number.isFinite);
    return Math.max(0, Math.min(9, Math.floor(Math.min(0.9, ...values) * 10))) / 10;
  }

  #y(value) {
    const share = (value - this.#floor) / (1 - this.#floor);
    return HEIGHT - MARGIN.bottom - share * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  #pick(x) {
    const span = this.#width - MARGIN.left - MARGIN.right;
    const wanted = 1 + ((x - MARGIN.left) / span) * (this.#total - 1);
    const away = ({ epoch }) => Math.abs(epoch - wanted);
    // Not every epoch need have been evaluated.
    const nearest = () => this.#epochs.reduce((best, one) => (away(one) < away(best) ? one : best), this.#epochs[0]);
    const picked = x === null ? null : (nearest() ?? null);
    if (picked === this.#picked) return;
    this.#picked = picked;
    this.#draw();
  }

  #draw() {
    const shown = this.#picked ?? this.#epochs.at(-1);
    LINES.forEach(({ key }, at) => {
      setText(this.#legend.children[at].lastChild, shown ? share(shown[key]) : "");
    });
    setText(this.#at, shown ? `epoch ${count(shown.epoch)}` : "no epoch yet");
    const last = this.#epochs.at(-1);
    const end = last ? `, test ${share(last.test_accuracy)} at the last` : "";
    this.#svg.setAttribute("aria-label", `Accuracy over ${plural(last?.epoch ?? 0, "epoch")}${end}`);
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#svg.replaceChildren(...this.#levels(), ...this.#ticks(), ...LINES.map((line) => this.#line(line)), ...this.#marks(shown));
  }

  #levels() {
    const lowest = Math.round(this.#floor * 10);
    const step = lowest < 5 ? 2 : 1;
    const tenths = Array.from({ length: 11 - lowest }, (_, at) => lowest + at);
    return tenths.filter((tenth) => (10 - tenth) % step === 0).flatMap((tenth) => {
      const y = this.#y(tenth / 10);
      return [
        draw("path", { class: "level", d: `M${MARGIN.left} ${y}H${this.#width - MARGIN.right}` }),
        label(MARGIN.left - 8, y + 4, "end", `${tenth * 10}%`),
      ];
    });
  }

  #ticks() {
    const most = (this.#width - MARGIN.left - MARGIN.right) / LABEL;
    const steps = [1, 2, 5].flatMap((step) => [step, step * 10, step * 100]).sort((one, other) => one - other);
    const step = steps.find((step) => this.#total / step <= most) ?? 1000;
    const epochs = Array.from({ length: Math.floor(this.#total / step) }, (_, at) => (at + 1) * step);
    const all = step === 1 ? epochs : [1, ...epochs];
    return all.map((epoch) => label(this.#x(epoch), HEIGHT - 6, "middle", count(epoch)));
  }

  #line({ key, className }) {
    const known = this.#epochs.filter((epoch) => Number.isFinite(epoch[key]));
    const points = known.map((epoch) => `${this.#x(epoch.epoch).toFixed(1)},${this.#y(epoch[key]).toFixed(1)}`);
    return draw("polyline", { class: className, points: points.join(" ") });
  }

  /** Where the values that the legend names lie. */
  #marks(shown) {
    if (!shown) return [];
    const x = this.#x(shown.epoch);
    const rule = draw("path", { class: "rule", d: `M${x} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}` });
    const known = LINES.filter(({ key }) => Number.isFinite(shown[key]));
    const dots = known.map(({ key, className }) => draw("circle", { class: className, cx: x, cy: this.#y(shown[key]), r: 4 }));
    return this.#picked ? [rule, ...dots] : dots;
  }
}

function draw(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function label(x, y, anchor, text) {
  const node = draw("text", { x, y, "text-anchor": anchor });
  node.textContent = text;
  return node;
}
