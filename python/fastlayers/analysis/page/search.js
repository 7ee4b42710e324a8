
// Search as you type, over all paths: every word must be in the path. Where the name has them all
// comes first, then what is larger.

const MOST_RESULTS = 200;
let found = [];
let current = -1;

function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const paths = searchable();
  const matches = [];
  for (let entry = 1; entry < count; entry++) {
    const text = paths[entry];
    if (words.every((word) => text.includes(word))) matches.push(entry);
  }
  return { words, matches };
}

function best({ words, matches }) {
  const named = (entry) => {
    const name = names[entry].toLowerCase();
    return words.every((word) => name.includes(word)) ? 1 : 0;
  };
  const rank = new Map();
  let sorted = matches;
  if (matches.length > 5000) {
    // Only the largest are worth a name's closer look.
    sorted = Int32Array.from(matches).sort((a, b) => weight[b] - weight[a]).subarray(0, 5000);
  }
  for (const entry of sorted) rank.set(entry, named(entry));
  return [...sorted].sort((a, b) => rank.get(b) - rank.get(a) || weight[b] - weight[a] || a - b).slice(0, MOST_RESULTS);
}

// The text, with what was looked for marked.
function marked(text, words) {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [text]; // letters that change their length: unmarked
  const on = new Uint8Array(text.length);
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1)) on.fill(1, at, at + word.length);
  }
  const parts = [];
  for (let at = 0, until; at < text.length; at = until) {
    until = at + 1;
    while (until < text.length && on[until] === on[at]) until++;
    const part = text.slice(at, until);
    parts.push(on[at] ? el("mark", {}, part) : part);
  }
  return parts;
}

function showResults() {
  const input = byId("search");
  const result = search(input.value);
  const box = byId("results");
  state.matches = result?.matches ?? null;
  chooseLit();
  drawMap();
  current = -1;
  input.removeAttribute("aria-activedescendant");
  found = result ? best(result) : [];
  box.hidden = !result;
  input.setAttribute("aria-expanded", String(Boolean(result)));
  if (!result) return;
  const total = result.matches.length;
  const few = total > found.length ? `, the first ${found.length} of them here` : "";
  box.replaceChildren(
    el("div", { class: "count", role: "status" }, total ? many(total, "path") + few : "No path has that in it."),
    ...found.map((entry, at) =>
      el("button", { class: "row hit", role: "option", id: `hit-${at}`, tabindex: "-1", onclick: () => take(entry) },
        swatch(colourOf(entry)),
        el("span", { class: "mono", title: path(entry) }, ...marked(path(entry), result.words)),
        el("span", { class: "number quiet" }, holds(entry) ? size(weight[entry]) : size(bytesOf(entry)))),
    ),
  );
}

function take(entry) {
  closeResults();
  reveal(entry);
}

function closeResults() {
  byId("results").hidden = true;
  byId("search").setAttribute("aria-expanded", "false");
}

function move(by) {
  const rows = byId("results").querySelectorAll(".hit");
  if (!rows.length) return;
  rows[current]?.setAttribute("aria-selected", "false");
  current = (current < 0 && by < 0 ? rows.length : current) + by;
  current = (current + rows.length) % rows.length;
  rows[current].setAttribute("aria-selected", "true");
  byId("search").setAttribute("aria-activedescendant", rows[current].id);
  rows[current].scrollIntoView({ block: "nearest" });
}

function startSearch() {
  const input = byId("search");
  input.placeholder = `Search ${many(count - 1, "path")}`;
  input.addEventListener("input", showResults);
  setTimeout(searchable, 300); // so that the first letter need not wait for it
  input.addEventListener("focus", () => {
    if (input.value.trim()) showResults();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && found.length) take(found[Math.max(0, current)]);
    else if (event.key === "Escape") {
      input.value = "";
      showResults();
      input.blur();
    } else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  addEventListener("mousedown", (event) => {
    if (!event.target.closest(".search")) closeResults();
  });
}
