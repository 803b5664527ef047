// SPDX-License-Identifier: MIT
// What the page asks the server, and who asks.
export const session = { name: "", reads: false, writes: false, csrf: "" };

export async function ask(method, path, body) {
  const headers = {};
  if (body)
    headers["Content-Type"] = "application/json";
  if (session.csrf)
    headers["X-CSRF-Token"] = session.csrf;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
  const text = await answer.text();
  const what = text && answer.headers.get("Content-Type")?.startsWith("application/json") ? JSON.parse(text) : {};
  if (answer.ok)
    return what;
  throw Object.assign(new Error(what.message || `${answer.status} ${answer.statusText}`), { status: answer.status });
}

export async function look() {
  Object.assign(session, { csrf: "" }, await ask("GET", "/v1/session"));
}

export async function login(name, secret) {
  Object.assign(session, await ask("POST", "/v1/session", { name, secret }));
}

export async function logout() {
  await ask("DELETE", "/v1/session");
  Object.assign(session, { name: "", csrf: "" });
}

// ---- words ----

const WORDS = { InUse: "In use", "InUse&Ringing": "In use, ringing", "InUse&Hold": "In use, on hold", Hold: "On hold" };

export function stateWords(state) {
  return WORDS[state] ?? state;
}

// What a lamp shows, and whether somebody who is away has said it.
export function lampWords(lamp) {
  return stateWords(lamp.state) + (lamp.stale ? ", stale" : "");
}

export function stateKind(state) {
  if (state.includes("Ringing"))
    return "ringing";
  if (state.includes("Hold"))
    return "hold";
  return { Idle: "idle", InUse: "inuse", Busy: "inuse" }[state] ?? "off";
}

export function age(ms) {
  const s = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (!ms)
    return "";
  if (s < 120)
    return `${s} s`;
  if (s < 7200)
    return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

export function time(ms) {
  return ms ? new Date(ms).toLocaleString() : "";
}

// An element: make("td", {class: "bad"}, "text", another)
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on"))
      element.addEventListener(key.slice(2), value);
    else if (value === true)
      element.setAttribute(key, "");
    else if (value !== false && value != null)
      element.setAttribute(key, value);
  element.append(...children.filter(c => c != null));
  return element;
}
