// SPDX-License-Identifier: MIT
// The lamp by SIP itself: the page subscribes over WebSocket as a telephone does, with JsSIP, and shows what its NOTIFYs say
// beside what the server says it shows. The password stays in this page.
import { ask, make, stateKind, stateWords } from "/server.js";

const DIALOG_STATES = { early: "Ringing", trying: "Ringing", proceeding: "Ringing", confirmed: "InUse", terminated: "Idle" };
const RANK = ["Idle", "Ringing", "InUse"];

// What a dialog-info document shows, as far as a lamp can.
export function lampOf(body) {
  const dialogs = [...new DOMParser().parseFromString(body, "application/xml").getElementsByTagName("dialog")];
  const states = dialogs.map(d => DIALOG_STATES[d.getElementsByTagName("state")[0]?.textContent.trim()] ?? "Idle");
  return states.reduce((a, b) => RANK.indexOf(b) > RANK.indexOf(a) ? b : a, "Idle");
}

// A lamp's state in the words that a dialog-info document has for it.
function coarse(state) {
  if (state.includes("Ringing"))
    return "Ringing";
  return ["InUse", "Busy", "Hold"].some(word => state.includes(word)) ? "InUse" : "Idle";
}

const MISSING = "This server was built without JsSIP, a SIP library that npm fetches (scripts/setup says when it cannot): install npm, "
  + "build and install it again.";

// Is it there? It is loaded when somebody wants it.
const there = fetch("/jssip.js", { method: "HEAD" }).then(answer => answer.ok, () => true);

function load() {
  if (globalThis.JsSIP)
    return Promise.resolve();
  return new Promise((done, failed) => document.head.append(make("script", { src: "/jssip.js", onload: () => done(),
    onerror: () => failed(new Error(MISSING)) })));
}

async function webSocketUrl() {
  const { listeners } = await ask("GET", "/v1/status");
  const wanted = location.protocol === "https:" ? ["wss"] : ["ws", "wss"];
  for (const protocol of wanted)
    for (const l of listeners)
      if (l.protocol === protocol)
        return `${protocol}://${location.hostname}:${l.address.split(":").pop()}`;
  throw new Error(`pjsip.conf has no transport with protocol = ${wanted[0]}`);
}

export class Telephone {
  constructor() {
    this.said = "";
    this.shown = "";
    this.fault = "";
    this.form = {};
    there.then(is => {
      this.missing = !is;
      this.draw();
    });
  }

  element(key, state) {
    this.key = key;
    this.said = state;
    this.ground ??= make("div");
    if (this.ua || !this.ground.firstChild) // what somebody types into the form stays
      this.draw();
    return this.ground;
  }

  server(state) {
    this.said = state;
    if (this.ua)
      this.draw();
  }

  draw() {
    if (!this.ground)
      return;
    const same = coarse(this.said) === this.shown;
    const side = (title, state, words) => make("div", {}, make("strong", {}, title), make("p", {},
      make("span", { class: "mark", "data-kind": stateKind(state) }, words)));
    if (this.ua)
      this.ground.replaceChildren(make("div", { class: "both" }, side("The server says", this.said, stateWords(this.said)),
        side("NOTIFY says", this.shown, this.shown ? stateWords(this.shown) : "nothing yet")),
        make("p", { id: "sip-verdict", "data-same": same ? "yes" : "no" }, this.fault || (this.shown ? (same ? "Both are the same." : "They differ.") : "Subscribing.")),
        make("button", { type: "button", id: "sip-end", onclick: () => this.end() }, "Stop"));
    else if (this.missing)
      this.ground.replaceChildren(make("p", { id: "sip-missing" }, MISSING));
    else
      this.ground.replaceChildren(make("form", { onsubmit: event => this.begin(event) },
        make("p", {}, "Subscribe from this page over WebSocket, as an endpoint of pjsip.conf."),
        make("label", {}, "Endpoint ", make("input", { name: "user", id: "sip-user", required: true, autocomplete: "off", value: this.form.user ?? "" })), " ",
        make("label", {}, "Password ", make("input", { name: "password", id: "sip-password", type: "password", autocomplete: "off" })), " ",
        make("button", { type: "submit", id: "sip-begin" }, "Subscribe"), make("p", { class: "fault", role: "alert" }, this.fault)));
  }

  async begin(event) {
    const form = event.target, user = form.user.value, password = form.password.value;
    event.preventDefault();
    this.form = { user };
    this.fault = "";
    try {
      await load();
      const url = await webSocketUrl();
      const { JsSIP } = globalThis, host = location.hostname;
      this.ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@${host}`, password: password || "none", register: false });
      this.ua.on("disconnected", why => this.over(why.error ? "there is no connection to the WebSocket of SIP" : ""));
      this.ua.on("connected", () => this.subscribe(host));
      this.ua.start();
    } catch (error) {
      this.over(error.message);
    }
    this.draw();
  }

  subscribe(host) {
    const s = this.ua.subscribe(`sip:${this.key.split("@")[0]}@${host}`, "dialog", "application/dialog-info+xml", { expires: 300 });
    this.subscriber = s;
    s.on("notify", (final, request, body) => {
      this.shown = body ? lampOf(body) : this.shown;
      this.draw();
    });
    s.on("terminated", (code, reason) => this.over(`the subscription has ended: ${reason ?? code}`));
    s.subscribe();
  }

  over(fault) {
    const ua = this.ua;
    this.ua = null;
    this.shown = "";
    this.fault = fault ?? "";
    ua?.removeAllListeners?.();
    ua?.stop();
    this.draw();
  }

  end() {
    try {
      this.subscriber?.terminate();
    } catch {
      // it has not begun
    }
    this.subscriber = null;
    if (this.ua)
      this.over("");
  }
}
