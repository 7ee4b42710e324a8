
// The page around the explorer: what the image is, its layers, and the lists below.

const latest = report.images[report.images.length - 1];

function showTitle() {
  const titles = report.images.map((image) => shown(image.name));
  byId("title").replaceChildren(...(two ? [titles[0], el("span", { class: "arrow" }, "\u2192"), titles[1]] : titles));
  byId("subtitle").textContent = report.images
    .map((image) => [image.id.replace("sha256:", "").slice(0, 12), image.platform, image.created.slice(0, 10)].filter(Boolean).map(shown).join(" \u00b7 "))
    .join("  \u2192  ");
}

function fact(name, value, note = "") {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null));
}

function showFacts() {
  const waste = fact("Wasted", size(latest.wasted), `${percent(latest.wasted, latest.size)} of the layers`);
  const score = fact("Efficiency", percent(report.score, 1));
  const shared = report.layers.filter((layer) => layer.images === 3).length;
  if (!two) {
    byId("facts").replaceChildren(
      fact("Layers", number(report.layers.length), size(latest.size)),
      fact("Files", size(weight[0]), many(Math.max(0, count - 1), "entry", "entries")),
      waste, score,
    );
    return;
  }
  const [old, now] = report.images;
  byId("facts").replaceChildren(
    fact("Size of the layers", size(now.size), `${signed(now.size - old.size)} from ${size(old.size)}`),
    ...[2, 3, 1].map((change) => {
      const of = changed().filter((entry) => column.change[entry] === change);
      const word = CHANGES[change];
      return fact(word[0].toUpperCase() + word.slice(1), number(of.length), size(of.reduce((sum, entry) => sum + (holds(entry) ? 0 : weight[entry]), 0)));
    }),
    fact("Layers", number(now.layers.length), `${shared} of them shared`),
    waste, score,
  );
}

let changedEntries = null;
function changed() {
  if (!changedEntries) {
    changedEntries = [];
    for (let entry = 0; entry < count; entry++) if (column.change[entry]) changedEntries.push(entry);
  }
  return changedEntries;
}

function showBars() {
  const most = Math.max(1, ...report.images.map((image) => image.size));
  byId("bars").replaceChildren(
    ...report.images.flatMap((image) => {
      const parts = image.layers.filter((layer) => report.layers[layer].size > 0);
      const segments = parts.map((layer) => {
        const share = report.layers[layer].size / most;
        const part = el("button", {
          class: share < 0.03 ? "segment thin" : "segment", tabindex: "-1", "data-layer": layer,
          title: `Layer ${layer + 1}: ${size(report.layers[layer].size)}\n${layerName(layer)}`, onclick: () => pickLayer(layer),
        }, share < 0.03 ? "" : layerName(layer));
        part.style.background = layerColour(layer);
        part.style.width = `${100 * share}%`;
        part.style.flexShrink = "1";
        return part;
      });
      const name = el("span", { class: "of quiet", title: shown(image.name) }, shown(image.name));
      return [...(two ? [name] : []), el("div", { class: "segments" }, ...segments)];
    }),
  );
  byId("bars").classList.toggle("two", two);
}

function layerRow(number_) {
  const layer = report.layers[number_];
  const where = two ? ["", "only in the first", "only in the second", "in both"][layer.images] : "";
  const done = [["added", layer.added], ["modified", layer.modified], ["deleted", layer.deleted]];
  const told = done.filter(([, many_]) => many_).map(([word, many_]) => `${number(many_)} ${word}`);
  if (layer.wasted) told.push(`${size(layer.wasted)} wasted`);
  const step = [shown(layer.comment), where, told.join(", ") || "no changes"].filter(Boolean).join(" \u00b7 ");
  return el("button", { class: "row layer", "data-layer": number_, "aria-pressed": "false", title: layerName(number_), onclick: () => pickLayer(number_) },
    swatch(layerColour(number_)), el("span", { class: "quiet number" }, String(number_ + 1)), el("span", { class: "mono" }, layerName(number_)),
    el("span", { class: "number" }, size(layer.size)), el("span", { class: "step", title: step }, step));
}

// One layer stands out, or again all.
function pickLayer(layer) {
  state.layer = state.layer === layer ? -1 : layer;
  byId("all-layers").hidden = state.layer < 0;
  for (const row of document.querySelectorAll("[data-layer]")) {
    const mine = Number(row.dataset.layer) === state.layer;
    if (row.classList.contains("layer")) row.setAttribute("aria-pressed", String(mine));
    else row.classList.toggle("dim", state.layer >= 0 && !mine);
  }
  chooseLit();
  drawMap();
}

function showLayers() {
  fillList(byId("layers"), report.layers.length, layerRow, { empty: "The image has no layers.", step: 1000 });
}

function showColours() {
  const choices = [["change", "Changes"], ["layer", "Layers"]];
  byId("colours").hidden = !two;
  byId("colours").replaceChildren(
    ...choices.map(([value, word]) =>
      el("button", { "aria-pressed": String(state.colours === value), onclick: () => {
        state.colours = value;
        showColours();
        showContents();
        drawMap();
      } }, word)),
  );
}

// ">" before a word stands for a column of numbers; a class may follow it, behind a dot.
function heading(kind_, ...words) {
  const cell = (word) => {
    const [, right, text, more] = word.match(/^(>?)([^.]*)\.?(.*)$/);
    return el("span", { class: `${right && "number"} ${more}` }, text);
  };
  return el("div", { class: `row head ${kind_}` }, ...words.map(cell));
}

function layerCell(layer) {
  return el("span", {}, swatch(layerColour(layer)), ` ${layer + 1}`);
}

function pathCell(text) {
  return el("span", { class: "mono", title: text }, text);
}

function largestFiles(host) {
  const entries = [];
  for (let entry = 0; entry < count; entry++) {
    if (kind(entry) === 0 && !holds(entry) && weight[entry] && (!two || column.change[entry] !== 3)) entries.push(entry);
  }
  byWeight(entries);
  const row = (at) => el("button", { class: "row large", onclick: () => reveal(entries[at]) },
    swatch(layerColour(column.layer[entries[at]])), el("span", { class: "number" }, size(weight[entries[at]])), pathCell(path(entries[at])),
    el("span", { class: "number quiet" }, percent(weight[entries[at]], weight[0])));
  fillList(host, entries.length, row, { heading: heading("large", "", ">Size", "Path", ">Share"), empty: "No file has any bytes." });
}

function largestFolders(host) {
  const own = new Float64Array(count);
  const entries = [];
  for (let entry = 1; entry < count; entry++) {
    if (holds(entry)) entries.push(entry);
    else own[column.parent[entry]] += weight[entry];
  }
  byWeight(entries);
  const row = (at) => el("button", { class: "row folder", onclick: () => reveal(entries[at]) },
    el("span", { class: "number" }, size(weight[entries[at]])), el("span", { class: "number quiet" }, size(own[entries[at]])),
    el("span", { class: "number quiet items" }, number(end[entries[at]] - entries[at] - 1)), pathCell(path(entries[at])));
  fillList(host, entries.length, row, { heading: heading("folder", ">Size", ">Its own files", ">Entries.items", "Path"), empty: "There are no folders." });
}

function wasted(host) {
  const paths = texts(column.hidden_paths);
  const order = [...paths.keys()].sort((a, b) => column.hidden_size[b] - column.hidden_size[a] || a - b);
  const bytes = (at) => (column.hidden_size[at] < 0 ? "hard link" : size(column.hidden_size[at]));
  const row = (at) => el("button", { class: "row waste", onclick: () => reveal(nearest(paths[order[at]])) },
    el("span", { class: "number" }, bytes(order[at])), layerCell(column.hidden_layer[order[at]]),
    layerCell(column.hidden_by[order[at]]), pathCell(paths[order[at]]));
  fillList(host, order.length, row, { heading: heading("waste", ">Size", "In layer", "Hidden by", "Path"), empty: "No later layer hides what an earlier one carries." });
}

function differences(host) {
  const entries = [...changed()].sort((a, b) => Math.abs(difference(b)) * !holds(b) - Math.abs(difference(a)) * !holds(a) || a - b);
  const row = (at) => {
    const entry = entries[at];
    const word = CHANGES[column.change[entry]];
    const folder = holds(entry);
    return el("button", { class: "row change", onclick: () => reveal(entry) },
      el("span", { class: word }, word), el("span", { class: "number quiet" }, word === "added" || folder ? "" : size(column.old_size[entry])),
      el("span", { class: "number" }, word === "removed" || folder ? "" : size(column.size[entry])), el("span", { class: "quiet aspects" }, aspectsOf(column.aspects[entry])),
      pathCell(path(entry) + (folder && entry ? "/" : "")));
  };
  fillList(host, entries.length, row, { heading: heading("change", "Change", ">Before", ">After", "What.aspects", "Path"), empty: "The files of both are the same." });
}

function packages(host) {
  const { packages: rows, unread } = report.differences;
  const row = (at) => {
    const [word, type, name, old, now] = rows[at];
    return el("div", { class: "row package" }, el("span", { class: word }, word), el("span", { class: "quiet" }, type),
      ...[name, old, now].map((text) => el("span", { class: "mono" }, shown(text))));
  };
  fillList(host, rows.length, row, { heading: heading("package", "Change", "Type", "Package", "Before", "After"), empty: "The packages of both are the same." });
  if (unread.length) host.append(el("p", { class: "group" }, "Not read"), ...unread.map((file) => valueRow(...file)));
}

function valueRow(name, ...values) {
  return el("div", { class: `row value ${values.length > 1 ? "two" : ""}` }, el("span", { class: "quiet" }, shown(name)),
    ...values.map((value) => el("span", { class: "mono" }, value === null ? "\u2013" : shown(value))));
}

function settings(host) {
  host.replaceChildren();
  if (two) {
    const { config, old_history, new_history } = report.differences;
    host.append(el("p", { class: "group" }, "Config: what differs"));
    host.append(...config.map((row) => valueRow(...row)), config.length ? "" : el("p", { class: "empty" }, "Nothing."));
    for (const [word, steps] of [["removed", old_history], ["added", new_history]]) {
      if (steps.length) host.append(el("p", { class: "group" }, `History: steps ${word}`), ...steps.map((step) => valueRow(word, step)));
    }
    return;
  }
  host.append(el("p", { class: "group" }, "Config"), ...latest.config.map((row) => valueRow(...row)));
  host.append(el("p", { class: "group" }, "History, newest first"));
  host.append(...latest.history.map(([created, step, bytes]) => valueRow(`${created.slice(0, 10)}  ${size(bytes)}`, step || "(no instruction is known)")));
  if (!latest.history.length) host.append(el("p", { class: "empty" }, "The image does not say how it was made."));
}

const TABS = [
  ...(two ? [["Differences", differences, () => changed().length], ["Packages", packages, () => report.differences.packages.length]] : []),
  ["Largest files", largestFiles, null],
  ["Largest folders", largestFolders, null],
  ["Wasted", wasted, () => column.hidden_size.length],
  ["Config and history", settings, null],
];

function showTab(at) {
  [...byId("tabs").children].forEach((tab, number_) => {
    tab.setAttribute("aria-selected", String(number_ === at));
    tab.tabIndex = number_ === at ? 0 : -1;
  });
  byId("list").setAttribute("aria-labelledby", `tab-${at}`);
  TABS[at][1](byId("list"));
}

function showTabs() {
  byId("tabs").replaceChildren(...TABS.map(([word, , total], at) =>
    el("button", { role: "tab", id: `tab-${at}`, "aria-controls": "list", onclick: () => showTab(at) }, word, total ? el("span", { class: "quiet" }, ` ${number(total())}`) : null)));
  byId("tabs").addEventListener("keydown", (event) => {
    const tabs = [...byId("tabs").children];
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = (tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length;
    showTab(next);
    tabs[next].focus();
  });
  showTab(0);
}

function showAll() {
  showTitle();
  showFacts();
  showBars();
  showLayers();
  showColours();
}

showAll();
walkRows(byId("layers"));
walkRows(byId("list"));
byId("all-layers").addEventListener("click", () => pickLayer(state.layer));
startExplorer();
startSearch();
fromAddress();
showTabs();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  style = styles();
  const layer = state.layer;
  state.layer = -1;
  showAll();
  showContents();
  showDetail();
  if (layer >= 0) pickLayer(layer);
  else drawMap();
  showTab([...byId("tabs").children].findIndex((tab) => tab.tabIndex === 0));
});
byId("main").setAttribute("aria-busy", "false");
performance.mark("ready");
