// Charts of the whole portfolio; each place names its chart and which of several it is.
function bridge(k) {
  const { opening, closing, steps, currency } = data.bridge[k];
  const names = ["last date", ...steps.map((s) => s.name), "today"];
  let level = opening;
  const low = [Math.min(0, opening)], high = [Math.max(0, opening)], colour = [COLOURS.clear], text = [`${number(opening)} ${currency}`];
  for (const { value } of steps) {
    low.push(Math.min(level, level + value));
    high.push(Math.max(level, level + value));
    level += value;
    colour.push(value < 0 ? COLOURS.loss : COLOURS.gain);
    text.push(`${value > 0 ? "+" : ""}${number(value)} ${currency}`);
  }
  low.push(Math.min(0, closing));
  high.push(Math.max(0, closing));
  colour.push(COLOURS.clear);
  text.push(`${number(closing)} ${currency}`);
  const inner = [...low.slice(1, -1), ...high.slice(1, -1)];
  const from = Math.min(...inner, opening, closing), to = Math.max(...inner, opening, closing);
  const room = (to - from || Math.abs(to) || 1) * 0.35;
  const range = new Bokeh.FactorRange({ factors: [...names].reverse() });
  const figure = styledFigure({ height: 60 + 24 * names.length, y_range: range, x_range: new Bokeh.Range1d({ start: from - room, end: to + room / 3 }) });
  for (const axis of figure.left) axis.setv({ major_tick_line_color: null, axis_line_color: null, major_label_text_color: COLOURS.ink });
  for (const axis of figure.below) axis.setv({ axis_label: `${currency}, axis cut`, formatter: new Bokeh.NumeralTickFormatter({ format: "0.[000]a" }) });
  const rows = source({ names, low, high, colour, text });
  const bar = figure.hbar({ source: rows, y: { field: "names" }, left: { field: "low" }, right: { field: "high" }, height: 0.66, fill_color: { field: "colour" }, line_color: null });
  hover(figure, bar, [["", "names"], ["", "text"]], "mouse");
  return figure;
}

function curve(k) {
  const c = data.curve[k];
  const figure = monthFigure({ height: 280 });
  const x = c.month.map((m) => monthTime(monthOrdinal(m)));
  const spread = c.month.map((_, i) => i).filter((i) => c.q05[i] !== null);
  const pick = (list) => spread.map((i) => list[i]);
  const band = source({ x: pick(x), q05: pick(c.q05), q10: pick(c.q10), q90: pick(c.q90), q95: pick(c.q95) });
  figure.varea({ field: "x" }, { field: "q05" }, { field: "q95" }, { source: band, fill_color: COLOURS.outer });
  figure.varea({ field: "x" }, { field: "q10" }, { field: "q90" }, { source: band, fill_color: COLOURS.inner });
  figure.line(x, c.forward.map((v) => v ?? NaN), { line_color: COLOURS.ink, line_dash: [4, 3] });
  for (const [kind, fill, size] of [["extrapolated", null, 0], ["interpolated", "#ffffff", 6], ["settlement", COLOURS.ink, 5]]) {
    const own = c.month.map((_, i) => i).filter((i) => c.source[i] === kind);
    const rows = source({ x: own.map((i) => x[i]), y: own.map((i) => c.forward[i]), when: own.map((i) => c.month[i]), kind: own.map(() => kind),
      text: own.map((i) => `${number(c.forward[i])} ${c.currency}/t`), near: own.map((i) => `${number(c.q10[i])} to ${number(c.q90[i])}`), range: own.map((i) => `${number(c.q05[i])} to ${number(c.q95[i])}`) });
    const dots = figure.scatter({ field: "x" }, { field: "y" }, { source: rows, size: size || 7, fill_color: fill, fill_alpha: size ? 1 : 0, line_color: COLOURS.ink, line_alpha: size ? 1 : 0 });
    hover(figure, dots, [["", "when"], ["forward", "text"], ["80 %", "near"], ["90 %", "range"], ["source", "kind"]], "mouse");
  }
  for (const axis of figure.left) axis.formatter = new Bokeh.NumeralTickFormatter({ format: "0,0" });
  return figure;
}

function tornado(k) {
  const t = data.tornado[k];
  return bars(t.names, [{ values: t.down, label: "step down", colour: COLOURS.loss }, { values: t.up, label: "step up", colour: COLOURS.gain, alpha: 0.75 }], t.currency, undefined, t.steps);
}

function stressed(k) {
  const s = data.stresses[k];
  return bars(s.names, [{ values: s.change, label: "change", colour: COLOURS.loss }], s.currency);
}

function portfolioCharts() {
  const builders = { bridge, curve, tornado, stresses: stressed };
  for (const [name, build] of Object.entries(builders)) {
    for (const place of document.querySelectorAll(`[data-chart="${name}"]`)) showNear(place, () => build(Number(place.dataset.index)));
  }
}
