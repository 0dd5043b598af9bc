// The house style of a chart, and how one gets to its place on the page.
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

function styledFigure(options = {}) {
  const figure = Bokeh.Plotting.figure({ height: 230, sizing_mode: "stretch_width", tools: [], toolbar_location: null,
    outline_line_color: null, background_fill_color: null, border_fill_color: null, min_border_right: 12, ...options });
  for (const axis of [...figure.below, ...figure.left]) {
    axis.setv({ major_label_text_font: FONT, major_label_text_font_size: "11px", major_label_text_color: COLOURS.muted,
      axis_label_text_font: FONT, axis_label_text_font_size: "11px", axis_label_text_font_style: "normal",
      axis_label_text_color: COLOURS.muted, axis_line_color: COLOURS.muted, major_tick_line_color: COLOURS.muted,
      minor_tick_line_color: null });
  }
  for (const item of figure.center) {
    if (item instanceof Bokeh.Grid) item.grid_line_color = COLOURS.grid;
  }
  return figure;
}

function monthFigure(options = {}) {
  const figure = styledFigure({ x_axis_type: "datetime", ...options });
  for (const item of figure.center) {
    if (item instanceof Bokeh.Grid && item.dimension === 0) item.grid_line_color = null;
  }
  return figure;
}

function hover(figure, renderer, lines, mode = "vline") {
  const tooltips = lines.map(([label, field]) => [label, `@${field}`]);
  figure.add_tools(new Bokeh.HoverTool({ renderers: [renderer], tooltips, mode, attachment: "horizontal" }));
}

const fromZero = () => new Bokeh.DataRange1d({ start: 0 });

function today(figure) {
  const location = Date.parse(`${data.as_of}T00:00:00Z`);
  figure.add_layout(new Bokeh.Span({ location, dimension: "height", line_color: COLOURS.amber, line_dash: [3, 3] }));
}

const source = (columns) => new Bokeh.ColumnDataSource({ data: columns });

// Shown when it comes near the window: a page of many charts is ready at once.
function showNear(place, build) {
  const watch = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      watch.disconnect();
      show(place, build());
    }
  }, { rootMargin: "400px" });
  watch.observe(place);
}

function show(place, figure) {
  place.replaceChildren();
  return Bokeh.Plotting.show(figure, place);
}

// Bars to both sides of zero, the first on top. Bars of different steps stand in groups, each under the name of its step.
function bars(names, series, unit, height = undefined, groups = []) {
  const kinds = [...new Set(groups)];
  const order = kinds.length > 1 ? kinds.flatMap((kind) => [`${kind}:`, ...names.filter((_, k) => groups[k] === kind)]) : names;
  const range = new Bokeh.FactorRange({ factors: [...order].reverse() });
  const figure = styledFigure({ height: height ?? 60 + 26 * order.length, y_range: range });
  for (const axis of figure.left) axis.setv({ major_tick_line_color: null, axis_line_color: null, major_label_text_color: COLOURS.ink });
  for (const axis of figure.below) {
    axis.ticker.desired_num_ticks = 5;
    axis.axis_label = unit === "%" ? unit : `${unit} (k thousand, m million)`;
    axis.formatter = new Bokeh.NumeralTickFormatter({ format: unit === "%" ? "0" : "0.[0]a" });
  }
  for (const { values, label, colour, alpha } of series) {
    const rows = source({ name: names, value: values, shown: values.map((v) => `${number(v, Math.max(...values.map(Math.abs)) < 100 ? 1 : 0)} ${unit}`) });
    const bar = figure.hbar({ source: rows, y: { field: "name" }, right: { field: "value" }, left: 0, height: 0.66,
      fill_color: colour ?? COLOURS.inner, line_color: null, fill_alpha: alpha ?? 1 });
    hover(figure, bar, [["", "name"], [label, "shown"]], "mouse");
  }
  figure.add_layout(new Bokeh.Span({ location: 0, dimension: "height", line_color: COLOURS.muted }));
  return figure;
}
