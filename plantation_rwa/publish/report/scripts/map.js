// The map: outlines and centres in one colour scale, hover for figures, click to choose.
const mapPlace = document.getElementById("map-place");
let mapFigure = null, mapShapes = null, mapDots = null;

function rings(polygons) {
  return polygons.map((polygon) => polygon.map((steps) => {
    const points = { x: [], y: [] };
    let x = 0, y = 0;
    for (let k = 0; k < steps.length; k += 2) {
      x += steps[k];
      y += steps[k + 1];
      points.x.push(x / data.map.per_degree);
      points.y.push(y / data.map.per_degree);
    }
    return points;
  }));
}

function coloursOf(mode) {
  const { classes, colours, none } = data.map.modes[mode];
  return classes.map((k) => (k === null ? none : colours[k]));
}

function tooltips() {
  return data.plantations.map((p) => ({ name: p.id, worth: p.fair === null ? (p.rights.length > 1 ? "in several currencies, or none" : "no value") : `${number(p.fair)} ${data.money || p.rights[0].currency}`,
    yields: p.yield12[0] === null ? "no forecast" : p.bare ? NO_PALMS : `${number(p.yield12[0], 1)} t/ha, 90 % ${number(p.yield12[1], 1)} to ${number(p.yield12[2], 1)}`,
    anomaly: p.anomaly === null ? "\u2013" : percent(p.anomaly), grade: p.grade || "\u2013" }));
}

function drawMap() {
  if (!mapPlace) return;
  const tips = tooltips();
  const on = data.map.lon.map((_, i) => i).filter((i) => data.map.lon[i] !== null);
  const lat = on.map((i) => data.map.lat[i]);
  const middle = ((Math.min(...lat) + Math.max(...lat)) / 2) * (Math.PI / 180);
  mapFigure = styledFigure({ height: 460, toolbar_location: "right", tools: "pan,wheel_zoom,box_zoom,reset", match_aspect: true, aspect_scale: 1 / Math.max(Math.cos(middle), 0.1),
    x_range: new Bokeh.Range1d({ start: 0, end: 1 }), y_range: new Bokeh.Range1d({ start: 0, end: 1 }), background_fill_color: "#f6f9f7" });
  mapFigure.toolbar.setv({ logo: null, active_drag: null, active_scroll: null });
  for (const axis of [...mapFigure.below, ...mapFigure.left]) axis.formatter = new Bokeh.NumeralTickFormatter({ format: "0.[0000]" });
  const columns = (indices) => ({ index: indices, ...Object.fromEntries(["name", "worth", "yields", "anomaly", "grade"].map((k) => [k, indices.map((i) => tips[i][k])])) });
  const shaped = on.filter((i) => data.map.outlines[i].length);
  const outlines = shaped.map((i) => rings(data.map.outlines[i]));
  mapShapes = source({ ...columns(shaped), xs: outlines.map((o) => o.map((p) => p.map((r) => r.x))), ys: outlines.map((o) => o.map((p) => p.map((r) => r.y))), colour: shaped.map(() => COLOURS.clear), edge: shaped.map(() => 0.8) });
  mapDots = source({ ...columns(on), x: on.map((i) => data.map.lon[i]), y: lat, colour: on.map(() => COLOURS.clear), edge: on.map(() => 0.8) });
  const style = { fill_color: { field: "colour" }, line_color: COLOURS.ink, line_width: { field: "edge" } };
  // a chosen one is marked by its edge: the library's own paling of all others would hide the colours
  const still = { nonselection_fill_alpha: 1, nonselection_line_alpha: 1 };
  const areas = mapFigure.multi_polygons({ field: "xs" }, { field: "ys" }, { source: mapShapes, ...style, ...still });
  const dots = mapFigure.scatter({ field: "x" }, { field: "y" }, { source: mapDots, size: 8, ...style, ...still });
  const lines = [["", "@name"], ["fair value", "@worth"], ["next 12 months", "@yields"], ["against the region", "@anomaly"], ["grade", "@grade"]];
  mapFigure.add_tools(new Bokeh.HoverTool({ renderers: [dots, areas], tooltips: lines }), new Bokeh.TapTool({ renderers: [dots, areas] }));
  for (const rows of [mapShapes, mapDots]) {
    rows.selected.properties.indices.change.connect(() => {
      const [first] = rows.selected.indices;
      if (first !== undefined) {
        choose(rows.data.index[first]);
        rows.selected.indices = [];
      }
    });
  }
  colourMap();
  areaButtons();
  show(mapPlace, mapFigure);
}

function colourMap() {
  const mode = document.querySelector('input[name="mode"]:checked').value;
  const all = coloursOf(mode);
  for (const rows of [mapShapes, mapDots]) rows.data = { ...rows.data, colour: rows.data.index.map((i) => all[i]) };
  const { title, labels, colours, none, classes } = data.map.modes[mode];
  const entries = labels.map((label, k) => [label, colours[k]]);
  if (classes.includes(null)) entries.push([mode === "value" ? "no value" : "not known", none]);
  const key = document.getElementById("map-key");
  key.replaceChildren(make("b", {}, `${title}: `), ...entries.map(([label, colour]) => {
    const swatch = make("i", {});
    swatch.style.background = colour;
    return make("span", { class: "key" }, swatch, label);
  }));
}

function markOnMap(i) {
  for (const rows of [mapShapes, mapDots]) {
    if (rows !== null) rows.data = { ...rows.data, edge: rows.data.index.map((k) => (k === i ? 3.2 : 0.8)) };
  }
}

function lookAt([west, south, east, north]) {
  const least = 0.01;
  const wide = Math.max(east - west, least), tall = Math.max(north - south, least);
  const x = (west + east) / 2, y = (south + north) / 2;
  const shape = Math.max(mapPlace.clientWidth - 90, 200) / 410;
  const half = Math.max(wide / shape, tall) * 0.6;
  mapFigure.x_range.setv({ start: x - half * shape, end: x + half * shape, reset_start: x - half * shape, reset_end: x + half * shape });
  mapFigure.y_range.setv({ start: y - half, end: y + half, reset_start: y - half, reset_end: y + half });
}

function areaButtons() {
  const boxes = data.map.areas.map((a) => a.box);
  const pick = (k, f) => f(...boxes.map((b) => b[k]));
  const whole = [pick(0, Math.min), pick(1, Math.min), pick(2, Math.max), pick(3, Math.max)];
  const place = document.getElementById("areas");
  const looks = boxes.length > 1 ? [["all", whole], ...data.map.areas.map((a, k) => [`area ${k + 1} (${a.count})`, a.box])] : [];
  place.replaceChildren(...looks.map(([words, box]) => {
    const button = make("button", { type: "button" }, words);
    button.addEventListener("click", () => lookAt(box));
    return button;
  }));
  lookAt(whole);
}
