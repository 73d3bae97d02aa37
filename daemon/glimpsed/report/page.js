
"use strict";
const words = document.getElementById("words");
const failedOnly = document.getElementById("failed");
const found = document.getElementById("found");
const articles = Array.from(document.querySelectorAll("article"), (element) => ({
  element,
  failed: element.classList.contains("failed"),
  text: element.textContent.toLowerCase(),
}));

function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { element, failed, text } of articles) {
    const shown = (failed || !failedOnly.checked) && wanted.every((word) => text.includes(word));
    element.hidden = !shown;
    count += shown;
  }
  found.textContent = wanted.length || failedOnly.checked ? `${count} of ${articles.length}` : "";
}

words.addEventListener("input", search);
failedOnly.addEventListener("change", search);
words.form.addEventListener("submit", (event) => event.preventDefault());
search();
