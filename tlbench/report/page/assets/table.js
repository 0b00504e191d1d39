// The table of a dataset.

const NOTHING = "–";
const textOf = (cell, name) => cell.texts[name] ?? cell.written[name] ?? NOTHING;

function namesOf(dataset, cells, now) {
  const metric = run.datasets[dataset].metric;
  const figures = run.columns.filter((each) => now.all || (each.shown && (!each.metric || each.name === metric)));
  const names = [...Object.keys(TEXTS), ...figures.map((each) => each.name)];
  const differs = (name) => new Set(cells.map((cell) => textOf(cell, name))).size > 1;
  const kept = now.equal && cells.length > 1 ? names.filter((name) => name === "strategy" || name === metric || differs(name)) : names;
  return now.all ? kept.filter((name) => name in TEXTS || cells.some((cell) => textOf(cell, name) !== NOTHING)) : kept;
}

/** The columns as pairs: a heading, and the content of a cell's field. The verdict stands beside the metric. */
function columnsOf(dataset, cells, now) {
  const metric = run.datasets[dataset].metric, ranked = cells.some((cell) => cell.rank);
  const found = namesOf(dataset, cells, now).flatMap((name) => {
    const own = [headingOf(name, now), (cell) => make("td", { class: classOf(cell, name) }, ...contentOf(cell, name))];
    return name === metric && ranked ? [own, ...rankColumns(now)] : [own];
  });
  return [...found, [make("th", { scope: "col" }, "Status"), (cell) => make("td", {}, cell.texts.status)]];
}

const rankColumns = (now) => [
  [headingOf("rank", now), (cell) => make("td", {}, cell.rank || NOTHING)],
  [make("th", { scope: "col" }, "Beside the best"),
    (cell) => make("td", { class: `verdict-${cell.verdict.replaceAll(" ", "-")}` }, cell.verdict || NOTHING)],
];

function tableOf(dataset, cells, now) {
  const found = columnsOf(dataset, cells, now), { heading } = run.datasets[dataset];
  const all = run.cells.filter((cell) => cell.dataset === dataset).length;
  const body = cells.map((cell) =>
    make("tr", { class: cell.id === now.cell ? "chosen" : "" }, ...found.map(([, field]) => field(cell))));
  return scrolling(heading, make("table", {},
    make("caption", {}, `${cells.length} of ${all} ${all === 1 ? "cell" : "cells"}`),
    make("thead", {}, make("tr", {}, ...found.map(([head]) => head))), make("tbody", {}, ...body)));
}

const classOf = (cell, name) => `${name in TEXTS ? "" : "figure"} ${cell.best.includes(name) ? "best" : ""}`.trim();

function contentOf(cell, name) {
  const text = textOf(cell, name);
  if (name === "strategy") return [link(cell, text)];
  return cell.best.includes(name) ? [text, make("span", { class: "mark", title: "best, or not told apart from it" }, "*")] : [text];
}

const link = (cell, text) => make("a", { href: addressOf(cell), onclick: opening(cell) }, text);
const opening = (cell) => (event) => { event.preventDefault(); go({ cell: cell.id }); };
const addressOf = (cell) => `#${new URLSearchParams({ cell: cell.id })}`;

function headingOf(name, now) {
  const column = columns.get(name), sorted = now.sort === name ? now.order || "ascending" : "none";
  const first = column?.better === "higher" ? "descending" : name === "rank" ? "" : "ascending";
  const other = first === "descending" ? "ascending" : "descending";
  const change = now.sort !== name ? { sort: name, order: first } : now.order === first ? { sort: name, order: other }
    : { sort: DEFAULTS.sort, order: "" };
  const mark = { none: "", ascending: " ▲", descending: " ▼" }[sorted];
  const button = make("button", { type: "button", title: column?.description, onclick: () => go(change, true) },
    (name === "rank" ? "Rank" : TEXTS[name] ?? column.heading) + mark);
  return make("th", { scope: "col", "aria-sort": sorted, class: column ? "figure" : "" }, button);
}
