// The rest of the page: one script with front.js, which comes before it.

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
  table.search.fixed("shown", (_, row) => (brushed ? brushed.has(row[NUMBER]) : $("shown").value === "all" || (frontSet.has(row[NUMBER]) && ($("shown").value === "whole" || !softSet.has(row[NUMBER])))));
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
    const classes = plainTable(["class", "test examples", "accuracy, int8", "most often taken for"], found.classes);
    classes.prepend(element("caption", {}, "Classes, as the exported int8 model answers them"));
    parts.push(
      element("div", {class: "two"}, column(left), column(others)),
      ...(found.predictions.length ? [sideways("Predictions", predictions)] : []),
      ...(found.classes.length ? [sideways("Classes", classes)] : []),
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
  softSet = new Set(run.beyond_soft);
  const beyond = run.front.filter((number) => softSet.has(number)).length;
  options($("shown"), [["front", beyond ? "the front within soft bounds" : "the front"], ...(beyond ? [["whole", "the whole front"]] : []), ["all", "all evaluated"]]);
  run.broken = new Set(run.beyond);
  $("name").textContent = run.name;
  $("summary").textContent = run.summary;
  $("luck").textContent = run.luck.join(" ");
  $("luck").hidden = !run.luck.length;
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
  const {head, rows} = data.compare.settings;
  if (rows.length) plainTable(head, rows, () => null, $("settings"));
  $("same-settings").hidden = rows.length > 0;
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
