
// What the report is about: the document and the columns in the packed data, and what follows
// from them. Entries are in path order, a directory before what is in it; number 0 is the root.

const KINDS = ["file", "directory", "symlink", "character device", "block device", "fifo"];
const DIRECTORY = 1;
const SYMLINK = 2;
const SECOND_NAME = 16; // of a file whose bytes an earlier name of it counts
const CHANGES = ["same", "changed", "added", "removed"];
const ASPECTS = ["kind", "content", "mode", "owner", "time", "device", "target", "xattrs"];

async function unpacked(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// The buffer: the length of the document, the document, and the columns it tells of.
function opened(buffer) {
  const types = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f8: Float64Array };
  const length = new DataView(buffer).getUint32(0, true);
  const document = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  for (const [name, [type, offset, count]] of Object.entries(document.columns)) {
    columns[name] = new types[type](buffer, offset, count);
  }
  return [document, columns];
}

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character) {
  const code = character.codePointAt(0);
  if (NAMED[character]) return NAMED[character];
  if (code >= 0xdc80 && code <= 0xdcff) return "\\x" + (code & 0xff).toString(16); // no UTF-8
  const digits = code.toString(16);
  if (code < 0x100) return "\\x" + digits.padStart(2, "0");
  return code < 0x10000 ? "\\u" + digits.padStart(4, "0") : "\\U" + digits.padStart(8, "0");
}

// Names come from strangers: what is no letter to be seen is written as the command line does.
function shown(text) {
  if (!UNPRINTABLE.test(text)) return text;
  return Array.from(text, (c) => (UNPRINTABLE.test(c) ? escaped(c) : c)).join("");
}

// Text of bytes that may be no UTF-8; each byte that is not is a lone surrogate, as in Python.
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const length = sequence(bytes, at);
      const part = bytes.subarray(at, at + (length || 1));
      text += length ? decoded(part) : String.fromCharCode(0xdc00 + bytes[at]);
      at += part.length;
    }
    return text;
  }
}

// The length of the UTF-8 sequence at a place, 0 if there is none.
function sequence(bytes, at) {
  const first = bytes[at];
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (!length || at + length > bytes.length) return 0;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

// Texts that end with a zero byte each.
function texts(blob) {
  let whole;
  try {
    whole = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(blob);
  } catch {
    const found = [];
    for (let at = 0; at < blob.length; ) {
      const end = blob.indexOf(0, at);
      found.push(shown(decoded(blob.subarray(at, end))));
      at = end + 1;
    }
    return found;
  }
  const found = whole.split("\0");
  found.pop();
  return UNPRINTABLE.test(whole.replaceAll("\0", "")) ? found.map(shown) : found;
}

if (!window.DecompressionStream) {
  document.getElementById("main").textContent = "This browser is too old to unpack the report.";
}
const [report, column] = opened(await unpacked(document.getElementById("data").textContent));
document.getElementById("data").remove();
const two = report.images.length === 2;
const count = column.parent.length;
const names = texts(column.names);
const links = texts(column.links);

// One past the last entry below each, the bytes at and below it, and how many entries those are.
const end = new Int32Array(count);
const weight = new Float64Array(count);
for (let entry = count - 1; entry >= 0; entry--) {
  if (!(column.kind[entry] & SECOND_NAME)) weight[entry] += column.size[entry];
  end[entry] = Math.max(end[entry], entry + 1);
  const above = column.parent[entry];
  if (above >= 0) {
    weight[above] += weight[entry];
    end[above] = Math.max(end[above], end[entry]);
  }
}

function kind(entry) {
  return column.kind[entry] & 15;
}

function holds(entry) {
  return kind(entry) === DIRECTORY || end[entry] > entry + 1;
}

function* children(entry) {
  for (let at = entry + 1; at < end[entry]; at = end[at]) yield at;
}

function byWeight(entries) {
  return entries.sort((a, b) => weight[b] - weight[a] || a - b);
}

// From the root, which is not among them, to the entry.
function lineage(entry) {
  const found = [];
  for (let at = entry; at > 0; at = column.parent[at]) found.push(at);
  return found.reverse();
}

function path(entry) {
  return "/" + lineage(entry).map((at) => names[at]).join("/");
}

// The entry with a path, or what there is on the way to it.
function nearest(text) {
  let entry = 0;
  for (const name of text.split("/").slice(1)) {
    const next = [...children(entry)].find((at) => names[at] === name);
    if (next === undefined) break;
    entry = next;
  }
  return entry;
}

let lowerPaths = null;
// All paths in lower case, for the search.
function searchable() {
  if (lowerPaths) return lowerPaths;
  const found = new Array(count);
  found[0] = "";
  for (let entry = 1; entry < count; entry++) found[entry] = found[column.parent[entry]] + "/" + names[entry].toLowerCase();
  found[0] = "/";
  return (lowerPaths = found);
}

function linkTarget(entry) {
  let number = 0;
  for (let at = 0; at < entry; at++) number += kind(at) === SYMLINK;
  return links[number];
}
