
"use strict";
const words = document.getElementById("words");
const failedOnly = document.getElementById("failed");
const found = document.getElementById("found");
const articles = Array.from(document.querySelectorAll("article"), (element) => ({
  element,
  failed: element.classList.contains("failed"),
  leaves: Array.from(element.querySelectorAll(".said"), (leaf) => ({ leaf, text: leaf.textContent, marked: false })),
}));
for (const article of articles) article.text = article.leaves.map(({ text }) => text.toLowerCase()).join("\n");

function mark(article, wanted) {
  const hits = wanted.length && new RegExp(wanted.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "giu");
  for (const found of article.leaves) {
    const hit = hits && found.text.search(hits) >= 0;
    if (!hit && !found.marked) continue;
    found.marked = hit;
    const parts = [];
    let from = 0;
    for (const match of hit ? found.text.matchAll(hits) : []) {
      const marked = document.createElement("mark");
      marked.textContent = match[0];
      parts.push(found.text.slice(from, match.index), marked);
      from = match.index + match[0].length;
    }
    found.leaf.replaceChildren(...parts, found.text.slice(from));
  }
}

function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  const only = failedOnly !== null && failedOnly.checked;
  for (const article of articles) {
    const shown = (article.failed || !only) && wanted.every((word) => article.text.includes(word));
    article.element.hidden = !shown;
    mark(article, shown ? wanted : []);
    count += shown;
  }
  found.textContent = wanted.length || only ? found.dataset.of.replace("{0}", count).replace("{1}", articles.length) : "";
}

words.addEventListener("input", search);
if (failedOnly !== null) failedOnly.addEventListener("change", search);
words.form.addEventListener("submit", (event) => event.preventDefault());
search();
