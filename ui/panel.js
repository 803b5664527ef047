// SPDX-License-Identifier: MIT
// One lamp: what it shows and why, who watches it, what was, and what may be set.
import { ask, lampWords, make, session, stateKind, stateWords, time } from "/server.js";
import { Telephone } from "/telephone.js";

const STATES = { NOT_INUSE: "Idle", INUSE: "In use", RINGING: "Ringing", BUSY: "Busy", ONHOLD: "On hold", UNAVAILABLE: "Unavailable" };
const HISTORY = 50; // changes
const REFRESH_MS = 400; // at most so often while the lamp changes
const AGAIN_MS = 5000; // who watches changes without it
// The parts of an explanation that say why, as they are read.
const STEPS = ["device", "contact", "presence", "mailbox", "publication", "resource", "member", "list", "notice", "trouble", "source", "refusal"];

export class Panel {
  // shows(key) is called when it begins to show something, and with null when it is closed.
  constructor(element, announce, find, shows) {
    Object.assign(this, { element, announce, find, shows });
    this.telephone = new Telephone();
    element.addEventListener("keydown", event => event.key === "Escape" && this.close());
  }

  open(lamp) {
    this.openKey(`${lamp.extension}@${lamp.context}`, true);
  }

  openKey(key, byHand) {
    if (this.key !== key) {
      this.telephone.end();
      this.begin(key);
    }
    this.refresh();
    if (byHand)
      this.element.querySelector("h2").focus();
  }

  close() {
    this.key = null;
    this.telephone.end();
    this.element.hidden = true;
    this.element.replaceChildren();
    this.shows(null);
  }

  change(lamp) {
    if (this.key !== `${lamp.extension}@${lamp.context}`)
      return;
    this.announce.textContent = `${lamp.extension}: ${lamp.removed ? "removed" : lampWords(lamp)}`;
    this.showNow();
    this.due ??= setTimeout(() => { this.due = null; this.refresh(); }, REFRESH_MS);
  }

  async refresh() {
    const key = this.key, name = encodeURIComponent(key ?? "");
    clearTimeout(this.again);
    if (!key)
      return;
    try {
      const { parts } = await ask("GET", `/v1/explain/${name}`);
      if (this.key === key)
        this.draw(parts);
    } catch (error) {
      this.part("why", error.message, () => [make("p", { class: "fault" }, error.message)]);
    }
    if (this.key !== key)
      return;
    clearTimeout(this.again);
    this.again = setTimeout(() => this.refresh(), AGAIN_MS);
    if (this.historyOpen)
      this.showHistory();
  }

  // ---- drawing ----

  showNow() {
    const lamp = this.find(this.key);
    this.bySip.hidden = !lamp && Boolean(this.contents);
    if (this.bySip.hidden) {
      this.part("now", this.contents, () => [make("p", {}, this.contents)]);
      return;
    }
    const state = lamp?.state ?? "unknown";
    this.part("now", [state, lamp?.stale, lamp?.since_ms], () => [make("p", {},
      make("span", { class: "mark now", "data-kind": stateKind(state), "data-stale": Boolean(lamp?.stale) + "" }, lampWords({ state, stale: lamp?.stale })),
      lamp?.since_ms ? ` since ${time(lamp.since_ms)}` : "")]);
    this.telephone.server(state);
  }

  begin(key) {
    const names = ["now", "why", "set", "watchers"];
    this.key = key;
    this.element.hidden = false;
    this.parts = Object.fromEntries(names.map(name => [name, make("div")]));
    this.said = {};
    this.contents = ""; // of what is no lamp
    this.bySip = make("div", { id: "by-sip" }, make("h3", {}, "As a telephone sees it"), this.telephone.element(key, this.find(key)?.state ?? ""));
    this.element.replaceChildren(
      make("button", { type: "button", class: "close", id: "panel-close", onclick: () => this.close() }, "Close"),
      make("h2", { tabindex: "-1", id: "panel-title" }, key), ...names.map(name => this.parts[name]),
      this.question(), this.history(), this.bySip);
    this.showNow();
    this.shows(key);
  }

  // A part is made anew only when what it says is another: who is about to click there finds it as it was.
  part(name, what, children) {
    const said = JSON.stringify(what);
    if (this.said[name] === said)
      return;
    const focus = document.activeElement?.id;
    this.said[name] = said;
    this.parts[name].replaceChildren(...children());
    if (focus && document.activeElement?.id !== focus)
      document.getElementById(focus)?.focus();
  }

  draw(parts) {
    const of = name => parts.filter(p => p.part === name);
    const resource = of("resource")[0], devices = of("device");
    this.contents = of("resource").every(r => r.package) ? of("resource").map(contentsWords).join("; ") : "";
    const name = this.find(this.key)?.name || resource?.name;
    this.element.querySelector("h2").textContent = name ? `${this.key}, ${name}` : this.key;
    this.showNow();
    const steps = STEPS.flatMap(of), chain = of("chain");
    this.part("why", [steps, chain], () => [...list("Why", steps), ...chain.length ? list("What its last change led to", chain) : []]);
    this.part("set", [devices.map(d => d.device), session.writes], () => this.settings(devices));
    // What counts down is not shown.
    const watchers = of("watcher").map(({ expires_s, ...w }) => w);
    const publishers = of("publisher").map(({ expires_s, retry_s, cseq, ...p }) => p);
    this.part("watchers", [watchers, publishers], () => this.watchers(watchers, publishers));
    for (const device of devices)
      for (const state of Object.keys(STATES))
        document.getElementById(`set-${device.device}-${state}`)?.setAttribute("aria-pressed", device.state === state);
  }

  settings(devices) {
    const mine = devices.filter(d => d.device.startsWith("Custom:"));
    if (!mine.length)
      return [];
    if (!session.writes)
      return [make("h3", {}, "Set"), make("p", {}, "Log in with the right to set states.")];
    return [make("h3", {}, "Set"), ...mine.map(({ device }) => make("div", { role: "group", "aria-label": `State of ${device}` },
      make("p", {}, device),
      make("p", { class: "buttons" }, ...Object.entries(STATES).map(([state, words]) =>
        make("button", { type: "button", id: `set-${device}-${state}`, onclick: () => this.set(device, state) }, words))))),
      make("p", { class: "fault", id: "set-fault", role: "alert" })];
  }

  async set(device, state) {
    try {
      await ask("PUT", `/v1/devices/${encodeURIComponent(device)}`, { state });
      this.refresh();
    } catch (error) {
      document.getElementById("set-fault").textContent = error.message;
    }
  }

  watchers(watchers, publishers) {
    const rows = watchers.map(w => make("tr", {}, make("td", {}, w.endpoint, " ", make("small", {}, w.remote)), make("td", {}, w.list ? `${w.event}, by the list ${w.resource}` : w.event),
      make("td", { class: w.failures ? "bad" : null }, w.told_sequence === w.current_sequence ? "the newest state" : w.outstanding ? "being told" : "an older state"),
      make("td", {}, w.cseq), make("td", {}, w.outstanding ? "" : `${w.acknowledged_after_ms} ms`)));
    return [make("h3", {}, `Watchers (${watchers.length})`),
      rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ...["Endpoint", "Event", "Shows", "NOTIFY", "Answered after"].map(name =>
        make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows)) : make("p", {}, "Nobody watches it."),
      ...publishers.length ? [make("h3", {}, "Published to"), make("ul", {}, ...publishers.map(p =>
        make("li", { class: p.last_status >= 300 ? "bad" : null }, `${p.server ?? p.server_uri}: ${p.state}${p.last_status ? `, ${p.last_status} ${p.last_reason}` : ""}`)))] : []];
  }

  // ---- as somebody sees it, and as it was ----

  question() {
    const answer = make("div", { id: "question-answer", "aria-live": "polite" });
    return make("details", { id: "question" }, make("summary", {}, "For an endpoint, or at a time"),
      make("form", { onsubmit: event => this.asked(event, answer) },
        make("label", {}, "Endpoint ", make("input", { name: "endpoint", id: "question-endpoint", autocomplete: "off" })), " ",
        make("label", {}, "Time ", make("input", { name: "when", id: "question-when", type: "datetime-local", step: 1 })), " ",
        make("button", { type: "submit", id: "question-ask" }, "Explain")), answer);
  }

  async asked(event, answer) {
    const { endpoint, when } = event.target.elements, key = this.key, query = new URLSearchParams();
    event.preventDefault();
    if (when.value)
      query.set("at_ms", Date.parse(when.value) + 999);
    else if (endpoint.value.trim())
      query.set("endpoint", endpoint.value.trim());
    try {
      const { parts } = await ask("GET", `/v1/explain/${encodeURIComponent(key)}?${query}`);
      const order = ["resource", "trouble", "device", "contact", "presence", "mailbox", "publication", "said", "member", "list", "chain", "watcher", "notice", "publisher",
        "source", "refusal"];
      if (this.key === key)
        answer.replaceChildren(...list(when.value ? `How it was at ${time(Date.parse(when.value))}` : endpoint.value ? `As ${endpoint.value} sees it` : "Why",
          order.flatMap(name => parts.filter(p => p.part === name && !hasLeft(p)))));
    } catch (error) {
      answer.replaceChildren(make("p", { class: "fault" }, error.message));
    }
  }

  // ---- what was ----

  history() {
    const details = make("details", { id: "history" }, make("summary", {}, "History"), this.parts.history = make("div"));
    details.addEventListener("toggle", () => {
      this.historyOpen = details.open;
      if (details.open)
        this.showHistory();
    });
    this.historyOpen = false;
    return details;
  }

  async showHistory() {
    const key = this.key;
    try {
      const { changes } = await ask("GET", `/v1/history?limit=${HISTORY}&resource=${encodeURIComponent(key)}`);
      if (this.key === key)
        this.part("history", changes, () => [changes.length ? make("ol", { class: "chain", reversed: true }, ...changes.reverse().map(change =>
          make("li", {}, `${time(change.at_ms)}: ${changeWords(change)}`))) : make("p", {}, "The journal has nothing of it.")]);
    } catch (error) {
      this.part("history", error.message, () => [make("p", {}, error.message)]);
    }
  }
}

function list(title, steps) {
  return [make("h3", {}, title), make("ol", { class: "chain" }, ...steps.flatMap(step => partWords(step).map(words =>
    make("li", { class: ["trouble", "source", "refusal"].includes(step.part) ? "bad" : null }, words))))];
}

// Who had left by then shows nothing.
const hasLeft = part => part.part === "watcher" && part.kind && part.kind !== "notify" && ["ended", "given-up"].includes(part.what);
const CONTACTS = { unqualified: "counts as there: nobody asks whether it is", unknown: "has not been asked yet whether it is there", reachable: "answers",
  unreachable: "does not answer", removed: "is gone" };
const deviceWords = state => STATES[state] ?? state;
// Nobody has said what is so because its source is away.
const by = part => part.source ? ` (${part.away_s === undefined ? `by ${part.source}` : `because ${part.source} is away for longer than its grace of ${part.away_s} s`}${
  part.cause ? `, #${part.cause}` : ""})` : "";

// What is no lamp: a resource list, messages, what is published for another package.
const contentsWords = part => part.members !== undefined ? `a resource list of ${part.members}` : part.new !== undefined ? `${part.new} new, ${part.old} old messages`
  : part.package;
const shownWords = part => part.package ? contentsWords(part) : lampWords({ state: part.state ?? "", stale: part.stale });

function memberWords(part) {
  if (part.is_list)
    return `${part.item} is a resource list itself, of those that follow`;
  return part.known ? `${part.resource} ${part.package ? "has" : "is"} ${shownWords(part)} since ${time(part.package ? part.changed_ms : part.since_ms)}${by(part)}` : `there is nothing of the name ${part.item}`;
}

// A row of explain, in words; of a device one for each source.
function partWords(part) {
  switch (part.part) {
    case "device":
      return part.sources?.length ? part.sources.map(s => s.stale ? `${s.source} is away, so ${part.device} counts as ${deviceWords(s.state)} for it (stale), since ${time(s.changed_ms)}`
        : `${s.source} says ${part.device} is ${deviceWords(s.state)}, since ${time(s.changed_ms)}`)
        : [`nobody says anything of ${part.device}, so it counts as ${deviceWords(part.state)}`];
    case "contact":
      return [`${part.endpoint} has the ${part.static ? "static contact" : "telephone"} ${part.contact}, which ${CONTACTS[part.status] ?? part.status}${
        part.last_status ? ` (OPTIONS: ${part.last_status})` : ""}, since ${time(part.since_ms)}`];
    case "presence":
      return part.known === false ? [] : [`${part.provider} ${part.stale ? `(stale: ${part.source} is away) ` : ""}is ${[part.state, part.subtype, part.message].filter(Boolean).join(", ")}`];
    case "mailbox":
      return part.sources.length ? part.sources.map((s, i) => `${s.source} says ${s.stale ? "(stale: it is away) " : ""}mailbox ${part.mailbox} has ${s.new} new, ${s.old} old${
        i ? ", before the newest, which counts" : ""}, since ${time(s.changed_ms)}`) : [`nobody says anything of mailbox ${part.mailbox}, so it counts as empty`];
    case "member":
      return [part.kind ? `${time(part.at_ms)}: ${changeWords(part)}` : memberWords(part)];
    case "list":
      return [`it is in the resource list ${part.resource}`];
    case "notice":
      return [`${part.endpoint} (${part.contact}) is told without a subscription: ${part.state}${part.last_status ? `, NOTIFY ${part.cseq} was answered ${part.last_status}` : ""}`];
    case "publication":
      return [`${part.publisher} has published ${part.event} (${part.content_type}) at ${time(part.published_ms)}`];
    case "watcher":
      if (part.kind)
        return [`${time(part.at_ms)}: ${changeWords(part)}`];
      return [`${part.endpoint} (${part.contact || part.remote}) shows ${part.shows ? stateWords(part.shows) : "nothing yet"}${part.list ? ` by the list ${part.resource}` : ""}${
        part.outstanding ? `, and has not answered NOTIFY ${part.cseq}` : part.told_sequence === part.current_sequence
          ? !part.cseq ? ", as it was told before the last start" : `, which NOTIFY ${part.cseq} said and it answered in ${part.acknowledged_after_ms} ms` : part.unconnected ? ", and there is no connection to it" : ", which is not the newest"}`];
    case "said":
    case "chain":
      return [`${time(part.at_ms)}: ${changeWords(part)}`];
    case "publisher":
      return [part.kind ? `${time(part.at_ms)}: ${changeWords(part)}`
        : `${part.server_uri}: ${part.state}${part.last_status ? `, ${part.last_status} ${part.last_reason}` : ""}`];
    case "resource":
      if (part.package)
        return [`${part.resource} has ${contentsWords(part)}${part.watched === false ? ", which nobody watches" : ` since ${time(part.changed_ms ?? part.at_ms)}${by(part)}`}`];
      if (part.until_ms)
        return [`the lamp was ${stateWords(part.state)} until ${time(part.until_ms)}, by the first change that the journal has of it`];
      if (part.at_ms)
        return [`the lamp was ${lampWords(part)} since ${time(part.since_ms ?? part.at_ms)}${by(part)}`];
      return [...part.has_hint === false ? [] : [`the hint ${part.hint} (${part.file ?? "made by itself"}${part.line ? `:${part.line}` : ""}) makes that ${stateWords(part.hint_state ?? part.state)}`],
        `so the lamp is ${lampWords(part)} since ${time(part.since_ms)}; its state number ${part.sequence} is of ${time(part.changed_ms)}${by(part)}`];
    case "trouble":
      return [`${part.why}${part.nearest?.length ? `; perhaps ${part.nearest.join(", ")}` : ""}`];
    case "source":
      return [`${part.source} is ${part.stale ? "away, and what it said counts no more or is the last known" : "away"}${part.why ? `: ${part.why}` : ""}`];
    default:
      return [changeWords(part)];
  }
}

// A change of the journal.
function changeWords(c) {
  switch (c.kind) {
    case "device":
      return `${c.away_s === undefined ? `${c.by ?? "the default"} says ${c.device} is ${c.said ? deviceWords(c.said) : "nothing"}`
        : `${c.device} counts as ${deviceWords(c.said)} for ${c.by}`}; together ${deviceWords(c.state)}${by(c)}`;
    case "presence":
      return `${c.provider} is ${[c.state, c.subtype, c.message].filter(Boolean).join(", ")}${by(c)}`;
    case "contact":
      return `the contact ${c.contact} of ${c.aor} ${CONTACTS[c.what] ?? c.what}${by(c)}`;
    case "endpoint":
      return `${c.endpoint} can ${c.reachable ? "" : "not "}be reached${by(c)}`;
    case "mailbox":
      return `${c.mailbox}: ${c.new} new, ${c.old} old${by(c)}`;
    case "snapshot":
      if (c.package)
        return `${c.resource} has ${contentsWords(c)}${c.changed?.length ? `, changed in ${c.changed.join(", ")}` : ""}${by(c)}`;
      return `the lamp is ${lampWords(c)}${c.former ? `, was ${stateWords(c.former)}` : ""}${by(c)}`;
    case "publication":
      return `${c.publisher}'s publication is ${c.what}${c.why ? `: ${c.why}` : ""}`;
    case "subscription":
      return `${c.endpoint}'s subscription is ${c.what}${c.why ? `: ${c.why}` : ""}`;
    case "refusal":
      return `${c.endpoint || c.from || "somebody"}'s subscription (${c.remote}) is ${c.what}, ${[c.status, c.why].filter(Boolean).join(" ")}${c.times ? `; ${c.times} times` : ""}${c.part ? `, last ${time(c.at_ms)}` : ""}`;
    case "notify":
      return `NOTIFY to ${c.endpoint} ${c.what}${c.status ? `, ${c.status}` : ""}${c.took_ms ? ` in ${c.took_ms} ms` : ""}: shows ${c.members !== undefined ? `${c.resource}, ` : ""}${shownWords(c)}`;
    case "publish":
      return `PUBLISH to ${c.server} ${c.what}${c.status ? `, ${c.status} ${c.reason ?? ""}` : ""}`;
    case "source":
      return `${c.name} is ${c.up ? "up" : "away"}${c.why ? `: ${c.why}` : ""}`;
    case "lost":
      return `${c.n} changes are missing here`;
    default:
      return c.kind ?? "";
  }
}
