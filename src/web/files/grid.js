/** A grid of pictures as a listbox: one tab stop, arrows move, space and click select. */

import { el, syncRows } from "./dom.js";

export class Grid {
  #list;
  #create;
  #rows = new Map();
  #items = [];
  #selected = new Set();
  #current = null;
  /** Where a range that Shift ends began. */
  #anchor = null;

  /** `list`: the listbox. `create(item)` gives the content of a tile. `changed()` follows every selection. */
  constructor(list, create, changed) {
    this.#list = list;
    this.#create = create;
    this.changed = changed;
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("focusin", (event) => this.#enter(event.target.closest("[role=option]")));
  }

  get items() {
    return this.#items;
  }

  /** The items that a decision is about: the selected ones, or else the one in focus. */
  get targets() {
    if (this.#selected.size > 0) return this.#items.filter(({ id }) => this.#selected.has(id));
    return this.#hasFocus() ? this.#items.filter(({ id }) => id === this.#current) : [];
  }

  get selected() {
    return this.#selected.size;
  }

  /** Shows these items; the focus stays, or goes to the neighbour that took the place. */
  show(items) {
    const focused = this.#hasFocus();
    const place = this.#place(this.#current);
    this.#items = items;
    const ids = new Set(items.map((item) => item.id));
    for (const id of this.#selected) if (!ids.has(id)) this.#selected.delete(id);
    syncRows(this.#list, this.#rows, items, (item) => this.#tile(item));
    this.#list.hidden = items.length === 0;
    if (!ids.has(this.#current)) {
      this.#current = items[Math.min(Math.max(place, 0), items.length - 1)]?.id ?? null;
    }
    this.#mark();
    if (focused) this.focus();
  }

  focus(id = this.#current) {
    this.#current = id;
    this.#mark();
    this.#rows.get(id)?.node.focus();
  }

  selectAll() {
    this.#selected = new Set(this.#items.map((item) => item.id));
    this.#mark();
  }

  clear() {
    this.#selected.clear();
    this.#mark();
  }

  #tile(item) {
    const node = el("li", { id: `tile-${item.id}`, attributes: { role: "option" } });
    node.dataset.id = item.id;
    let shown = null;
    const update = (item) => {
      const wanted = JSON.stringify(item);
      if (shown === wanted) return;
      shown = wanted;
      node.replaceChildren(...this.#create(item).filter(Boolean).flat());
    };
    return { node, update };
  }

  #hasFocus() {
    return this.#list.contains(document.activeElement);
  }

  #place(id) {
    return this.#items.findIndex((item) => item.id === id);
  }

  #mark() {
    for (const [id, { node }] of this.#rows) {
      node.tabIndex = id === this.#current ? 0 : -1;
      node.setAttribute("aria-selected", String(this.#selected.has(id)));
    }
    this.changed();
  }

  #enter(tile) {
    if (!tile) return;
    this.#current = tile.dataset.id;
    this.#mark();
  }

  #toggle(id) {
    if (!this.#selected.delete(id)) this.#selected.add(id);
    this.#anchor = id;
    this.#mark();
  }

  #extend(id) {
    const [from, to] = [this.#place(this.#anchor ?? id), this.#place(id)].sort((one, other) => one - other);
    for (const item of this.#items.slice(Math.max(from, 0), to + 1)) this.#selected.add(item.id);
    this.#mark();
  }

  #click(event) {
    const id = event.target.closest("[role=option]")?.dataset.id;
    if (!id) return;
    this.focus(id);
    if (event.shiftKey) this.#extend(id);
    else this.#toggle(id);
  }

  /** The place in the next row up (-1) or down (1) that is nearest; tiles are not all of one width. */
  #beyond(place, way) {
    const node = (at) => this.#rows.get(this.#items[at].id).node;
    const middle = (at) => node(at).offsetLeft + node(at).offsetWidth / 2;
    const off = (at) => Math.abs(middle(at) - middle(place));
    let best = -1;
    for (let at = place + way; at >= 0 && at < this.#items.length; at += way) {
      const top = node(at).offsetTop;
      if (top === node(place).offsetTop) continue;
      if (best >= 0 && top !== node(best).offsetTop) break;
      if (best < 0 || off(at) < off(best)) best = at;
    }
    return best;
  }

  #key(event) {
    if (event.altKey || event.metaKey) return;
    const place = this.#place(this.#current);
    const last = this.#items.length - 1;
    if (place < 0) return;
    const steps = {
      ArrowLeft: place - 1,
      ArrowRight: place + 1,
      ArrowUp: this.#beyond(place, -1),
      ArrowDown: this.#beyond(place, 1),
      Home: 0,
      End: last,
    };
    if (event.key in steps) {
      const to = steps[event.key];
      if (to >= 0 && to <= last) {
        if (event.shiftKey) this.#anchor ??= this.#current;
        this.focus(this.#items[to].id);
        if (event.shiftKey) this.#extend(this.#items[to].id);
        else this.#anchor = null;
      }
    } else if (event.key === " ") this.#toggle(this.#current);
    else if (event.key === "a" && event.ctrlKey) this.selectAll();
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
  }
}
