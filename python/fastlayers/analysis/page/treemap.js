
// The treemap: where every entry goes (squarified), and how it is drawn.

const HEADER = 17;
const SMALLEST = 5; // square pixels: what is smaller is drawn together

// Cells in the order in which they are drawn, a directory before what is in it. `entry` of what
// was too small to be told apart is its directory, and `rest` is set.
function layOut(root, width, height) {
  const cells = [];
  place(cells, root, 0, 0, 0, width, height);
  return cells;
}

function place(cells, entry, depth, x, y, width, height) {
  const entries = byWeight([...children(entry)].filter((at) => weight[at] > 0));
  let left = entries.reduce((sum, at) => sum + weight[at], 0);
  let at = 0;
  while (at < entries.length && width > 0 && height > 0) {
    const scale = (width * height) / left;
    if (weight[entries[at]] * scale < SMALLEST) {
      cells.push({ entry, x, y, width, height, rest: entries.length - at, first: entries[at] });
      return;
    }
    const short = Math.min(width, height);
    let taken = 0;
    let until = at;
    let worst = Infinity;
    while (until < entries.length) {
      const sum = taken + weight[entries[until]];
      const side = (sum * scale) / short;
      const widest = (weight[entries[at]] * scale) / side;
      const thinnest = (weight[entries[until]] * scale) / side;
      const ratio = Math.max(widest / side, side / thinnest);
      if (ratio > worst) break;
      worst = ratio;
      taken = sum;
      until++;
    }
    const side = (taken * scale) / short;
    let along = 0;
    for (; at < until; at++) {
      const length = (weight[entries[at]] * scale) / side;
      if (width >= height) cell(cells, entries[at], depth, x, y + along, side, length);
      else cell(cells, entries[at], depth, x + along, y, length, side);
      along += length;
    }
    if (width >= height) [x, width] = [x + side, width - side];
    else [y, height] = [y + side, height - side];
    left -= taken;
  }
}

function cell(cells, entry, depth, x, y, width, height) {
  const open = holds(entry) && width >= 22 && height >= 22;
  const titled = open && width >= 48 && height >= 48;
  const chain = open ? onlyFolders(entry) : [entry];
  entry = chain.at(-1);
  cells.push({ entry, depth, x, y, width, height, open, title: titled ? chain.map((at) => names[at]).join("/") : "", rest: 0 });
  if (open) place(cells, entry, depth + 1, x + 2, y + (titled ? HEADER : 2), width - 4, height - (titled ? HEADER + 2 : 4));
}

// A folder, and those in it as long as all of its bytes are in one folder: they share a frame.
function onlyFolders(entry) {
  const found = [entry];
  for (;;) {
    const inside = [...children(found.at(-1))].filter((at) => weight[at] > 0);
    if (inside.length !== 1 || !holds(inside[0])) return found;
    found.push(inside[0]);
  }
}

function cellAt(cells, x, y) {
  for (let at = cells.length - 1; at >= 0; at--) {
    const c = cells[at];
    if (x >= c.x && y >= c.y && x < c.x + c.width && y < c.y + c.height) return c;
  }
  return null;
}

function fitted(context, text, width) {
  const whole = context.measureText(text).width;
  if (whole <= width) return text;
  const keep = Math.floor((text.length * width) / whole) - 1;
  return keep >= 3 ? Array.from(text).slice(0, keep).join("") + "\u2026" : "";
}

function prepared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// `colour(cell)` and `lit(cell)` say how a cell looks, and whether it is not faded.
function draw(canvas, cells, width, height, { colour, lit, styles }) {
  const context = prepared(canvas, width, height);
  context.textBaseline = "middle";
  for (const c of cells) {
    if (c.open) {
      context.fillStyle = styles.frames[c.depth % 2];
      context.fillRect(c.x + 0.5, c.y + 0.5, c.width - 1, c.height - 1);
      if (c.title) {
        context.font = `${c.depth ? 400 : 600} 11px ${styles.text}`;
        context.fillStyle = styles.ink;
        const text = fitted(context, c.title, c.width - 10);
        context.fillText(text, c.x + 5, c.y + HEADER / 2 + 1);
      }
      continue;
    }
    const gap = c.width > 5 && c.height > 5 ? 0.5 : 0;
    const [x, y, w, h] = [c.x + gap, c.y + gap, c.width - 2 * gap, c.height - 2 * gap];
    context.fillStyle = colour(c);
    context.fillRect(x, y, w, h);
    if (!lit(c)) {
      context.fillStyle = styles.veil;
      context.fillRect(x, y, w, h);
    } else if (w > 34 && h > 15 && !c.rest) {
      context.font = `11px ${styles.text}`;
      context.fillStyle = styles.cellInk;
      const top = h > 34 ? y + 10 : y + h / 2;
      context.fillText(fitted(context, names[c.entry], w - 10), x + 5, top);
      if (h > 34) {
        context.globalAlpha = 0.72;
        context.fillText(fitted(context, size(weight[c.entry]), w - 10), x + 5, top + 14);
        context.globalAlpha = 1;
      }
    }
  }
}

// The outline of a chosen cell and of the one under the pointer.
function outline(canvas, width, height, marks) {
  const context = prepared(canvas, width, height);
  for (const [c, style, thick] of marks) {
    if (!c) continue;
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.strokeRect(c.x + thick / 2, c.y + thick / 2, Math.max(1, c.width - thick), Math.max(1, c.height - thick));
  }
}

// The nearest cell in a direction, among those that hold no others.
function neighbour(cells, from, dx, dy) {
  const middle = (c) => [c.x + c.width / 2, c.y + c.height / 2];
  const [x, y] = middle(from);
  let best = null;
  let least = Infinity;
  for (const c of cells) {
    if (c.open || c === from) continue;
    const [cx, cy] = middle(c);
    const ahead = (cx - x) * dx + (cy - y) * dy;
    const aside = Math.abs((cx - x) * dy) + Math.abs((cy - y) * dx);
    const distance = ahead + 2 * aside;
    if (ahead > 0.5 && distance < least) [best, least] = [c, distance];
  }
  return best;
}
