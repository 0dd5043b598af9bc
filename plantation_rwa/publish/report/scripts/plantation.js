// The chosen plantation: its facts, its charts.
const places = Object.fromEntries([...document.querySelectorAll(".one [data-chart]")].map((e) => [e.dataset.chart, e]));
let chosen = -1;

function fan(i) {
  const past = seriesOf("history", i);
  const harvested = known(past, ["yield"]);
  const ahead = known(seriesOf("forecast", i), ["q05", "q50", "q95"]);
  if (!harvested.month.length && !ahead.month.length) return null;
  const figure = monthFigure({ height: 260, y_range: fromZero() });
  const x = ahead.month.map(monthTime);
  const rows = source({ ...ahead, x, when: ahead.month.map(monthText), middle: ahead.q50.map((v) => `${number(v, 2)} t/ha`),
    near: ahead.q10.map((v, k) => `${number(v, 2)} to ${number(ahead.q90[k], 2)} t/ha`),
    range: ahead.q05.map((v, k) => `${number(v, 2)} to ${number(ahead.q95[k], 2)} t/ha`) });
  figure.varea({ field: "x" }, { field: "q05" }, { field: "q95" }, { source: rows, fill_color: COLOURS.outer });
  figure.varea({ field: "x" }, { field: "q10" }, { field: "q90" }, { source: rows, fill_color: COLOURS.middle });
  figure.varea({ field: "x" }, { field: "q25" }, { field: "q75" }, { source: rows, fill_color: COLOURS.inner });
  const median = figure.line({ field: "x" }, { field: "q50" }, { source: rows, line_color: COLOURS.green, line_width: 2 });
  hover(figure, median, [["", "when"], ["median", "middle"], ["80 %", "near"], ["90 %", "range"]]);
  const told = source({ x: past.month.map(monthTime), y: past.yield });
  figure.line({ field: "x" }, { field: "y" }, { source: told, line_color: COLOURS.ink });
  const dots = figure.scatter({ field: "x" }, { field: "y" }, { source: source({ x: harvested.month.map(monthTime), y: harvested.yield,
    when: harvested.month.map(monthText), text: harvested.yield.map((v) => `${number(v, 2)} t/ha`) }), size: 4, fill_color: COLOURS.ink, line_color: null });
  hover(figure, dots, [["", "when"], ["harvested", "text"]], "mouse");
  today(figure);
  return figure;
}

function indices(i) {
  const table = seriesOf("features", i);
  if (!known(table, ["ndvi"]).month.length && !known(table, ["ndmi"]).month.length) return null;
  const figure = monthFigure({ height: 230 });
  const lines = [];
  for (const [column, label, colour] of [["ndvi", "NDVI", COLOURS.green], ["ndmi", "NDMI", COLOURS.blue]]) {
    const points = known(table, [column]);
    const line = figure.line({ field: "x" }, { field: "y" }, { source: source({ x: table.month.map(monthTime), y: table[column] }), line_color: colour });
    lines.push([label, line]);
    const dots = figure.scatter({ field: "x" }, { field: "y" }, { source: source({ x: points.month.map(monthTime), y: points[column],
      when: points.month.map(monthText), text: points[column].map((v) => number(v, 3)), seen: points.seen.map((v) => percent(v)) }),
      size: 4, fill_color: colour, line_color: null });
    hover(figure, dots, [["", "when"], [label, "text"], ["area seen", "seen"]], "mouse");
  }
  legendAbove(figure, lines);
  return figure;
}

function clear(i) {
  const table = known(seriesOf("features", i), ["n_clear"]);
  if (!table.month.length) return null;
  const figure = monthFigure({ height: 150, y_range: fromZero() });
  const rows = source({ x: table.month.map(monthTime), y: table.n_clear, when: table.month.map(monthText),
    text: table.n_clear.map((v) => number(v, 1)), seen: table.seen.map((v) => percent(v)) });
  const bar = figure.vbar({ source: rows, x: { field: "x" }, top: { field: "y" }, bottom: 0, width: 20 * 86400e3, fill_color: COLOURS.clear, line_color: null });
  hover(figure, bar, [["", "when"], ["clear views", "text"], ["area seen", "seen"]], "mouse");
  return figure;
}

function water(i) {
  const table = seriesOf("features", i);
  const rain = known(table, ["rain"]);
  const dry = known(table, ["deficit"]);
  if (!rain.month.length && !dry.month.length) return null;
  const figure = monthFigure({ height: 150, y_range: fromZero() });
  const bar = figure.vbar({ x: { field: "x" }, source: source({ x: rain.month.map(monthTime), y: rain.rain, when: rain.month.map(monthText),
    text: rain.rain.map((v) => `${number(v)} mm`) }), top: { field: "y" }, bottom: 0, width: 20 * 86400e3, fill_color: COLOURS.rain, line_color: null });
  hover(figure, bar, [["", "when"], ["rain", "text"]], "mouse");
  const line = figure.line({ field: "x" }, { field: "y" }, { source: source({ x: dry.month.map(monthTime), y: dry.deficit, when: dry.month.map(monthText),
    text: dry.deficit.map((v) => `${number(v)} mm`) }), line_color: COLOURS.loss, line_width: 2 });
  hover(figure, line, [["", "when"], ["deficit", "text"]], "mouse");
  legendAbove(figure, [["rain", bar], ["water deficit", line]]);
  return figure;
}

function legendAbove(figure, entries) {
  const items = entries.map(([label, renderer]) => new Bokeh.LegendItem({ label, renderers: [renderer] }));
  figure.add_layout(new Bokeh.Legend({ items, orientation: "horizontal", label_text_font: FONT, label_text_font_size: "11px",
    label_text_color: COLOURS.muted, border_line_color: null, background_fill_color: null, padding: 0, margin: 2, glyph_width: 16 }), "above");
}

const largest = (i) => [...data.plantations[i].rights].sort((a, b) => (b.npv_fair ?? -Infinity) - (a.npv_fair ?? -Infinity))[0];

function drivers(i) {
  const right = largest(i);
  const rows = data.drivers.map(([words, change, step], k) => [words, right?.elasticity[k] * change * 100, step])
    .filter(([, v]) => Number.isFinite(v) && Math.abs(v) > 1e-7);
  if (!right || !rows.length) return null;
  rows.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  return bars(rows.map((r) => r[0]), [{ values: rows.map((r) => r[1]), label: right.id, colour: undefined }], "%", 290, rows.map((r) => r[2]));
}

function breaks(i) {
  const right = largest(i);
  if (!right?.npv_fair) return null;
  const rows = data.stress_names.map((words, k) => [words, right.stress[k]]).filter(([, v]) => v !== null).map(([words, v]) => [words, 100 * (v / right.npv_fair - 1)]);
  if (!rows.length) return null;
  rows.sort((a, b) => a[1] - b[1]);
  return bars(rows.map((r) => r[0]), [{ values: rows.map((r) => r[1]), label: right.id, colour: undefined }], "%", 250);
}

const CHARTS = { fan: [fan, "No forecast and no harvest."], index: [indices, "No satellite index in these months."], clear: [clear, "No satellite observation in these months."],
  water: [water, "No climate data in these months."], drivers: [drivers, "No value that a driver could move."], breaks: [breaks, "No value that could be stressed."] };

// Both intervals in one line, those that are known.
const levels = (low, high, least, most, decimals = 0) => [["80", low, high], ["90", least, most]].filter(([, from, to]) => from !== null && to !== null)
  .map(([level, from, to]) => `${level} %: ${number(from, decimals)} to ${number(to, decimals)}`).join("; ") || "no interval";

function facts(i) {
  const p = data.plantations[i];
  const list = [["mature area", `${number(p.area, 1)} ha`], ["next 12 months", p.yield12[0] === null ? "no forecast" : p.bare ? NO_PALMS
    : `${number(p.yield12[0], 1)} t/ha (${levels(p.yield12[3], p.yield12[4], p.yield12[1], p.yield12[2], 1)})`]];
  if (p.anomaly !== null) list.push(["against the region's usual", percent(p.anomaly, 0)]);
  const nodes = list.flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v)]);
  for (const r of p.rights) {
    const value = r.npv_fair === null ? "no value" : `${number(r.npv_fair)} ${r.currency} (real world, ${levels(r.npv_q10, r.npv_q90, r.npv_q05, r.npv_q95)})`;
    const link = make("a", { href: r.memo }, "memo");
    nodes.push(make("dt", {}, make("bdi", {}, r.id)), make("dd", {}, `${percent(r.share, 1)} for ${number(r.tenor)} months, ${value}, grade ${r.grade}; one unit ${r.npv_fair === null ? "not valued" : `${r.unit} ${r.currency}`}; `
      + `can be advanced ${percent(r.advance_rate)}; priced beyond the last contract ${percent(r.share_npv_extrapolated)}; land ${r.screen.replace("_", " ") || "not checked"}; `, link));
    if (r.flags) nodes.push(make("dt", {}, "remarks"), make("dd", {}, r.flags.split(";").join(", ")));
  }
  return nodes;
}

// Two squares of one scene, each with the outline and a scale bar over it; or why there are none.
const SVG = "http://www.w3.org/2000/svg";
function drawn(tag, attributes, ...content) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...content);
  return node;
}

function picture(chip, k, id) {
  const { length, words } = chip.bar;
  const right = 192, base = 190;
  const bar = (classes) => drawn("path", { class: classes, d: `M${right - length} ${base - 5}V${base}H${right}V${base - 5}` });
  const over = drawn("svg", { viewBox: "0 0 200 200", "aria-hidden": "true" }, drawn("path", { class: "outline", d: chip.outline }),
    bar("under"), bar("over"), drawn("text", { x: right - length / 2, y: base - 7, "text-anchor": "middle" }, words));
  const image = make("img", { src: chip.pictures[k], alt: `${chip.titles[k]} picture of ${id}, ${chip.told}`, width: "200", height: "200" });
  const frame = make("div", { class: "frame" }, image, over);
  if (data.simulated) frame.append(make("span", { class: "fake" }, "SIMULATED"));
  return make("figure", {}, frame, make("figcaption", {}, chip.titles[k]));
}

function images(i) {
  const chip = data.chips[i];
  if (chip.none) return [make("p", { class: "empty" }, chip.none)];
  const shown = chip.pictures.map((url, k) => (url ? picture(chip, k, data.plantations[i].id) : null)).filter((node) => node !== null);
  return [...shown, make("p", { class: "told" }, `${chip.told}. ${chip.why}`)];
}

function choose(i, scroll = false) {
  if (i === chosen || !places.fan) return;
  chosen = i;
  document.getElementById("one-name").replaceChildren(make("bdi", {}, data.plantations[i].id));
  document.getElementById("one-facts").replaceChildren(...facts(i));
  document.getElementById("one-chips").replaceChildren(...images(i));
  document.getElementById("chosen").value = String(i);
  for (const [name, [build, nothing]] of Object.entries(CHARTS)) {
    const note = places[name].parentElement.querySelector(".empty");
    const figure = build(i);
    note.textContent = nothing;
    note.hidden = figure !== null;
    places[name].hidden = figure === null;
    if (figure === null) places[name].replaceChildren();
    else show(places[name], figure);
  }
  for (const row of document.querySelectorAll("#rights tbody tr")) {
    row.classList.toggle("chosen", row.querySelector(".pick").dataset.plantation === String(i));
  }
  markOnMap(i);
  if (scroll) document.getElementById("plantation").scrollIntoView({ behavior: "smooth" });
}

function skillNote() {
  if (!data.skill.length || !places.fan) return;
  const told = data.skill.filter(([h]) => [1, 3, 6, 12].includes(h)).map(([h, v, lo, hi]) => `${h} month${h === 1 ? "" : "s"} ${number(v, 2)} (${number(lo, 2)} to ${number(hi, 2)})`);
  places.fan.after(make("p", { class: "note" }, `Skill of the backtest by months ahead, with 90 % interval: ${told.join("; ")}. Zero is climatology.`));
}
