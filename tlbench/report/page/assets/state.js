// What is shown. The state is the part of the address behind #, so that a link leads to the same view.

const run = JSON.parse(document.getElementById("content").textContent);
const columns = new Map(run.columns.map((column) => [column.name, column]));
const TEXTS = { backbone: "Backbone", strategy: "Strategy", weights: "Weights", device: "Device" };
const DEFAULTS = { filter: "", sort: "rank", order: "", cost: "train_with_features_seconds", equal: "", all: "", cell: "" };

function state() {
  const found = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, found.get(name) ?? value]));
}

function go(changes, replace = false) {
  const kept = Object.entries({ ...state(), ...changes }).filter(([name, value]) => value !== DEFAULTS[name]);
  const address = `#${new URLSearchParams(kept)}`;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  show();
}

// ---- the filter: words, and conditions as `tlbench show --filter` has them

const ORDERS = {
  "=": (a, b) => a === b, "!=": (a, b) => a !== b, ">": (a, b) => a > b, "<": (a, b) => a < b,
  ">=": (a, b) => a >= b, "<=": (a, b) => a <= b,
};
const CONDITION = /^([\w.-]+)(!=|>=|<=|=|<|>)(.*)$/;

function terms(text) {
  return (text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? []).map((term) => term.replaceAll('"', ""));
}

function pattern(glob) {
  const parts = [...glob].map((each) => (each === "*" ? ".*" : each === "?" ? "." : each.replace(/\W/, "\\$&")));
  return new RegExp(`^${parts.join("")}$`, "i");
}

/** What is wrong with a filter, in words; empty where nothing is. */
function fault(text) {
  for (const [, name, sign, value] of terms(text).map((term) => term.match(CONDITION)).filter(Boolean)) {
    if (name in TEXTS || name === "status" || name === "dataset") {
      if (!["=", "!="].includes(sign)) return `${name} is a text: use = or !=`;
    } else if (!columns.has(name)) return `there is no column ${name}`;
    else if (value === "" || Number.isNaN(Number(value))) return `${name} is a number, ${value || "nothing"} is not`;
  }
  return "";
}

function meets(cell, term) {
  const texts = { ...cell.texts, dataset: run.datasets[cell.dataset].name };
  const condition = term.match(CONDITION);
  if (!condition) return Object.values(texts).some((text) => text.toLowerCase().includes(term.toLowerCase()));
  const [, name, sign, value] = condition;
  if (name in texts) return pattern(value).test(texts[name]) === (sign === "=");
  return cell.figures[name] != null && ORDERS[sign](cell.figures[name], Number(value));
}

// ---- the cells of a dataset that meet it, in order

function shownCells(dataset, now) {
  const conditions = fault(now.filter) ? [] : terms(now.filter);
  const cells = run.cells.filter((cell) => cell.dataset === dataset && conditions.every((term) => meets(cell, term)));
  return now.sort === "rank" && !now.order ? cells.sort(byMerit) : cells.sort(by(now.sort, now.order));
}

const better = (name) => columns.get(name)?.better ?? "lower";

/** Comparable cells beside each other, the best first; those that may not be ranked come last. */
function byMerit(first, second) {
  const metric = run.datasets[first.dataset].metric, sign = better(metric) === "lower" ? 1 : -1;
  const group = (cell) => cell.group ?? Infinity, merit = (cell) => cell.figures[metric];
  if (group(first) !== group(second)) return group(first) - group(second);
  return missing(merit(first), merit(second)) || sign * (merit(first) - merit(second));
}

function by(name, order) {
  if (name === "rank") return (first, second) => -byMerit(first, second);
  const sign = order === "descending" ? -1 : 1, key = (cell) => cell.texts[name] ?? cell.figures[name];
  return (first, second) => {
    const [a, b] = [key(first), key(second)];
    return missing(a, b) || sign * (a < b ? -1 : a > b ? 1 : 0);
  };
}

const missing = (a, b) => (a == null) - (b == null);
