// The page: charts by plotly, tables by DataTables. Texts of a journal are only ever set as text, or escaped for plotly.
"use strict";
const $ = (id) => document.getElementById(id);
async function unpacked(id) {
  const text = atob($(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
const address = async (id) => URL.createObjectURL(new Blob([await unpacked(id)], {type: "text/javascript"}));
const data = JSON.parse(await unpacked("data"));
const {default: DataTable} = await import(await address("tables"));
const [NUMBER, STATUS, WORDS, CHANGE, PARENTS, VALUES, TEXTS, RANGES] = [0, 1, 2, 3, 4, 6, 7, 8];
const {faint: FAINT, front: FRONT} = data.colours;
const DARK_SCALE = ["#2f6c8e", "#26828e", "#1f9e89", "#35b779", "#6dcd59", "#b4de2c", "#fde725"].map((colour, i) => [i / 6, colour]); // viridis without what the dark swallows

const MOST_DRAWN = 2000; // of the dominated: more of them take seconds to draw, and hide each other

let run, byNumber, frontSet, softSet, brushed = null, table = null, chosen = null, parallelRanges = new Map();

// --- elements ---------------------------------------------------------------------------------------------------
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const cut = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

const sideways = (name, ...children) => element("div", {class: "scroll", tabindex: 0, role: "group", "aria-label": name}, ...children);

function options(select, entries, value) {
  const before = value ?? select.value;
  select.replaceChildren(...entries.map(([key, text]) => element("option", {value: key}, text)));
  if (entries.some(([key]) => String(key) === String(before))) select.value = before;
}

function plainTable(head, rows, rowClass = () => null, target = element("table")) {
  const numeric = (i) => rows.length > 0 && rows.every((row) => !(row[i] instanceof Node) && /^[≤-]?[\d.,]*( ?[%a-zA-Zµ]{0,4})?( !|  ← peak)?( \[.*\])?$/.test(row[i] ?? ""));
  const classes = head.map((_, i) => (numeric(i) ? "number" : null));
  target.replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((text, i) => element("th", {scope: "col", class: classes[i]}, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {class: rowClass(row)},
      ...row.map((cell, i) => element("td", {class: classes[i]}, cell ?? ""))))),
  );
  return target;
}

const evenly = (members, most) => (members.length <= most ? members : Array.from({length: most}, (_, i) => members[Math.floor((i * members.length) / most)]));
const inRange = (value, [low, high]) => value >= Math.min(low, high) && value <= Math.max(low, high);
const counted = (number) => number.toLocaleString("en").replaceAll(",", " ");

// Plotly takes a second to start: texts and tables are there before it.
const plotly = new Promise((loaded) => setTimeout(async () => document.head.append(element("script", {src: await address("plotly"), onload: loaded})), 50));

// --- charts: drawn when they come into view, again when the theme changes ------------------------------------------
const charts = new Map();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, {rootMargin: "0px"});

function show(div, chart, then = null) {
  charts.set(div, {chart, then, due: true});
  seen.unobserve(div);
  seen.observe(div);
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["ink", "soft", "grid", "card", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const scale = () => (document.documentElement.classList.contains("dark") ? DARK_SCALE : "Viridis");

function themed(layout) {
  const colour = colours();
  const made = structuredClone(layout);
  const narrow = innerWidth < 640;
  const axis = (given) => ({automargin: true, gridcolor: colour.grid, zerolinecolor: colour.grid, linecolor: colour.line, ...given, title: {standoff: 8, ...(typeof given.title === "string" ? {text: given.title} : given.title)}});
  made.xaxis ??= {}; made.yaxis ??= {};
  for (const name of Object.keys(made)) if (/^[xy]axis\d*$/.test(name)) made[name] = axis(made[name]);
  for (const note of made.annotations ?? []) {
    if (made.meta?.boxes) Object.assign(note, {bgcolor: colour.card, bordercolor: colour.soft});
  }
  return {
    margin: {l: 10, r: 10, t: 10, b: 10}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0}, dragmode: narrow ? false : "zoom",
    hoverlabel: {bgcolor: colour.card, bordercolor: colour.soft, font: {color: colour.ink, size: 13}, align: "left"},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: colour.soft, activecolor: colour.ink},
    ...made, font: {family: "system-ui, sans-serif", size: narrow ? 11 : 13, color: colour.ink, ...made.font}, autosize: true,
  };
}

function draw(div) {
  const entry = charts.get(div);
  if (!entry?.due) return;
  entry.due = false;
  const {then} = entry;
  const chart = typeof entry.chart === "function" ? entry.chart() : entry.chart;
  div.style.height = chart.layout.height ? `${chart.layout.height}px` : "";
  if (chart.layout.meta?.min_width) div.style.minWidth = `${chart.layout.meta.min_width}px`;
  const config = {responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", scrollZoom: false};
  config.modeBarButtons = [[...(div === $("scatter") ? ["zoom2d", "pan2d", "select2d", "resetScale2d"] : []), "toImage"]];
  config.displayModeBar = innerWidth >= 640 && !chart.layout.meta?.boxes && div !== $("parallel");
  plotly.then(() => Plotly.react(div, structuredClone(chart.data), themed(chart.layout), config)).then(() => {
    document.documentElement.dataset.drawnMs ??= Math.round(performance.now());
    then?.(div);
  });
}

function redraw() {
  for (const [div, entry] of charts) {
    if (!div.isConnected) { charts.delete(div); continue; }
    entry.due = true;
    seen.unobserve(div);
    seen.observe(div);
  }
}

// --- theme ----------------------------------------------------------------------------------------------------------
const remembered = (() => { try { return localStorage.getItem("edgevolve-theme"); } catch { return null; } })();
const systemDark = matchMedia("(prefers-color-scheme: dark)");
function theme(dark, keep) {
  document.documentElement.classList.toggle("dark", dark);
  $("theme").setAttribute("aria-pressed", dark);
  if (keep) try { localStorage.setItem("edgevolve-theme", dark ? "dark" : "light"); } catch { /* a page from a file may not store */ }
  redraw();
}
theme(remembered ? remembered === "dark" : systemDark.matches, false);
systemDark.addEventListener("change", (event) => theme(event.matches, false));
$("theme").addEventListener("click", () => theme(!document.documentElement.classList.contains("dark"), true));

// --- the front --------------------------------------------------------------------------------------------------
const metricIndex = (id) => Number($(id).value);
const completed = () => run.rows.filter((row) => row[STATUS] === "completed");

function hover(row) {
  const star = row[NUMBER] === run.best ? " ★ best" : row[NUMBER] === run.knee ? " knee" : "";
  const figures = run.metrics.map((metric, i) => `${escaped(metric.title)} <b>${escaped(row[TEXTS][i])}</b>`);
  const words = cut(row[WORDS], 400).match(/.{1,60}(\s|$)|.{1,60}/gu) ?? [];
  return [`<b>#${row[NUMBER]}</b>${star}`, ...figures.slice(0, 12), ...words.map(escaped)].join("<br>");
}

function stairs(rows, x, y) {
  const sign = (m) => (run.metrics[m].aim === "maximise" || (!run.metrics[m].aim && run.metrics[m].better === "higher") ? -1 : 1);
  if (run.metrics[x].aim === "target" || run.metrics[y].aim === "target") return [];
  let best = Infinity;
  return rows.filter((row) => !run.broken.has(row[NUMBER]) && !softSet.has(row[NUMBER]))
    .sort((a, b) => sign(x) * (a[VALUES][x] - b[VALUES][x]) || sign(y) * (a[VALUES][y] - b[VALUES][y]))
    .filter((row) => sign(y) * row[VALUES][y] < best && ((best = sign(y) * row[VALUES][y]), true));
}

const scaled = (m) => (row) => row[VALUES][m] / run.metrics[m].divisor;
const isLogarithmic = (m, id) => $(id).checked && run.metrics[m].zero != null;
const isDominated = (row) => !frontSet.has(row[NUMBER]);
const someDominated = (rows) => (brushed ? [true, false].flatMap((is) => evenly(rows.filter((row) => isDominated(row) && brushed.has(row[NUMBER]) === is), MOST_DRAWN)) : evenly(rows.filter(isDominated), MOST_DRAWN));

function positions() {
  const [x, y] = [metricIndex("x"), metricIndex("y")];
  const rows = completed().filter((row) => [x, y].every((m) => row[VALUES][m] != null));
  const lowest = (m, id) => (isLogarithmic(m, id) ? run.metrics[m].zero : -Infinity);
  const [lowX, lowY] = [lowest(x, "log-x"), lowest(y, "log-y")];
  return {x, y, rows, atX: (row) => Math.max(scaled(x)(row), lowX), atY: (row) => Math.max(scaled(y)(row), lowY)};
}

function errorBars(members, m) {
  if (!members.some((row) => row[RANGES][m])) return {visible: false};
  const length = (end, sign) => members.map((row) => Math.max(0, sign * ((row[RANGES][m]?.[end] ?? row[VALUES][m]) - row[VALUES][m])) / run.metrics[m].divisor);
  return {type: "data", symmetric: false, array: length(1, 1), arrayminus: length(0, -1), color: colours().soft, thickness: 1, width: 3};
}

function scatterChart() {
  const {x, y, rows, atX, atY} = positions();
  const colour = metricIndex("colour");
  const size = $("size").value === "" ? null : metricIndex("size");
  const [logX, logY, faint] = [isLogarithmic(x, "log-x"), isLogarithmic(y, "log-y"), $("faint").checked];
  const sizes = size === null ? [] : rows.map((row) => row[VALUES][size] ?? 0);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const radius = (row, base) => (size === null ? base : base * (0.6 + 1.4 * (((row[VALUES][size] ?? least) - least) / (most - least || 1))));
  const points = (name, members, base, marker) => ({
    type: "scatter", mode: "markers", name, x: members.map(atX), y: members.map(atY),
    text: members.map(hover), customdata: members.map((row) => row[NUMBER]), hovertemplate: "%{text}<extra></extra>",
    selectedpoints: brushed ? members.flatMap((row, i) => (brushed.has(row[NUMBER]) ? [i] : [])) : null,
    unselected: {marker: {opacity: 0.06}},
    marker: {color: members.map((row) => (row[VALUES][colour] == null ? null : scaled(colour)(row))), coloraxis: "coloraxis", size: members.map((row) => radius(row, base)), ...marker},
  });
  const withBars = (trace, members) => ({...trace, error_x: errorBars(members, x), error_y: errorBars(members, y)});
  const traces = [];
  const {count, metrics: beyond} = run.rejected;
  const crosses = faint && beyond[x]?.some((v, i) => v != null && beyond[y][i] != null);
  if (crosses) {
    traces.push({type: "scatter", mode: "markers", name: "rejected", hoverinfo: "skip", marker: {color: FAINT, size: 4, symbol: "x-thin", line: {width: 1, color: FAINT}, opacity: 0.35},
      x: beyond[x].map((v) => (v == null ? null : v / run.metrics[x].divisor)), y: beyond[y].map((v) => (v == null ? null : v / run.metrics[y].divisor))});
  }
  const line = stairs(rows, x, y);
  traces.push({type: "scatter", mode: "lines", name: "front of the two", hoverinfo: "skip", x: line.map(atX), y: line.map(atY), line: {shape: "hv", color: FRONT, width: 1.5}});
  const dominated = someDominated(rows);
  if (faint) traces.push(points("dominated", dominated, 7, {opacity: 0.4}));
  const onFront = rows.filter((row) => !isDominated(row) && row[NUMBER] !== run.best);
  const others = [false, true].flatMap((soft) => onFront.filter((row) => softSet.has(row[NUMBER]) === soft)); // the legend shows the first
  const byBound = (ring, disc) => others.map((row) => (softSet.has(row[NUMBER]) ? ring : disc));
  traces.push(withBars(points("front", others, 12, {symbol: byBound("circle-open", "circle"), line: {width: byBound(2.5, 1.5), color: colours().ink}, opacity: 1}), others));
  const best = rows.filter((row) => row[NUMBER] === run.best);
  traces.push({...withBars(points("best", best, 20, {symbol: "star", color: FRONT, coloraxis: null, opacity: 1, line: {width: 1, color: colours().card}}), best), selectedpoints: null});
  const drawn = [...(faint ? [[dominated.length, rows.filter(isDominated).length, "dominated"]] : []), ...(crosses ? [[beyond[x].length, count, "rejected"]] : [])];
  $("drawn").textContent = drawn.filter(([some, all]) => some < all).map(([some, all, what]) => ` ${counted(some)} of ${counted(all)} ${what} candidates are drawn, evenly chosen.`).join("")
    + (rows.some((row) => row[RANGES][x] || row[RANGES][y]) ? " Bars are the intervals of predictions." : "");
  const bound = (m, across) => run.metrics[m].bounds.filter((b) => !(across ? logX : logY) || b.value > 0).map((b) => {
    const at = b.value / run.metrics[m].divisor;
    const place = across ? {x0: at, x1: at, y0: 0, y1: 1, yref: "paper"} : {y0: at, y1: at, x0: 0, x1: 1, xref: "paper"};
    return {type: "line", line: {color: FAINT, width: 1.5, dash: b.hard ? "solid" : "dash"}, ...place};
  });
  const axis = (m, log) => ({title: run.metrics[m].axis, ...(log ? run.metrics[m].log_axis : {type: "linear"})});
  const layout = {
    xaxis: axis(x, logX), yaxis: axis(y, logY),
    shapes: [...bound(x, true), ...bound(y, false)], hovermode: "closest", uirevision: [x, y, logX, logY].join(),
    coloraxis: {colorscale: scale(), colorbar: {title: {text: run.metrics[colour].axis, side: "right"}, thickness: 12, outlinewidth: 0}, showscale: innerWidth >= 640},
  };
  return {data: traces, layout};
}

function parallelChart() {
  const whole = completed().filter((row) => row[VALUES].every((v) => v != null));
  const rows = [...evenly(whole.filter(isDominated), MOST_DRAWN), ...whole.filter((row) => !isDominated(row))];
  const colour = metricIndex("y");
  const spread = (v) => (Math.min(...v) === Math.max(...v) ? [v[0] - 1, v[0] + 1] : [Math.min(...v), Math.max(...v)]);
  const dimensions = run.metrics.map((metric, i) => {
    const values = rows.map((row) => row[VALUES][i] / metric.divisor);
    return {label: metric.axis, values, range: rows.length ? spread(values) : [0, 1], constraintrange: parallelRanges.get(i)};
  });
  const ink = colours();
  return {
    data: [{type: "parcoords", dimensions, line: {color: rows.map((row) => row[VALUES][colour] / run.metrics[colour].divisor), colorscale: scale()}, unselected: {line: {color: FAINT, opacity: 0.08}}, labelfont: {color: ink.ink}, tickfont: {color: ink.ink}, rangefont: {color: ink.soft, size: 10}}],
    layout: {height: 330, margin: {l: 60, r: 60, t: 55, b: 25}, meta: {min_width: 130 * run.metrics.length}},
  };
}

function readBrush() {
  const div = $("parallel");
  parallelRanges = new Map();
  (div.data?.[0]?.dimensions ?? []).forEach((d, i) => { if (d.constraintrange?.length) parallelRanges.set(i, d.constraintrange); });
  const inside = (value, ranges) => (Array.isArray(ranges[0]) ? ranges : [ranges]).some((range) => inRange(value, range));
  const kept = completed().filter((row) => [...parallelRanges].every(([i, ranges]) => inside(row[VALUES][i] / run.metrics[i].divisor, ranges)));
  brush(parallelRanges.size ? kept.map((row) => row[NUMBER]) : null);
}

function brush(numbers) {
  brushed = numbers && new Set(numbers);
  if (brushed) $("shown").value = "all";
  $("brushed").hidden = !brushed;
  $("brushed-words").textContent = brushed ? `${brushed.size} of ${completed().length} candidates chosen.` : "";
  show($("scatter"), scatterChart, listen);
  table.draw();
}

const listening = new WeakSet();
function listen(div) {
  if (listening.has(div)) return;
  listening.add(div);
  if (div === $("scatter")) {
    div.on("plotly_click", ({points}) => points[0].customdata != null && open(points[0].customdata));
    div.on("plotly_selected", (event) => {
      if (!event?.range) return;
      const {rows, atX, atY} = positions();
      brush(rows.filter((row) => inRange(atX(row), event.range.x) && inRange(atY(row), event.range.y)).map((row) => row[NUMBER]));
    });
  } else {
    div.on("plotly_restyle", readBrush);
  }
}

function showFront() {
  $("scatter").setAttribute("aria-label", `Scatter of ${run.metrics[metricIndex("y")].title} over ${run.metrics[metricIndex("x")].title}: ${completed().length} candidates, ${run.front.length} of them on the front. The table below lists them.`);
  $("parallel").setAttribute("aria-label", `Parallel coordinates of ${completed().length} candidates over ${run.metrics.length} metrics. The table below lists them.`);
  show($("scatter"), scatterChart, listen);
  show($("parallel"), parallelChart, listen);
}
