// Nothing here is needed to read or to act: it keeps Now up to date, searches as one types, zooms and turns pages.
"use strict";

const READ = "summary, [tabindex]"; // what has the focus while one reads

// This part of the page as it is now; false: one has to log in first. Rejects where it cannot be had.
async function swap(url, selector, wanted = () => true) {
  const reply = await fetch(url, { headers: { Accept: "text/html" } });
  if (reply.redirected) return false;
  if (!reply.ok) throw new Error(reply.status);
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old || !wanted()) return true;
  // What was opened stays open, and what had the focus keeps it.
  const opened = [...old.querySelectorAll("details")].map((one) => one.open);
  const focused = [...old.querySelectorAll(READ)].indexOf(document.activeElement);
  fresh.querySelectorAll("details").forEach((one, at) => { one.open = opened[at]; });
  old.replaceWith(document.adoptNode(fresh));
  if (focused >= 0) fresh.querySelectorAll(READ)[focused]?.focus({ preventScroll: true });
  return true;
}

const stale = document.getElementById("stale");

const now = document.querySelector("[data-live]");
if (now && window.EventSource) {
  // The server says the same number every two seconds, and another one once there is something new to see. Who does not hear
  // it is told, whatever the reason: the daemon is away, the ledger is, a proxy answers for them, this computer was asleep.
  const ended = document.getElementById("ended");
  const heed = (old, out = false) => { stale.hidden = !old || (out && ended !== null); if (ended) ended.hidden = !out; };
  let source, number = now.dataset.number, heard = Date.now(), tried = heard;
  const listen = () => {
    source?.close();
    tried = Date.now();
    source = new EventSource(now.dataset.live);
    source.onmessage = async ({ data }) => {
      heard = Date.now();
      const busy = document.activeElement?.closest("#now button, #now a") || !getSelection().isCollapsed;
      if (data === number || busy) return;
      number = data;
      const came = await swap(location.href, "#now").catch(() => null);
      if (!came) number = "";
      heed(!came, came === false);
    };
  };
  listen();
  setInterval(() => {
    if (Date.now() - heard < 8000) { if (number) heed(false); return; }
    if (stale.hidden && ended?.hidden !== false) heed(true);
    if (Date.now() - tried > 8000) {
      listen();
      // Sessions end: then nobody is heard until somebody logs in, here or in another window.
      if (ended) fetch(location.href, { redirect: "manual" }).then((reply) => { if (Date.now() - heard > 8000) heed(true, reply.type === "opaqueredirect"); }).catch(() => {});
    }
  }, 1000);
}

const search = document.querySelector("form[data-type]");
if (search) {
  let waiting, turn = 0;
  const show = async () => {
    const asked = [...new FormData(search)].filter(([, value]) => value);
    const url = `${search.action}?${new URLSearchParams(asked)}`;
    history.replaceState(null, "", url);
    const mine = ++turn;
    const came = await swap(url, "#list", () => mine === turn).catch(() => null);
    if (mine !== turn) return;
    if (came === false) location.assign(url); // by way of the login
    stale.hidden = came !== null;
    if (came === null) waiting = setTimeout(show, 3000);
    offer();
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(show, 200); };
  for (const field of search.querySelectorAll("input[type=search]")) field.addEventListener("input", soon);
  for (const field of search.querySelectorAll("select, input[type=date]")) field.addEventListener("change", soon);
}

// The list is replaced as one types: what belongs to it is looked for when it is needed.
const boxes = () => document.querySelectorAll("#list [name=file]");
const offer = () => { const every = document.getElementById("every"); if (every) every.hidden = false; };
if (document.getElementById("list")) {
  offer();
  // As the browser kept it: others have been at work meanwhile, and so has who comes back.
  addEventListener("pageshow", ({ persisted }) => { if (persisted) swap(location.href, "#list").then(offer, () => { stale.hidden = false; }); });
  document.addEventListener("change", ({ target }) => {
    if (target.id === "every") for (const box of boxes()) box.checked = target.checked;
    else if (target.name === "file") document.getElementById("every").checked = [...boxes()].every((box) => box.checked);
  });
}

// Pages larger, and turned: the picture and what lies on it together, each side by the picture's own.
for (const page of document.querySelectorAll("figure.page")) {
  const image = page.querySelector("img"), frame = page.querySelector(".frame"), sheet = page.querySelector(".sheet");
  let turned = 0, zoom = 1;
  const apply = () => {
    page.dataset.turned = turned;
    page.dataset.zoom = zoom;
    const tall = image.naturalHeight / image.naturalWidth || 1, lies = turned % 180 !== 0;
    frame.style.width = `${100 * zoom}%`;
    frame.style.aspectRatio = lies ? tall : "auto";
    Object.assign(sheet.style, lies ? { position: "absolute", left: "50%", top: "50%", width: `${100 / tall}%` } : { position: "relative", left: "", top: "", width: "" });
    sheet.style.transform = `${lies ? "translate(-50%, -50%) " : ""}rotate(${turned}deg)`;
  };
  const does = {
    larger: () => { zoom = Math.min(4, zoom + 1); },
    smaller: () => { zoom = Math.max(1, zoom - 1); },
    turn: () => { turned = (turned + 90) % 360; },
  };
  const tools = page.querySelector(".tools");
  tools.hidden = false;
  tools.addEventListener("click", ({ target }) => { does[target.dataset.does]?.(); apply(); });
  image.addEventListener("error", () => { page.classList.add("lost"); });
  if (page.dataset.lines) {
    const once = () => { lay(page, sheet); };
    if (image.complete && image.naturalWidth) once(); else image.addEventListener("load", once, { once: true });
  }
}

// Lines and their places: each marks the other, under the mouse and with the focus. One of many is reached by Tab, the others
// with the arrow keys.
async function lay(page, sheet) {
  const reply = await fetch(page.dataset.lines, { headers: { Accept: "application/json" } });
  if (!reply.ok || reply.redirected) return;
  const layer = document.createElement("div");
  for (const [at, [left, top, right, bottom]] of (await reply.json()).entries()) {
    const name = `${page.dataset.page}:${at}`, box = document.createElement("button");
    box.type = "button";
    box.className = "box";
    box.dataset.box = name;
    box.setAttribute("aria-label", document.querySelector(`[data-line="${name}"]`)?.textContent || name);
    Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    layer.append(box);
  }
  sheet.append(layer);
  rove(layer);
}

function rove(list) {
  const all = [...list.children];
  const reach = (at) => { for (const [i, one] of all.entries()) one.tabIndex = i === at ? 0 : -1; };
  reach(0);
  list.addEventListener("focusin", ({ target }) => { if (all.includes(target)) reach(all.indexOf(target)); });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const next = all[all.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

const placed = (names, on) => {
  for (const old of document.querySelectorAll("[data-box].on, [data-line].on, [data-at].on")) old.classList.remove("on");
  if (!on) return;
  let first = null;
  for (const name of names) {
    const box = document.querySelector(`[data-box="${name}"]`), line = document.querySelector(`[data-line="${name}"]`);
    box?.classList.add("on");
    line?.classList.add("on");
    first ??= box;
  }
  return first;
};
const namesOf = (one) => one.dataset.at?.split(" ") || [one.dataset.box || one.dataset.line];
if (document.querySelector("[data-lines]")) {
  for (const list of document.querySelectorAll(".lines ol")) rove(list);
  const mark = ({ type, target }) => {
    const one = target.closest?.("[data-box], [data-line], [data-at]");
    if (!one) return;
    const box = placed(namesOf(one), type === "focusin" || type === "mouseover");
    if (!box) return;
    if (one.dataset.box) {
      const line = document.querySelector(`[data-line="${one.dataset.box}"]`);
      if (line?.checkVisibility()) line.parentElement.scrollTop = line.offsetTop - line.parentElement.offsetTop;
      document.querySelector(`[data-at~="${one.dataset.box}"]`)?.classList.add("on");
    } else if (type === "focusin") box.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(type, mark);
  // In a text that is corrected, the line with the caret.
  const plain = (text) => text.replace(/\s+/g, " ").trim();
  document.addEventListener("selectionchange", () => {
    const text = document.activeElement;
    if (text?.tagName !== "TEXTAREA" || !text.name.startsWith("text")) return;
    const start = text.value.lastIndexOf("\n", text.selectionStart - 1) + 1;
    const said = plain(text.value.slice(start).split("\n", 1)[0]), page = text.name.split(" ")[1];
    const lines = [...document.querySelectorAll("[data-line]")].filter((line) => !page || line.dataset.line.startsWith(`${page}:`));
    placed(said ? lines.filter((line) => said.includes(plain(line.textContent))).map((line) => line.dataset.line) : [], true);
  });
}

for (const button of document.querySelectorAll("button.take")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.for);
    field.value = button.dataset.value;
    field.focus();
  });
}

const editing = document.querySelector("form.editing");
if (editing) {
  const buttons = [...editing.querySelectorAll(".deeds button")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter") { event.preventDefault(); buttons[0].click(); return; }
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "c" && editing.querySelector("a.next")) buttons[1].click();
    else if (event.key === "n") editing.querySelector("a.next")?.click();
    else if (event.key === "e") {
      event.preventDefault();
      (document.getElementById(editing.querySelector("label.doubtful")?.htmlFor) || editing.querySelector("input:not([type=hidden]), textarea"))?.focus();
    }
  });
}
