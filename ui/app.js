// SPDX-License-Identifier: MIT
// The page: who looks, which view is shown, and the stream of changes that all views live on.
import { ask, session, login, logout, look } from "/server.js";
import { Board } from "/board.js";
import { Panel } from "/panel.js";
import { Tables } from "/tables.js";

const $ = id => document.getElementById(id);
const board = new Board($("main"), $("board"), lamp => panel.open(lamp));
const panel = new Panel($("panel"), $("announce"), key => board.lamps.get(key), key => {
  board.mark(key);
  address(key);
  if (!key)
    board.focusOpen();
});
const tables = new Tables($("table"), $("empty"));

// ---- lamps, live ----

let waiting = null; // changes that come while the list is on its way
let loads = 0; // only the newest list counts
let stream = null;

function live(words, good) {
  $("live").textContent = words;
  $("live").dataset.live = good ? "yes" : "no";
}

function apply(change) {
  board.change(change);
  panel.change(change);
}

async function load() {
  const mine = ++loads;
  const changes = waiting = [];
  try {
    const { hints } = await ask("GET", "/v1/hints");
    if (mine !== loads)
      return;
    board.replace(hints.filter(h => !h.pattern));
  } catch (error) {
    if (mine !== loads)
      return;
    waiting = null;
    fault(error);
    if (error.status !== 401)
      setTimeout(() => mine === loads && load(), 3000);
    return;
  }
  waiting = null;
  for (const change of changes)
    if (!(board.lamps.get(board.key(change))?.sequence > change.sequence)) // with the same one it may be stale, or no more
      apply(change);
  live("live", true);
  panel.refresh();
}

// What was shown is for who may read.
function forget() {
  stream?.close();
  stream = waiting = null;
  loads++;
  board.replace([]);
  if (panel.key)
    panel.close();
  if (tables.view)
    tables.show(tables.view, $("search").value);
}

function listen() {
  stream?.close();
  stream = new EventSource("/v1/events?kinds=snapshot,source");
  stream.addEventListener("hello", load);
  stream.addEventListener("snapshot", event => {
    const change = JSON.parse(event.data);
    if (change.event) // a mailbox's or another package's, which is no lamp
      return;
    if (waiting)
      waiting.push(change);
    else
      apply(change);
  });
  stream.addEventListener("source", () => tables.refresh());
  stream.onerror = () => {
    live("no connection; trying again", false);
    if (stream.readyState === EventSource.CLOSED) // it was answered, but not with a stream
      setTimeout(begin, 3000);
  };
}

function fault(error) {
  live(error.status === 401 ? "log in to see anything" : error.message, false);
}

// ---- who looks ----

function showSession() {
  $("login").textContent = session.name ? `Log out ${session.name}` : "Log in";
  panel.refresh();
}

async function begin() {
  try {
    await look();
    showSession();
    if (session.reads)
      listen();
    else {
      forget();
      live("log in to see anything", false);
      if (!$("who").open)
        $("who").showModal();
    }
  } catch (error) {
    live("no connection; trying again", false);
    setTimeout(begin, 3000);
  }
}

$("login").addEventListener("click", async () => {
  if (!session.name)
    return $("who").showModal();
  await logout().catch(() => {});
  begin();
});
$("who-cancel").addEventListener("click", () => $("who").close());
$("who").querySelector("form").addEventListener("submit", async event => {
  const form = event.target;
  event.preventDefault();
  try {
    await login(form.name.value, form.secret.value);
    form.reset();
    form.querySelector(".fault").textContent = "";
    $("who").close();
    begin();
  } catch (error) {
    form.querySelector(".fault").textContent = error.message;
  }
});

// ---- views ----

function wanted() {
  try {
    return decodeURIComponent(location.hash.slice(1) || "lamps");
  } catch { // no such text, by hand or from elsewhere
    return "lamps";
  }
}

// The address is that of the panel, for a bookmark or somebody else.
function address(key) {
  if (key || location.hash.startsWith("#lamps/"))
    history.replaceState(null, "", key ? `#lamps/${encodeURIComponent(key)}` : "#lamps");
}

function route() {
  const [view, ...rest] = wanted().split("/");
  const known = tables.has(view) ? view : "lamps";
  for (const a of document.querySelectorAll("nav a"))
    if (a.hash === `#${known}`)
      a.setAttribute("aria-current", "page");
    else
      a.removeAttribute("aria-current");
  $("title").textContent = known[0].toUpperCase() + known.slice(1);
  $("board").hidden = known !== "lamps";
  $("table").hidden = known === "lamps";
  tables.show(known === "lamps" ? null : known, $("search").value);
  board.shown(known === "lamps");
  $("summary").hidden = known !== "lamps";
  if (view === "lamps" && rest.length)
    panel.openKey(rest.join("/"));
}

addEventListener("hashchange", route);
$("search").addEventListener("input", () => {
  board.search($("search").value);
  tables.search($("search").value);
});
board.counted = text => { $("summary").textContent = text; };

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
if (localStorage.getItem("theme"))
  document.documentElement.dataset.theme = localStorage.getItem("theme");

route();
begin();
