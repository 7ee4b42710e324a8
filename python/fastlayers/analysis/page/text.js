
// Elements and words. Text goes into the page as text nodes only.

function el(tag, options = {}, ...parts) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") made.className = value;
    else if (name === "onclick") made.addEventListener("click", value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...parts.filter((part) => part !== null && part !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

// Powers of 1000 and three digits, as docker has them.
function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return (unit ? Number(value.toPrecision(3)) : value) + "\u00a0" + UNITS[unit];
}

function number(value) {
  return value.toLocaleString("en-US");
}

function many(value, one, several = one + "s") {
  return `${number(value)} ${value === 1 ? one : several}`;
}

function percent(part, whole) {
  const value = whole ? (100 * part) / whole : 0;
  if (value > 0 && value < 0.1) return "<0.1\u00a0%";
  return (value >= 99.95 || value === 0 ? Math.round(value) : value >= 10 ? value.toFixed(0) : value.toFixed(1)) + "\u00a0%";
}

function signed(bytes) {
  return (bytes > 0 ? "+" : bytes < 0 ? "\u2212" : "\u00b1") + size(Math.abs(bytes));
}

function time(seconds) {
  const moment = new Date(seconds * 1000);
  return Number.isNaN(moment.getTime()) ? `${seconds} s` : moment.toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

function modeText(entry) {
  const mode = column.mode[entry];
  let text = "-dlcbp"[kind(entry)];
  for (const [shift, special, letter] of [[6, 0o4000, "s"], [3, 0o2000, "s"], [0, 0o1000, "t"]]) {
    const bits = mode >> shift;
    text += (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-");
    text += mode & special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? "x" : "-";
  }
  return text;
}

function layerName(layer) {
  return shown(report.layers[layer].created_by.trim().replace(/\s+/g, " ")) || "(no instruction is known)";
}

function aspectsOf(bits) {
  return ASPECTS.filter((_, bit) => bits & (1 << bit)).join(", ");
}

// Rows that are buttons: the first ones, and more when asked for. Arrow keys walk them.
function fillList(host, total, row, { heading = null, empty = "Nothing.", step = 100 } = {}) {
  host.replaceChildren(...(heading && total ? [heading] : []));
  if (!total) host.append(el("p", { class: "empty" }, empty));
  const more = el("button", { class: "more" });
  let drawn = 0;
  const draw = () => {
    const rows = [];
    for (const until = Math.min(drawn + step, total); drawn < until; drawn++) rows.push(row(drawn));
    more.remove();
    host.append(...rows);
    if (drawn < total) {
      more.textContent = `Show ${number(Math.min(step, total - drawn))} more of ${number(total - drawn)}`;
      host.append(more);
    }
    return rows[0];
  };
  more.addEventListener("click", () => {
    draw()?.focus();
  });
  draw();
}

function walkRows(host) {
  host.addEventListener("keydown", (event) => {
    const forward = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!forward) return;
    const rows = [...host.querySelectorAll("button")];
    const next = rows[rows.indexOf(document.activeElement) + forward];
    if (next) {
      next.focus();
      event.preventDefault();
    }
  });
}
