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

let run, byNumber, frontSet, brushed = null, table = null, chosen = null, parallelRanges = new Map();

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
  const sign = (m) => (run.metrics[m].aim === "maximise" ? -1 : 1);
  if (run.metrics[x].aim === "target" || run.metrics[y].aim === "target") return [];
  let best = Infinity;
  return rows.filter((row) => !run.broken.has(row[NUMBER]))
    .sort((a, b) => sign(x) * (a[VALUES][x] - b[VALUES][x]) || sign(y) * (a[VALUES][y] - b[VALUES][y]))
    .filter((row) => sign(y) * row[VALUES][y] < best && ((best = sign(y) * row[VALUES][y]), true));
}

const scaled = (m) => (row) => row[VALUES][m] / run.metrics[m].divisor;
const isDominated = (row) => !frontSet.has(row[NUMBER]);
const someDominated = (rows) => (brushed ? [true, false].flatMap((is) => evenly(rows.filter((row) => isDominated(row) && brushed.has(row[NUMBER]) === is), MOST_DRAWN)) : evenly(rows.filter(isDominated), MOST_DRAWN));

function positions() {
  const [x, y] = [metricIndex("x"), metricIndex("y")];
  const rows = completed().filter((row) => [x, y].every((m) => row[VALUES][m] != null));
  const lowest = (m, log) => (log ? Math.min(...rows.map(scaled(m)).filter((v) => v > 0)) / 2 : -Infinity);
  const [lowX, lowY] = [lowest(x, $("log-x").checked), lowest(y, $("log-y").checked)];
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
  const [logX, logY, faint] = ["log-x", "log-y", "faint"].map((id) => $(id).checked);
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
  const others = rows.filter((row) => !isDominated(row) && row[NUMBER] !== run.best);
  traces.push(withBars(points("front", others, 12, {line: {width: 1.5, color: colours().ink}, opacity: 1}), others));
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
  const axis = (m, log) => ({title: run.metrics[m].axis, ...(log ? {type: "log", dtick: "D2", tickformat: "~g"} : {type: "linear"})});
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

// --- the table of candidates ------------------------------------------------------------------------------------------
function download(name, type, text) {
  const link = element("a", {href: URL.createObjectURL(new Blob([text], {type})), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const listed = () => table.rows({search: "applied", order: "applied"}).data().toArray();
function asCsv() {
  const quoted = (value) => `"${String(value ?? "").replace(/^(?=[=+@\t\r]|-\D)/, "'").replaceAll('"', '""')}"`;
  const head = ["number", "status", ...run.metrics.map((m) => m.name), "network", "change", "parents"];
  const lines = listed().map((row) => [row[NUMBER], row[STATUS], ...row[VALUES], row[WORDS], row[CHANGE], row[PARENTS].join(" ")]);
  return [head, ...lines].map((line) => line.map((v) => (typeof v === "number" ? v : quoted(v))).join(",")).join("\r\n");
}
function asJson() {
  const metrics = (row) => Object.fromEntries(run.metrics.map((m, i) => [m.name, row[VALUES][i]]).filter(([, v]) => v != null));
  return JSON.stringify(listed().map((row) => ({number: row[NUMBER], status: row[STATUS], network: row[WORDS], change: row[CHANGE], parents: row[PARENTS], metrics: metrics(row)})), null, 1);
}

function makeTable() {
  if (table) { table.destroy(true); $("candidates").querySelector(".scroll").append(element("table", {id: "table", class: "display compact"})); }
  const text = DataTable.render.text().display;
  const shortened = (value, kind) => (kind === "display" ? text(cut(value, 300)) : value);
  const opener = (number, kind) => (kind === "display" ? element("button", {type: "button", class: "link", onclick: () => open(number), "aria-label": `candidate ${number}${number === run.best ? ", the best" : ""}`}, `${number}${number === run.best ? " ★" : ""}`) : number);
  const metrics = run.metrics.map((metric, i) => ({
    title: escaped(cut(metric.title, 40)), className: "number", type: "num",
    data: `${VALUES}.${i}`, render: (value, kind, row) => (kind === "display" ? text(row[TEXTS][i]) : value ?? (kind === "sort" ? Infinity : "")),
  }));
  const columns = [
    {title: "#", data: NUMBER, className: "number", render: opener, type: "num"},
    ...metrics,
    {title: "status", data: STATUS, render: DataTable.render.text()},
    {title: "network", data: WORDS, render: shortened, className: "words"},
    {title: "change", data: CHANGE, render: shortened, className: "change"},
  ];
  table = new DataTable($("table"), {
    data: run.rows, columns, deferRender: true, pageLength: 10, lengthMenu: [10, 25, 100], order: [[1, "asc"]], autoWidth: false,
    language: {emptyTable: "No candidate has been evaluated yet.", search: "search", lengthMenu: "_MENU_ a page", info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(_MAX_ in all)", infoEmpty: "none", zeroRecords: "None is like that.", searchBuilder: {button: {0: "Filter", _: "Filter (%d)"}, title: {0: "Keep what meets", _: "Keep what meets (%d)"}}},
    createdRow: (line, row) => line.classList.toggle("chosen", row[NUMBER] === chosen),
    layout: {
      topStart: {buttons: [
        {extend: "searchBuilder", config: {columns: [...metrics.keys()].map((i) => i + 1).concat(metrics.length + 1)}},
        {text: "CSV", action: () => download("candidates.csv", "text/csv", asCsv())},
        {text: "JSON", action: () => download("candidates.json", "application/json", asJson())},
      ]},
      topEnd: "search", bottomStart: ["pageLength", "info"], bottomEnd: "paging",
    },
  });
  table.search.fixed("shown", (_, row) => (brushed ? brushed.has(row[NUMBER]) : $("shown").value === "all" || frontSet.has(row[NUMBER])));
  table.draw();
}

// --- one candidate ----------------------------------------------------------------------------------------------------
function ancestors(number) {
  const line = [];
  for (let at = byNumber.get(number); at && !line.includes(at); at = byNumber.get(at[PARENTS][0])) line.push(at);
  return line;
}

const link = (number) => (byNumber.has(number) ? element("button", {type: "button", class: "link", onclick: () => open(number)}, `${number}`) : `${number}`);

function lineage(number) {
  const line = ancestors(number);
  const aims = run.metrics.map((m, i) => [m, i]).filter(([m]) => m.aim);
  const rows = line.map((row) => [link(row[NUMBER]), row[CHANGE] + (row[PARENTS].length > 1 ? ` (and ${row[PARENTS].slice(1).join(", ")})` : ""), ...aims.map(([, i]) => row[TEXTS][i].split(" [")[0])]);
  const holder = sideways("Lineage", plainTable(["#", "what changed", ...aims.map(([m]) => cut(m.title, 40))], rows));
  return element("div", {}, element("h3", {}, line.length > 1 ? `Lineage: ${line.length - 1} change${line.length > 2 ? "s" : ""} from candidate ${line.at(-1)[NUMBER]}` : "Lineage"), holder);
}

async function network(number) {
  if (run.networks[number]) return run.networks[number];
  if (!data.live) return null;
  try {
    const answer = await fetch(`network?number=${number}`);
    return answer.ok ? (run.networks[number] = await answer.json()) : null;
  } catch { return null; }
}

function chartBlock(heading, chart) {
  const div = element("div", {class: "chart", role: "group", "aria-label": chart.layout.meta?.alt ?? heading});
  show(div, chart);
  return element("figure", {}, element("h3", {}, heading), sideways(heading, div));
}

async function open(number, move = true) {
  const row = byNumber.get(number);
  if (!row) return;
  chosen = number;
  const found = await network(number);
  if (chosen !== number) return;
  const badge = [[number === run.best, "★ best"], [number === run.knee, "knee"], [frontSet.has(number), "on the front"]].filter(([is]) => is).map(([, text]) => element("span", {class: "badge"}, text));
  $("candidate-title").replaceChildren(`Network ${number} `, ...badge);
  const tiles = run.metrics.map((metric, i) => {
    const [value, between] = row[TEXTS][i].split(/ (?=\[)/);
    return element("div", {class: "tile"}, element("span", {}, cut(metric.title, 40)), element("strong", {}, value || "–"), ...(between ? [element("small", {}, between)] : []));
  });
  const parts = [element("p", {class: "lead"}, row[WORDS]), element("div", {class: "tiles"}, ...tiles)];
  if (found) {
    const command = element("pre", {tabindex: 0}, found.export);
    const copy = element("button", {type: "button", onclick: () => navigator.clipboard?.writeText(found.export).then(() => (copy.textContent = "Copied"))}, "Copy");
    const [first, ...others] = Object.entries(found.charts);
    const left = others.length > 2 && first[1].layout.height < 500 ? [first, others.pop()] : [first];
    const column = (entries) => element("div", {}, ...entries.map(([heading, chart]) => chartBlock(heading, chart)));
    const operators = plainTable(run.operator_columns, found.operators, (r) => (r.at(-1).includes("←") ? "peak" : null));
    operators.prepend(element("caption", {}, "Operators in the order of least memory"));
    const predictions = plainTable(["metric", "predicted", "interval", "device", "provenance"], found.predictions);
    predictions.prepend(element("caption", {}, "Predictions"));
    parts.push(
      element("div", {class: "two"}, column(left), column(others)),
      ...(found.predictions.length ? [sideways("Predictions", predictions)] : []),
      sideways("Operators", operators),
      element("dl", {}, ...found.totals.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])),
      lineage(number),
      element("div", {}, element("h3", {}, "Export it"), command, copy),
    );
  } else {
    parts.push(lineage(number));
    if (row[STATUS] === "completed") parts.push(element("p", {class: "controls"}, "The drawing of this network is not on the page: only those of the front are."));
  }
  $("network").replaceChildren(...parts);
  if (frontSet.has(number)) $("pick").value = number; else $("pick").selectedIndex = -1;
  table.rows().invalidate("data");
  for (const line of $("table").tBodies[0]?.rows ?? []) line.classList.toggle("chosen", table.row(line).data()?.[NUMBER] === chosen);
  if (move) {
    history.replaceState(null, "", `#candidate-${number}`);
    $("candidate").scrollIntoView();
    $("candidate-title").focus({preventScroll: true});
  }
}

// --- charts with forms: the same headings, one choice of form for all ----------------------------------------------------
function chartGrid(holder, controls, found, words) {
  const forms = [...new Set(Object.values(found).flatMap((each) => Object.keys(each)))];
  let select = controls.querySelector("select");
  if (!select) {
    select = element("select");
    controls.replaceChildren(element("label", {}, words, " ", select));
    select.addEventListener("change", () => chartGrid(holder, controls, holder.found, words));
  }
  holder.found = found;
  options(select, forms.map((form) => [form, {evaluation: "evaluations", seconds: "wall time"}[form] ?? form]));
  controls.hidden = forms.length < 2;
  const blocks = new Map([...holder.children].map((block) => [block.dataset.heading, block]));
  for (const [heading, each] of Object.entries(found)) {
    const chart = each[select.value] ?? Object.values(each)[0];
    if (!chart) continue;
    let block = blocks.get(heading);
    blocks.delete(heading);
    if (!block) {
      block = element("figure", {class: "card", "data-heading": heading}, element("h3", {}, heading), element("div", {class: "chart", role: "group"}));
      if (heading === "Workers" || heading === "Fronts") block.classList.add("wide");
      holder.append(block);
    }
    block.lastChild.setAttribute("aria-label", chart.layout.meta?.alt ?? heading);
    show(block.lastChild, chart);
  }
  for (const block of blocks.values()) block.remove();
}

// --- everything of a run ------------------------------------------------------------------------------------------------
function tiles() {
  $("tiles").replaceChildren(...run.tiles.map(([name, value]) => element("div", {class: "tile"}, element("span", {}, name), element("strong", {}, value))));
}

function failures() {
  const found = run.failures;
  const count = found.reduce((sum, each) => sum + each.count, 0);
  const traces = found.filter((each) => each.traceback).map((each) => element("details", {}, element("summary", {}, `Traceback of ${cut(each.reason, 80)}`), element("pre", {tabindex: 0}, each.traceback)));
  const rows = found.map((each) => [each.kind, each.reason, `${each.count}`, each.numbers.join(", ") + (each.numbers.length < each.count ? ", …" : "")]);
  $("failures").replaceChildren(element("h3", {}, count ? `Failures: ${count}` : "No evaluation failed"), ...(count ? [sideways("Failures", plainTable(["kind", "reason", "times", "candidates"], rows))] : []), ...traces);
}

function controls() {
  const names = run.metrics.map((metric, i) => [i, cut(metric.title, 40)]);
  const fresh = $("x").options.length !== names.length;
  for (const [place, id] of ["x", "y", "colour"].entries()) options($(id), names, fresh ? run.axes[place] : undefined);
  options($("size"), [["", "all the same"], ...names]);
  if (fresh) $("log-y").checked = run.metrics[run.axes[1]]?.logarithmic ?? false;
  const label = (number) => `${number === run.best ? "★ " : ""}${number}${number === run.knee ? " (knee)" : ""}: ${byNumber.get(number)[TEXTS].slice(0, 3).join(", ")}`;
  options($("pick"), run.front.filter((n) => data.live || run.networks[n]).map((number) => [number, label(number)]));
}

function present(first) {
  $("main").classList.remove("waiting");
  byNumber = new Map(run.rows.map((row) => [row[NUMBER], row]));
  frontSet = new Set(run.front);
  run.broken = new Set(run.beyond);
  $("name").textContent = run.name;
  $("summary").textContent = run.summary;
  $("devices").replaceChildren(...run.devices.map((words) => element("li", {}, words)));
  $("devices").hidden = !run.devices.length;
  tiles();
  const empty = completed().length === 0;
  $("nothing").hidden = !empty;
  $("nothing").textContent = run.rows.length === 0 ? "No candidate has been evaluated yet." : run.rows.every((row) => row[STATUS] === "failed") ? "Every evaluation failed; see “Failures” below." : empty ? "No evaluation has completed yet." : "";
  for (const id of ["front", "candidate"]) $(id).hidden = empty;
  if (!empty) controls();
  if (first || !table) makeTable(); else { table.clear().rows.add(run.rows).draw(false); }
  if (!empty) { showFront(); brushed && readBrush(); }
  chartGrid($("search-charts"), $("search-controls"), run.charts, "over");
  failures();
  $("facts").replaceChildren(...run.facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
  if (!empty && (first || !byNumber.has(chosen))) {
    const asked = Number(/^#candidate-(\d+)$/.exec(location.hash)?.[1] ?? NaN);
    open(byNumber.has(asked) ? asked : run.best ?? run.rows.find((row) => row[STATUS] === "completed")[NUMBER], byNumber.has(asked));
  }
}

function choose(index) {
  run = data.runs[index];
  [brushed, chosen, parallelRanges] = [null, null, new Map()];
  for (const id of ["x", "y", "colour", "size"]) $(id).replaceChildren();
  $("brushed").hidden = true;
  present(true);
}

for (const id of ["x", "y", "colour", "size", "log-x", "log-y", "faint"]) $(id).addEventListener("change", showFront);
$("y").addEventListener("change", () => { $("log-y").checked = run.metrics[metricIndex("y")].logarithmic; showFront(); });
$("shown").addEventListener("change", () => table.draw());
$("pick").addEventListener("change", () => open(Number($("pick").value), false));
$("unbrush").addEventListener("click", () => { parallelRanges = new Map(); brush(null); showFront(); });

if (data.runs.length > 1) {
  $("choose-run").hidden = false;
  options($("run"), data.runs.map((each, i) => [i, `${i + 1}. ${cut(each.name, 60)}`]), 0);
  $("run").addEventListener("change", () => choose(Number($("run").value)));
}
if (data.compare) {
  plainTable(data.compare.head, data.compare.rows, () => null, $("compared"));
  chartGrid($("compare-charts"), $("compare-controls"), data.compare.charts, "show over");
}

// --- a running search ---------------------------------------------------------------------------------------------------
function follow() {
  const source = new EventSource("events");
  const say = (text, on) => { $("live").textContent = text; $("live").classList.toggle("on", on); };
  source.addEventListener("open", () => say("live", true));
  source.addEventListener("error", () => say("connection lost, trying again…", false));
  source.addEventListener("message", ({data: text}) => {
    const news = JSON.parse(text);
    if (news.waiting) return say(news.waiting, false);
    const first = !run || news.fresh;
    const rows = new Map(first ? [] : run.rows.map((row) => [row[NUMBER], row]));
    for (const row of news.rows) rows.set(row[NUMBER], row);
    run = data.runs[0] = {...news.view, charts: news.charts, networks: first ? {} : run.networks, rows: [...rows.values()]};
    present(first);
    say(run.ended ? "ended" : "live", !run.ended);
  });
}
if (data.live) follow(); else if (data.runs.length) choose(0);
document.documentElement.dataset.readyMs = Math.round(performance.now());
document.documentElement.dataset.ready = "true";
