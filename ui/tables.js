// SPDX-License-Identifier: MIT
// Sources, publishers, subscriptions and publications, sent and received, as tables that are asked for again while they are shown.
import { age, ask, make } from "/server.js";

const ROWS_MAX = 500, AGAIN_MS = 5000;
const bad = (is, text) => ({ text, bad: is });
// A link to its explanation.
const resource = row => {
  const text = [row.resource ?? row.extension, row.context].filter(Boolean).join("@");
  return { text, href: `#lamps/${encodeURIComponent(text)}` };
};

const VIEWS = {
  sources: { path: "/v1/sources", member: "sources", nothing: "No other server tells its states here.", columns: {
    Source: row => row.source ?? row.eid,
    Protocol: row => row.protocol,
    Health: row => row.state ? bad(row.state !== "following" || row.stale, [row.state, row.stale && "its states are stale", row.complaint].filter(Boolean).join("; "))
      : row.lapses_s !== undefined ? bad(true, `gone; its states lapse in ${row.lapses_s} s`) : "publishes",
    Server: row => row.server ?? "", Since: row => row.since_ms || row.heard_ms ? `${age(row.since_ms || row.heard_ms)} ago` : "",
    Events: row => row.events ?? "", Reports: row => row.reports ?? "",
    Devices: row => row.devices ?? "", Mailboxes: row => row.mailboxes ?? "", Publications: row => row.publications ?? "" } },
  publishers: { path: "/v1/publishers", member: "publishers", nothing: "Nothing is published to another server.", columns: {
    Section: row => row.section, Server: row => row.server_uri, Worker: row => row.worker,
    Health: row => row.up ? (row.resolved ? "up" : "has nothing to send") : bad(true, row.resolved ? `does not answer (${row.failures})` : "not found"),
    Publications: row => row.publications, "Without an answer": row => row.outstanding } },
  subscriptions: { path: "/v1/subscriptions", member: "subscriptions", nothing: "Nobody has subscribed.", columns: {
    Resource: resource, Event: row => row.event, Endpoint: row => row.endpoint, Where: row => row.remote, State: row => row.state,
    Shows: row => row.told_sequence === row.current_sequence ? "the newest state" : bad(row.failures > 0, row.outstanding ? "being told" : "an older state"),
    "Answered after": row => row.acknowledged_after_ms ? `${row.acknowledged_after_ms} ms` : "", Failures: row => bad(row.failures > 0, row.failures),
    Expires: row => `${row.expires_s} s`, Device: row => row.user_agent } },
  publications: { path: "/v1/publications", member: "publications", nothing: "Nothing is published.", columns: {
    Resource: resource, Event: row => row.event, Section: row => row.section,
    State: row => bad(row.state === "refused" || row.state === "waiting", row.state),
    Shows: row => row.told_sequence === row.current_sequence ? "the newest state" : bad(row.failures > 0, "an older state"),
    "Last answer": row => bad(row.last_status >= 300, row.last_status ? `${row.last_status} ${row.last_reason}` : ""),
    Expires: row => `${row.expires_s} s`, Failures: row => bad(row.failures > 0, row.failures), Server: row => row.server_uri } },
  received: { path: "/v1/publications/received", member: "publications", nothing: "Nobody publishes anything here.", columns: {
    Resource: resource, Event: row => row.event, Publisher: row => row.publisher, Type: row => row.content_type,
    Since: row => row.published_ms ? `${age(row.published_ms)} ago` : "", "Last change": row => row.changed_ms ? `${age(row.changed_ms)} ago` : "",
    Expires: row => `${row.expires_s} s` } },
};

export class Tables {
  constructor(ground, empty) {
    Object.assign(this, { ground, empty, words: "", rows: [] });
  }

  has(view) {
    return Object.hasOwn(VIEWS, view);
  }

  show(view, words) {
    this.view = view;
    this.words = words.trim().toLowerCase();
    this.rows = null;
    this.fault = "";
    this.ground.replaceChildren();
    this.empty.hidden = true;
    this.refresh();
  }

  search(words) {
    this.words = words.trim().toLowerCase();
    this.draw();
  }

  async refresh() {
    const view = this.view, about = VIEWS[view];
    clearTimeout(this.timer);
    if (!about)
      return;
    let rows = null, fault = "";
    try {
      rows = (await ask("GET", about.path))[about.member];
    } catch (error) {
      fault = error.status ? error.message : "the server does not answer";
    }
    if (this.view === view) {
      this.rows = rows ?? this.rows;
      this.fault = fault;
      this.draw();
      this.timer = setTimeout(() => this.refresh(), AGAIN_MS);
    }
  }

  draw() {
    const about = VIEWS[this.view];
    if (!about || (!this.rows && !this.fault))
      return;
    const rows = this.rows ?? [], names = Object.keys(about.columns);
    const cells = rows.map(row => names.map(name => about.columns[name](row)))
      .filter(row => !this.words || row.some(cell => String(cell?.text ?? cell ?? "").toLowerCase().includes(this.words)));
    const body = cells.slice(0, ROWS_MAX).map(row => make("tr", {}, ...row.map(cell =>
      make("td", { class: cell?.bad ? "bad" : null }, cell?.href ? make("a", { href: cell.href }, cell.text) : String(cell?.text ?? cell ?? "")))));
    const scrolled = this.ground.scrollLeft;
    // What could not be asked for is not "nothing".
    this.empty.hidden = cells.length > 0 && !this.fault;
    this.empty.className = this.fault ? "fault" : "";
    this.empty.textContent = this.fault ? `This is not up to date: ${this.fault}.` : rows.length ? "Nothing matches the search." : about.nothing;
    if (cells.length)
      this.ground.replaceChildren(make("table", {},
        make("caption", {}, cells.length > ROWS_MAX ? `the first ${ROWS_MAX} of ${cells.length}; search to see others` : `${cells.length}`),
        make("thead", {}, make("tr", {}, ...names.map(name => make("th", { scope: "col" }, name)))), make("tbody", {}, ...body)));
    else
      this.ground.replaceChildren();
    this.ground.scrollLeft = scrolled;
  }
}
