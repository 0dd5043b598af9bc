// The embedded tables: packed series unpacked when they are asked for, numbers as people read them.
const data = JSON.parse(document.getElementById("report-data").textContent);
const COLOURS = { ink: "#1c2b24", muted: "#5d6b64", grid: "#e6ebe8", green: "#1b7a4b", blue: "#2f6fb0", amber: "#b45309",
  outer: "#dcede3", middle: "#bcdcc9", inner: "#94c9aa", rain: "#a9c6e3", clear: "#b9c4be", loss: "#c0704a", gain: "#4f9a74" };
const MISSING = -32768;
const NO_PALMS = "none: no mature palms";

function unpack(pack) {
  if (pack.values === undefined) {
    const bytes = Uint8Array.from(atob(pack.b), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const scale = 10 ** pack.d;
    pack.values = Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
      const whole = view.getInt16(2 * i, true);
      return whole === MISSING ? NaN : whole / scale;
    });
  }
  return pack.values;
}

// One plantation's series of a table: month ordinals and one list per column.
function seriesOf(name, plantation) {
  const table = data[name];
  const from = plantation * table.count;
  const out = { month: Array.from({ length: table.count }, (_, i) => table.first + i) };
  for (const [key, pack] of Object.entries(table.columns)) {
    out[key] = Array.from(unpack(pack).subarray(from, from + table.count));
  }
  return out;
}

// The rows in which every one of the columns is known.
function known(table, columns) {
  const keep = table.month.map((_, i) => i).filter((i) => columns.every((c) => Number.isFinite(table[c][i])));
  return Object.fromEntries(Object.entries(table).map(([key, list]) => [key, keep.map((i) => list[i])]));
}

const monthTime = (ordinal) => Date.UTC(Math.floor(ordinal / 12), ordinal % 12, 15);
const monthText = (ordinal) => `${Math.floor(ordinal / 12)}-${String((ordinal % 12) + 1).padStart(2, "0")}`;
const monthOrdinal = (text) => 12 * Number(text.slice(0, 4)) + Number(text.slice(5, 7)) - 1;

function number(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return value < 0 && Number(text.replaceAll(",", "")) !== 0 ? `\u2212${text}` : text;
}
const percent = (share, decimals = 0) => (share === null || share === undefined ? "\u2013" : `${number(100 * share, decimals)} %`);

function make(tag, attributes = {}, ...content) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...content);
  return node;
}
