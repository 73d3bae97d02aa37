// Nothing here is needed to read or to act: it keeps Now up to date, searches as one types, zooms and turns pages.
"use strict";

const READ = "summary, [tabindex]"; // what has the focus while one reads

async function swap(url, selector) {
  const reply = await fetch(url, { headers: { Accept: "text/html" } });
  if (!reply.ok || reply.redirected) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old) return;
  // What was opened stays open, and what had the focus keeps it.
  const opened = [...old.querySelectorAll("details")].map((one) => one.open);
  const focused = [...old.querySelectorAll(READ)].indexOf(document.activeElement);
  fresh.querySelectorAll("details").forEach((one, at) => { one.open = opened[at]; });
  old.replaceWith(document.adoptNode(fresh));
  if (focused >= 0) fresh.querySelectorAll(READ)[focused]?.focus({ preventScroll: true });
}

const now = document.querySelector("[data-live]");
if (now && window.EventSource) {
  // The server says the same number every two seconds, and another one once there is something new to see. Who does not hear
  // it is told, whatever the reason: the daemon is away, the ledger is, a proxy answers for them, this computer was asleep.
  const stale = document.getElementById("stale");
  let source, number = null, heard = Date.now(), tried = heard;
  const listen = () => {
    source?.close();
    tried = Date.now();
    source = new EventSource(now.dataset.live);
    source.onmessage = async ({ data }) => {
      heard = Date.now();
      const busy = document.activeElement?.closest("#now button, #now a") || !getSelection().isCollapsed;
      if (data === number || busy) return;
      const first = number === null;
      number = data;
      if (!first || !stale.hidden) await swap(location.href, "#now").catch(() => { number = ""; });
      stale.hidden = true;
    };
  };
  listen();
  setInterval(() => {
    if (Date.now() - heard < 8000) { if (number) stale.hidden = true; return; }
    stale.hidden = false;
    if (Date.now() - tried > 8000) listen();
  }, 1000);
}

const search = document.querySelector("form[data-type]");
if (search) {
  let waiting, turn = 0;
  const show = () => {
    const asked = [...new FormData(search)].filter(([, value]) => value);
    const url = `${search.action}?${new URLSearchParams(asked)}`;
    history.replaceState(null, "", url);
    const mine = ++turn;
    fetch(url).then((reply) => reply.ok && !reply.redirected ? reply.text() : null).then((html) => {
      if (html === null || mine !== turn) return;
      const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("#list");
      if (fresh) document.querySelector("#list").replaceWith(document.adoptNode(fresh));
      offer();
    });
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
  document.addEventListener("change", ({ target }) => {
    if (target.id === "every") for (const box of boxes()) box.checked = target.checked;
    else if (target.name === "file") document.getElementById("every").checked = [...boxes()].every((box) => box.checked);
  });
}

for (const page of document.querySelectorAll("figure.page")) {
  const image = page.querySelector("img");
  let turned = 0, zoom = 1;
  const apply = () => {
    page.dataset.turned = turned;
    page.dataset.zoom = zoom;
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
