
// Which colour stands for what, in light and in dark.

const HUES = [252, 152, 62, 322, 205, 25, 290, 108, 350, 178];
const CHANGE_HUES = [0, 75, 152, 25];

function styles() {
  const from = getComputedStyle(document.documentElement);
  const value = (name) => from.getPropertyValue(name).trim();
  return {
    frames: [value("--frame"), value("--inner-frame")], ink: value("--ink"), cellInk: value("--cell-ink"), veil: value("--veil"), accent: value("--accent"),
    text: value("--text"), lightness: Number(value("--cell-lightness")), chroma: Number(value("--cell-chroma")),
  };
}

let style = styles();

// The base is grey, as most of what there is to see is above it; then the hues come in turn, and
// when they are used up, a little darker.
function layerColour(layer) {
  if (layer === 0 && report.layers.length > 1) return neutral();
  const turn = layer - (report.layers.length > 1 ? 1 : 0);
  const shade = (Math.floor(turn / HUES.length) % 3) * 0.055;
  return `oklch(${style.lightness - shade} ${style.chroma} ${HUES[turn % HUES.length]})`;
}

function neutral() {
  return `oklch(${style.lightness - 0.02} ${style.chroma * 0.16} 260)`;
}

function changeColour(change) {
  return change ? `oklch(${style.lightness} ${style.chroma * 1.25} ${CHANGE_HUES[change]})` : neutral();
}

const known = { layer: new Int32Array(count).fill(-1), change: new Int32Array(count).fill(-1) };

// What most of the bytes at an entry and below it are of; of changes, if there is any.
function mostly(by, entry) {
  if (known[by][entry] >= 0) return known[by][entry];
  const of = column[by];
  const sums = new Map();
  for (let at = entry; at < end[entry]; at++) {
    if (holds(at) || (by === "change" && !of[at])) continue;
    sums.set(of[at], (sums.get(of[at]) ?? 0) + weight[at]);
  }
  let best = sums.size || by === "change" ? 0 : of[entry];
  let most = -1;
  for (const [value, sum] of sums) if (sum > most) [best, most] = [value, sum];
  return (known[by][entry] = best);
}

function swatch(colour) {
  const made = el("span", { class: "swatch" });
  made.style.background = colour;
  return made;
}
