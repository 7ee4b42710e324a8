
// The explorer: one folder as a treemap and as a list, and what is chosen in it.

const state = {
  folder: 0,
  chosen: -1,
  colours: two ? "change" : "layer",
  layer: -1, // the one that stands out, if not -1
  matches: null, // entries that a search found
};
let cells = [];
let hovered = null;
let extent = [0, 0];
let lit = null; // of how many entries before each is true that they stand out; null: all do

function colourOf(entry) {
  return state.colours === "layer" ? layerColour(mostly("layer", entry)) : changeColour(mostly("change", entry));
}

function standsOut(entry) {
  return !lit || lit[end[entry]] > lit[entry];
}

function chooseLit() {
  lit = null;
  if (state.layer < 0 && !state.matches) return;
  const found = new Uint8Array(count);
  if (state.matches) for (const entry of state.matches) found.fill(1, entry, end[entry]);
  else for (let entry = 0; entry < count; entry++) found[entry] = !holds(entry) && column.layer[entry] === state.layer;
  lit = new Int32Array(count + 1);
  for (let entry = 0; entry < count; entry++) lit[entry + 1] = lit[entry] + found[entry];
}

function layMap() {
  const stage = byId("stage");
  extent = [stage.clientWidth, stage.clientHeight];
  cells = layOut(state.folder, ...extent);
  hovered = null;
  byId("nothing").hidden = cells.length > 0;
  drawMap();
}

function drawMap() {
  draw(byId("map"), cells, ...extent, {
    colour: (c) => colourOf(c.rest ? c.first : c.entry),
    lit: (c) => !lit || (c.rest ? standsOut(c.first) : standsOut(c.entry)),
    styles: style,
  });
  drawGlass();
}

function drawGlass() {
  const chosen = cells.find((c) => c.entry === state.chosen && !c.rest);
  outline(byId("glass"), ...extent, [[hovered, style.ink, 1.5], [chosen, style.accent, 3]]);
}

// Goes to a folder; `chosen` is an entry of it. The address remembers it, so that the browser's
// way back is one.
function open(folder, chosen = -1, { remember = true } = {}) {
  state.folder = folder;
  state.chosen = chosen;
  if (remember) history.pushState(null, "", `#${folder}`);
  showCrumbs();
  showContents();
  showDetail();
  hideTip();
  layMap();
}

function choose(entry) {
  state.chosen = entry;
  showDetail();
  markContents();
  drawGlass();
}

function reveal(entry) {
  if (holds(entry)) open(entry);
  else open(Math.max(0, column.parent[entry]), entry);
  byId("map").scrollIntoView({ block: "nearest" });
}

function up() {
  if (state.folder > 0) open(column.parent[state.folder], state.folder);
}

function showCrumbs() {
  const parts = [0, ...lineage(state.folder)].flatMap((entry, depth) => [
    depth > 1 ? el("span", { class: "slash" }, "/") : null,
    el("button", { "aria-current": entry === state.folder && "true", onclick: () => entry !== state.folder && open(entry) }, entry ? names[entry] : "/"),
  ]);
  byId("crumbs").replaceChildren(...parts.filter(Boolean));
}

function showContents() {
  const entries = byWeight([...children(state.folder)]);
  byId("contents-count").textContent = many(entries.length, "entry", "entries");
  fillList(byId("contents"), entries.length, (at) => contentRow(entries[at]), { empty: "An empty folder." });
  markContents();
}

function contentRow(entry) {
  const whole = weight[state.folder];
  const gauge = el("span", { class: "gauge" }, el("i"));
  gauge.hidden = !weight[entry];
  gauge.firstChild.style.width = `${whole ? (100 * weight[entry]) / whole : 0}%`;
  const change = two ? difference(entry) : 0;
  const row = el(
    "button",
    { class: "row inside", "data-entry": entry, onclick: () => (holds(entry) ? open(entry) : choose(entry)) },
    swatch(colourOf(entry)),
    el("span", { class: "mono" }, names[entry] + (holds(entry) ? "/" : "")),
    two || gauge.hidden ? el("span", { class: `number ${change > 0 ? "added" : change < 0 ? "removed" : "quiet"}` }, change ? signed(change) : "") : gauge,
    el("span", { class: "number" }, size(weight[entry])),
  );
  return row;
}

function markContents() {
  for (const row of byId("contents").querySelectorAll("[data-entry]")) {
    row.setAttribute("aria-current", String(Number(row.dataset.entry) === state.chosen));
  }
}

function facets(entry) {
  const found = [el("span", {}, KINDS[kind(entry)])];
  if (holds(entry)) found.push(el("span", {}, many(end[entry] - entry - 1, "entry", "entries") + " below"));
  if (column.kind[entry] & SECOND_NAME) found.push(el("span", {}, "another name of a file that counts elsewhere"));
  if (kind(entry) === SYMLINK) found.push(el("span", { class: "mono" }, "\u2192 " + linkTarget(entry)));
  if (two) {
    const word = CHANGES[column.change[entry]];
    const aspects = aspectsOf(column.aspects[entry]);
    if (!holds(entry) || column.change[entry]) found.push(el("span", { class: word }, word + (aspects ? `: ${aspects}` : "")));
    if (difference(entry)) found.push(el("span", {}, signed(difference(entry))));
  }
  found.push(el("span", { class: "mono" }, modeText(entry)));
  found.push(el("span", {}, `${column.uid[entry]}:${column.gid[entry]}`));
  found.push(el("span", {}, time(column.mtime[entry])));
  const layer = column.layer[entry];
  if (!holds(entry) && layer < report.layers.length) {
    found.push(el("span", {}, swatch(layerColour(layer)), ` layer ${layer + 1}`));
    found.push(el("span", { class: "mono" }, layerName(layer)));
  }
  return found;
}

function showDetail() {
  const entry = state.chosen >= 0 ? state.chosen : state.folder;
  byId("detail").replaceChildren(
    el("div", { class: "what" }, el("span", { class: "mono" }, path(entry)), el("b", {}, size(bytesOf(entry)))),
    el("div", { class: "facets" }, ...facets(entry)),
  );
}

// Of a name whose bytes count elsewhere, they are told all the same.
function bytesOf(entry) {
  return holds(entry) ? weight[entry] : column.size[entry];
}

// Changes of size, at and below each entry, between the two images.
let growth = null;
function difference(entry) {
  if (!growth) {
    growth = new Float64Array(count);
    for (let at = count - 1; at >= 0; at--) {
      const there = column.change[at] !== 3 && !(column.kind[at] & SECOND_NAME);
      growth[at] += (there ? column.size[at] : 0) - column.old_size[at];
      if (column.parent[at] >= 0) growth[column.parent[at]] += growth[at];
    }
  }
  return growth[entry];
}

function showTip(event, c) {
  const tip = byId("tip");
  const layer = mostly("layer", c.rest ? c.first : c.entry);
  const what = c.rest
    ? [el("span", { class: "mono" }, path(c.entry)), `${many(c.rest, "small entry", "small entries")} in it`]
    : [el("span", { class: "mono" }, path(c.entry)), `${size(bytesOf(c.entry))} \u00b7 ${percent(weight[c.entry], weight[0])} of all`];
  const change = two && !c.rest && !holds(c.entry) ? ` \u00b7 ${CHANGES[column.change[c.entry]]}` : "";
  const from = layer < report.layers.length ? ` \u00b7 ${holds(c.entry) ? "mostly " : ""}layer ${layer + 1}` : "";
  tip.replaceChildren(...what, change, from);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

function press(c) {
  if (c.rest && c.entry === state.folder) return;
  if (holds(c.entry)) open(c.entry);
  else choose(c.entry);
}

// The child of the folder in which an entry is.
function towards(entry) {
  let at = entry;
  while (at > 0 && column.parent[at] !== state.folder) at = column.parent[at];
  return at;
}

function mapKey(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (step) {
    const from = cells.find((c) => c.entry === state.chosen && !c.rest);
    const next = from ? neighbour(cells, from, ...step) : cells.find((c) => !c.open);
    if (next) choose(next.rest ? next.first : next.entry);
  } else if (event.key === "Enter") {
    const next = state.chosen > 0 ? towards(state.chosen) : 0;
    if (next > 0 && holds(next)) open(next, state.chosen === next ? -1 : state.chosen);
  } else if (event.key === "Backspace") up();
  else return;
  event.preventDefault();
}

function startExplorer() {
  const map = byId("map");
  const at = (event) => {
    const box = map.getBoundingClientRect();
    return cellAt(cells, event.clientX - box.left, event.clientY - box.top);
  };
  map.addEventListener("mousemove", (event) => {
    const c = at(event);
    if (c !== hovered) {
      hovered = c;
      drawGlass();
    }
    if (c) showTip(event, c);
    else hideTip();
    map.style.cursor = c && holds(c.entry) ? "pointer" : "default";
  });
  map.addEventListener("mouseleave", () => {
    hovered = null;
    hideTip();
    drawGlass();
  });
  map.addEventListener("click", (event) => {
    const c = at(event);
    if (c) press(c);
  });
  map.addEventListener("keydown", mapKey);
  walkRows(byId("contents"));
  byId("contents").addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || state.folder === 0) return;
    event.preventDefault();
    up();
    byId("contents").querySelector("button")?.focus();
  });
  addEventListener("popstate", fromAddress);
  new ResizeObserver(() => {
    if (byId("stage").clientWidth !== extent[0] || byId("stage").clientHeight !== extent[1]) layMap();
  }).observe(byId("stage"));
}

function fromAddress() {
  const entry = Number(location.hash.slice(1));
  const good = Number.isInteger(entry) && entry > 0 && entry < count && holds(entry);
  open(good ? entry : 0, -1, { remember: false });
}
