// SPDX-License-Identifier: MIT
// The board of lamps. Only those in sight are elements: ten thousand cost no more than a screenful. Changes mark lamps, and
// one turn of the display draws what is marked.
import { lampWords, make, stateKind, stateWords } from "/server.js";

// At letters of 16 px: on a wall they are larger, and all with them.
const LETTERS = 16, LAMP_WIDTH = 150, LAMP_HEIGHT = 58, HEAD = 36, GAP = 14, BEYOND = 400; // px
const order = new Intl.Collator(undefined, { numeric: true });

export class Board {
  constructor(scroller, ground, open) {
    Object.assign(this, { scroller, ground, open });
    this.lamps = new Map(); // "1000@users" -> row of /v1/hints
    this.groups = [];
    this.sections = new Map(); // context -> elements of a group in sight
    this.items = new Map(); // key -> { element, button, ... } of a lamp in sight
    this.marked = new Set();
    this.words = "";
    this.current = null; // key of the lamp that Tab leads to
    this.opened = null;
    this.counted = () => {};
    scroller.addEventListener("scroll", () => this.due(), { passive: true });
    new ResizeObserver(() => this.due(true)).observe(scroller);
    ground.addEventListener("keydown", event => this.keyed(event));
    ground.addEventListener("focusin", event => this.focused(event));
  }

  key(lamp) {
    return `${lamp.extension}@${lamp.context}`;
  }

  replace(list) {
    this.lamps = new Map(list.map(lamp => [this.key(lamp), lamp]));
    for (const key of this.items.keys())
      this.marked.add(key);
    this.due(true);
  }

  change(lamp) {
    const key = this.key(lamp), known = this.lamps.get(key);
    if (lamp.removed) {
      this.lamps.delete(key);
      this.due(true);
    } else if (known) {
      Object.assign(known, { stale: false }, lamp);
      this.marked.add(key);
      this.due(Boolean(this.words) && "soon");
    } else {
      this.lamps.set(key, lamp);
      this.due(true);
    }
  }

  search(words) {
    this.words = words.trim().toLowerCase();
    this.due(true);
  }

  shown(is) {
    this.visible = is;
    this.due(true);
  }

  // Whose panel is open; null is nobody's.
  mark(key) {
    for (const marked of [this.opened, key])
      this.items.get(marked)?.button.setAttribute("aria-pressed", marked === key);
    if (!key && this.place?.has(this.opened))
      this.pick(this.opened);
    this.opened = key;
  }

  // ---- drawing ----

  due(layout) {
    if (layout === "soon")
      this.soon ??= setTimeout(() => { this.soon = null; this.due(true); }, 500);
    else if (layout)
      this.unlaid = true;
    this.turn ??= requestAnimationFrame(() => { this.turn = null; this.draw(); });
  }

  matches(lamp) {
    return !this.words || this.words.split(/\s+/).every(word =>
      `${lamp.extension}@${lamp.context} ${lamp.name} ${lamp.hint} ${lamp.state} ${lampWords(lamp)} ${lamp.presence}`
        .toLowerCase().includes(word));
  }

  lay() {
    const contexts = new Map();
    const scale = parseFloat(getComputedStyle(this.ground).fontSize) / LETTERS;
    this.unlaid = false;
    Object.assign(this, { height: LAMP_HEIGHT * scale, head: HEAD * scale });
    this.columns = Math.max(1, Math.floor(this.ground.clientWidth / (LAMP_WIDTH * scale)));
    this.width = this.ground.clientWidth / this.columns;
    for (const lamp of this.lamps.values())
      if (this.matches(lamp)) {
        if (!contexts.has(lamp.context))
          contexts.set(lamp.context, []);
        contexts.get(lamp.context).push(lamp);
      }
    let top = 0, n = 0;
    this.groups = [...contexts].sort((a, b) => order.compare(a[0], b[0])).map(([context, lamps]) => {
      lamps.sort((a, b) => order.compare(a.extension, b.extension));
      const height = this.head + Math.ceil(lamps.length / this.columns) * this.height;
      const group = { context, lamps, keys: lamps.map(lamp => this.key(lamp)), top, height };
      top += height + GAP;
      n += lamps.length;
      return group;
    });
    this.flat = this.groups.flatMap(group => group.keys);
    this.place = new Map(this.flat.map((key, i) => [key, i]));
    this.ground.style.height = `${top}px`;
    if (!this.place.has(this.current))
      this.current = this.flat[0] ?? null;
    this.counted(this.words ? `${n} of ${this.lamps.size} lamps` : `${n} lamps in ${this.groups.length} context${this.groups.length === 1 ? "" : "s"}`);
  }

  draw() {
    if (!this.visible)
      return;
    const laid = this.unlaid;
    if (laid)
      this.lay();
    const top = this.scroller.scrollTop - this.ground.offsetTop - BEYOND;
    const bottom = top + this.scroller.clientHeight + 2 * BEYOND;
    const wanted = new Set(), contexts = new Set();
    for (const group of this.groups) {
      if (group.top + group.height < top || group.top > bottom)
        continue;
      const section = this.section(group, laid);
      contexts.add(group.context);
      const first = Math.max(0, Math.floor((top - group.top - this.head) / this.height)) * this.columns;
      const last = Math.min(group.lamps.length, Math.ceil((bottom - group.top - this.head) / this.height) * this.columns);
      for (let i = first; i < last; i++) {
        wanted.add(group.keys[i]);
        this.item(section, group, i, laid);
      }
    }
    for (const [key, item] of this.items)
      // Whoever has the focus keeps it while he scrolls.
      if (!wanted.has(key) && !(this.place.has(key) && item.element.contains(document.activeElement))) {
        item.element.remove();
        this.items.delete(key);
      }
    for (const [context, section] of this.sections)
      if (!contexts.has(context) && !section.element.contains(document.activeElement)) {
        section.element.remove();
        this.sections.delete(context);
      }
    this.marked.clear();
  }

  section(group, laid) {
    let s = this.sections.get(group.context);
    const fresh = !s;
    if (fresh) {
      const count = make("small"), list = make("div", { role: "list", "aria-label": `Lamps of ${group.context}` });
      s = { count, list, element: make("section", { "aria-label": `Context ${group.context}` },
        make("h3", {}, `${group.context} `, count), list) };
      this.sections.set(group.context, s);
      this.ground.append(s.element);
    }
    if (fresh || laid) {
      s.element.style.top = `${group.top}px`;
      s.element.style.height = `${group.height}px`;
      s.count.textContent = `(${group.lamps.length})`;
    }
    return s;
  }

  item(section, group, i, laid) {
    const key = group.keys[i], lamp = group.lamps[i];
    let it = this.items.get(key);
    const fresh = !it;
    if (fresh) {
      const number = make("b"), state = make("span"), text = make("small");
      const button = make("button", { type: "button", class: "lamp", tabindex: "-1" }, number, state, text);
      it = { number, state, text, button, element: make("div", { role: "listitem" }, button) };
      button.dataset.key = key;
      button.addEventListener("click", () => { this.pick(key); this.open(this.lamps.get(key)); });
      this.items.set(key, it);
      section.list.append(it.element);
    }
    if (fresh || laid) {
      it.element.style.left = `${(i % this.columns) * this.width}px`;
      it.element.style.top = `${this.head + Math.floor(i / this.columns) * this.height}px`;
      it.element.style.width = `${this.width}px`;
      it.element.style.height = `${this.height}px`;
      it.element.setAttribute("aria-setsize", group.lamps.length);
      it.element.setAttribute("aria-posinset", i + 1);
      it.button.tabIndex = key === this.current ? 0 : -1;
    }
    if (fresh || this.marked.has(key))
      this.paint(it, lamp);
  }

  paint(it, lamp) {
    const words = stateWords(lamp.state);
    const presence = lamp.presence && lamp.presence !== "not_set" ? lamp.presence + (lamp.presence_message ? `: ${lamp.presence_message}` : "") : "";
    it.number.textContent = lamp.extension;
    it.state.textContent = words;
    it.text.textContent = [lamp.stale && "stale", [lamp.name, presence].filter(Boolean).join(", ") || lamp.hint.split(",")[0]].filter(Boolean).join(": ");
    it.button.dataset.stale = Boolean(lamp.stale);
    it.button.dataset.kind = stateKind(lamp.state);
    it.button.setAttribute("aria-pressed", this.opened === this.key(lamp));
  }

  // ---- keys ----

  pick(key) {
    const former = this.items.get(this.current), now = this.items.get(key);
    if (former)
      former.button.tabIndex = -1;
    if (now)
      now.button.tabIndex = 0;
    this.current = key;
  }

  focused(event) {
    if (event.target.dataset?.key)
      this.pick(event.target.dataset.key);
  }

  focusOpen() {
    this.unlaid = true; // there is more room again
    this.draw();
    this.show(this.current);
    this.items.get(this.current)?.button.focus();
  }

  keyed(event) {
    const at = this.place?.get(event.target.dataset?.key);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 1) * this.columns;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page,
      Home: -Infinity, End: Infinity }[event.key];
    if (at === undefined || step === undefined || event.ctrlKey || event.altKey || event.metaKey)
      return;
    event.preventDefault();
    const key = this.flat[Math.min(this.flat.length - 1, Math.max(0, at + step))];
    this.show(key);
    this.pick(key);
    this.items.get(key)?.button.focus({ preventScroll: true });
  }

  // Scroll a lamp into sight and draw it now.
  show(key) {
    for (const group of this.groups) {
      const i = group.keys.indexOf(key);
      if (i < 0)
        continue;
      const top = this.ground.offsetTop + group.top + this.head + Math.floor(i / this.columns) * this.height;
      if (top < this.scroller.scrollTop + this.head)
        this.scroller.scrollTop = top - this.head;
      else if (top + this.height > this.scroller.scrollTop + this.scroller.clientHeight)
        this.scroller.scrollTop = top + this.height - this.scroller.clientHeight + 8;
      this.draw();
      return;
    }
  }
}
