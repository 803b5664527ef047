// SPDX-License-Identifier: MIT
// One lamp: what it shows and why, who watches it, what was, and what may be set.
import { ask, make, session, stateKind, stateWords, time } from "/server.js";
import { Telephone } from "/telephone.js";

const STATES = { NOT_INUSE: "Idle", INUSE: "In use", RINGING: "Ringing", BUSY: "Busy", ONHOLD: "On hold", UNAVAILABLE: "Unavailable" };
const REFRESH_MS = 400; // at most so often while the lamp changes

export class Panel {
  constructor(element, announce, find, closed) {
    Object.assign(this, { element, announce, find, closed });
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
    this.closed();
  }

  change(lamp) {
    if (this.key !== `${lamp.extension}@${lamp.context}`)
      return;
    this.announce.textContent = `${lamp.extension}: ${lamp.removed ? "removed" : stateWords(lamp.state)}`;
    this.showNow();
    this.due ??= setTimeout(() => { this.due = null; this.refresh(); }, REFRESH_MS);
  }

  async refresh() {
    const key = this.key, name = encodeURIComponent(key ?? "");
    if (!key)
      return;
    try {
      const [{ hints }, { subscriptions }, { publications }, { publications: received }] = await Promise.all(
        ["hints", "subscriptions", "publications", "publications/received"].map(what => ask("GET", `/v1/${what}?name=${name}`)));
      const devices = await Promise.all(devicesOf(hints[0]?.hint ?? "").map(async device =>
        (await ask("GET", `/v1/devices?name=${encodeURIComponent(device)}`)).devices[0] ?? { device }));
      if (this.key === key)
        this.draw({ hint: hints[0], devices, subscriptions, publications, received });
    } catch (error) {
      this.part("why", error.message, () => [make("p", { class: "fault" }, error.message)]);
    }
  }

  // ---- drawing ----

  showNow() {
    const lamp = this.find(this.key);
    const state = lamp?.state ?? "unknown";
    this.part("now", [state, lamp?.changed_ms], () => [make("p", {},
      make("span", { class: "mark now", "data-kind": stateKind(state) }, stateWords(state)),
      lamp?.changed_ms ? ` since ${time(lamp.changed_ms)}` : "")]);
    this.telephone.server(state);
  }

  begin(key) {
    const names = ["now", "why", "set", "watchers"];
    this.key = key;
    this.element.hidden = false;
    this.parts = Object.fromEntries(names.map(name => [name, make("div")]));
    this.said = {};
    this.element.replaceChildren(
      make("button", { type: "button", class: "close", id: "panel-close", onclick: () => this.close() }, "Close"),
      make("h2", { tabindex: "-1", id: "panel-title" }, key), ...names.map(name => this.parts[name]),
      make("h3", {}, "As a telephone sees it"), this.telephone.element(key, this.find(key)?.state ?? ""));
    this.showNow();
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

  draw({ hint, devices, subscriptions, publications, received }) {
    const lamp = this.find(this.key) ?? hint;
    this.element.querySelector("h2").textContent = lamp?.name ? `${this.key}, ${lamp.name}` : this.key;
    this.showNow();
    this.part("why", [hint, devices, received], () => this.why(hint, devices, received));
    this.part("set", [devices.map(d => d.device), session.writes], () => this.settings(devices));
    this.watchersNow(subscriptions, publications);
    for (const device of devices)
      for (const state of Object.keys(STATES))
        document.getElementById(`set-${device.device}-${state}`)?.setAttribute("aria-pressed", device.state === state);
  }

  watchersNow(subscriptions, publications) {
    // What counts down is not shown.
    const shown = subscriptions.map(({ expires_s, cseq, ...s }) => s);
    this.part("watchers", [shown, publications.map(p => [p.server_uri, p.state, p.last_status])],
      () => this.watchers(subscriptions, publications));
  }

  why(hint, devices, received) {
    const steps = [];
    if (!hint)
      return [make("p", { class: "fault" }, "There is no such hint.")];
    for (const device of devices)
      for (const source of device.sources?.length ? device.sources : [null])
        steps.push(source ? `${source.source} says ${device.device} is ${STATES[source.state] ?? source.state}, since ${time(source.changed_ms)}`
          : `nobody says anything of ${device.device}${device.state ? `, so it counts as ${STATES[device.state] ?? device.state}` : ""}`);
    for (const p of received)
      steps.push(`${p.publisher} has published ${p.event} (${p.content_type}) at ${time(p.published_ms)}`);
    steps.push(`the hint ${hint.hint} (${hint.file}:${hint.line}) makes that ${stateWords(hint.state)}`);
    if (hint.presence && hint.presence !== "not_set")
      steps.push(`presence is ${[hint.presence, hint.presence_subtype, hint.presence_message].filter(Boolean).join(", ")}`);
    steps.push(`this is state number ${hint.sequence} of this lamp`);
    return [make("h3", {}, "Why"), make("ol", { class: "chain" }, ...steps.map(step => make("li", {}, step)))];
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

  watchers(subscriptions, publications) {
    const rows = subscriptions.map(s => make("tr", {}, make("td", {}, s.endpoint), make("td", {}, s.event),
      make("td", { class: s.failures ? "bad" : null }, s.told_sequence === s.current_sequence ? "the newest state" : s.outstanding ? "being told" : "an older state"),
      make("td", {}, s.acknowledged_after_ms ? `${s.acknowledged_after_ms} ms` : "")));
    return [make("h3", {}, `Watchers (${subscriptions.length})`),
      rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ...["Endpoint", "Event", "Shows", "Answered after"].map(name =>
        make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows)) : make("p", {}, "Nobody watches it."),
      ...publications.length ? [make("h3", {}, "Published to"), make("ul", {}, ...publications.map(p =>
        make("li", { class: p.last_status >= 300 ? "bad" : null }, `${p.server_uri}: ${p.state}${p.last_status ? `, ${p.last_status} ${p.last_reason}` : ""}`)))] : []];
  }
}

// The devices that a hint names: "PJSIP/a&Custom:b,CustomPresence:c"
function devicesOf(hint) {
  return hint.split(",")[0].split("&").map(device => device.trim()).filter(Boolean);
}
