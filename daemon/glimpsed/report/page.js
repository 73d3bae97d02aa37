
"use strict";
const words = document.getElementById("words");
const failedOnly = document.getElementById("failed");
const found = document.getElementById("found");
const articles = Array.from(document.querySelectorAll("article"), (element) => ({
  element,
  failed: element.classList.contains("failed"),
  leaves: Array.from(element.querySelectorAll(".said"), (leaf) => ({ leaf, text: leaf.textContent, marked: false })),
}));
// Without case, accents and widths, as `glimpsed search` has it.
const fold = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
for (const article of articles) article.text = fold(article.leaves.map(({ text }) => text).join("\n"));

// Words, or several in quotes; between those that were typed as one stands what is no letter and no digit. A sign is one, too.
function patterns(typed) {
  return Array.from(typed.replace(/[“”„]/g, '"').matchAll(/"([^"]*)"?|([^\s"]+)/g), ([, quoted, single]) => {
    const part = fold(quoted ?? single).trim();
    const parts = part.match(/[\p{L}\p{M}\p{N}]+/gu) || [part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")];
    return parts.join("[^\\p{L}\\p{M}\\p{N}]*");
  }).filter(Boolean);
}

function mark(article, wanted) {
  const hits = wanted.length && new RegExp(wanted.join("|"), "gu");
  for (const found of article.leaves) {
    const hit = hits && fold(found.text).search(hits) >= 0;
    if (!hit && !found.marked) continue;
    found.marked = hit;
    const parts = [];
    let from = 0;
    if (hit) {
      const signs = Array.from(found.text);
      const folded = signs.map(fold); // one may become none or several
      const at = folded.flatMap((sign, number) => Array(sign.length).fill(number));
      const text = (first, end) => signs.slice(first, end).join("");
      for (const match of folded.join("").matchAll(hits)) {
        const marked = document.createElement("mark");
        const end = at[match.index + match[0].length - 1] + 1;
        marked.textContent = text(at[match.index], end);
        parts.push(text(from, at[match.index]), marked);
        from = end;
      }
      parts.push(text(from));
    }
    found.leaf.replaceChildren(...(hit ? parts : [found.text]));
  }
}

function search() {
  const wanted = patterns(words.value);
  const each = wanted.map((pattern) => new RegExp(pattern, "u"));
  let count = 0;
  const only = failedOnly !== null && failedOnly.checked;
  for (const article of articles) {
    const shown = (article.failed || !only) && each.every((pattern) => pattern.test(article.text));
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
