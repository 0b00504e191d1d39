// Charts, drawn as SVG.

const WIDTH = 540, HEIGHT = 320, MARGIN = { left: 62, right: 16, top: 20, bottom: 44 };

// ---- figures on axes

const UNITS = {
  share: (value) => `${round(100 * value)}%`, fraction: (value) => `${round(100 * value)}%`,
  bytes: (value) => (value < 2 ** 30 ? `${round(value / 2 ** 20)} MiB` : `${round(value / 2 ** 30)} GiB`),
  count: (value) => (value >= 1e9 ? `${round(value / 1e9)}G` : value >= 1e6 ? `${round(value / 1e6)}M`
    : value >= 1e3 ? `${round(value / 1e3)}k` : round(value)),
  seconds: (value) => `${round(value)} s`, ms: (value) => `${round(value)} ms`, "per-second": (value) => `${round(value)}/s`,
};
const round = (value) => String(Number(value.toPrecision(4)));
const written = (value, unit) => (UNITS[unit] ?? round)(value);

function around(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const gap = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.5;
  return [low - gap, high + gap];
}

function ticks(low, high, most = 5) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => (high - low) / each <= most);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, place) => (first + place) * step);
}

/** A scale from values to pixels, logarithmic where they are far apart. */
function scale(values, from, to, wantsLog = false) {
  const log = wantsLog && Math.min(...values) > 0 && Math.max(...values) > 4 * Math.min(...values);
  const own = log ? Math.log10 : (value) => value, [low, high] = around(values.map(own));
  const at = (value) => from + ((own(value) - low) / (high - low)) * (to - from);
  return { at, log, ticks: log ? powers(low, high) : ticks(low, high) };
}

function powers(low, high) {
  const digits = high - low > 2.2 ? [1] : [1, 2, 5], found = [];
  for (let power = Math.floor(low); power <= high; power++) found.push(...digits.map((each) => each * 10 ** power));
  return found.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
}

function axes(svg, x, y, xUnit, yUnit, height, label, yLabel = "") {
  svg.append(draw("text", { class: "soft", x: 4, y: 12 }, yLabel));
  for (const value of y.ticks) svg.append(
    draw("line", { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y.at(value), y2: y.at(value) }),
    draw("text", { x: MARGIN.left - 6, y: y.at(value) + 4, "text-anchor": "end" }, written(value, yUnit)));
  for (const value of x.ticks) svg.append(
    draw("text", { x: x.at(value), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, written(value, xUnit)));
  svg.append(draw("text", { class: "soft", x: (MARGIN.left + WIDTH) / 2, y: height - 6, "text-anchor": "middle" }, label));
}

const canvas = (height, label) => draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });

// ---- the Pareto chart

/** The cells that no other comparable one beats in both: of the cells that are shown. */
function front(cells, metric, cost) {
  const price = (cell) => (better(cost) === "higher" ? -1 : 1) * cell.figures[cost];
  const merit = (cell) => (better(metric) === "lower" ? -1 : 1) * cell.figures[metric];
  const groups = Map.groupBy ? Map.groupBy(cells, (cell) => cell.group) : grouped(cells);
  return [...groups.values()].flatMap((group) => {
    let top = -Infinity;
    const sorted = group.sort((a, b) => price(a) - price(b) || merit(b) - merit(a));
    return sorted.filter((cell) => merit(cell) > top && ((top = merit(cell)), true));
  });
}

function grouped(cells) {
  const found = new Map();
  for (const cell of cells) found.set(cell.group, [...(found.get(cell.group) ?? []), cell]);
  return found;
}

function pareto(dataset, cells, now) {
  const metric = columns.get(run.datasets[dataset].metric), cost = columns.get(now.cost);
  const points = cells.filter((cell) => cell.primary && cell.figures[now.cost] != null);
  if (!cost || !points.length) return make("p", { class: "soft" }, "No cell that is shown has both figures.");
  const x = scale(points.map((cell) => cell.figures[cost.name]), MARGIN.left, WIDTH - MARGIN.right, true);
  const y = scale(points.map((cell) => cell.primary[0]), HEIGHT - MARGIN.bottom, MARGIN.top);
  const best = front(points.filter((cell) => cell.group != null), metric.name, cost.name);
  const svg = canvas(HEIGHT, `${metric.heading} against ${cost.heading}, ${points.length} cells`);
  axes(svg, x, y, cost.unit, metric.unit, HEIGHT, `${cost.heading}${x.log ? " (logarithmic)" : ""}`,
    metric.heading);
  for (const group of grouped(best).values()) svg.append(draw("polyline", {
    class: "frontier", points: group.map((cell) => `${x.at(cell.figures[cost.name])},${y.at(cell.primary[0])}`).join(" ") }));
  for (const cell of points) {
    const kind = best.includes(cell) ? "front" : cell.group == null ? "apart" : "";
    svg.append(draw("circle", { class: `dot ${kind} ${cell.id === now.cell ? "chosen" : ""}`, onclick: opening(cell),
      cx: x.at(cell.figures[cost.name]), cy: y.at(cell.primary[0]), r: kind === "front" ? 6 : 4 },
    draw("title", {}, `${cell.name}: ${cell.written[metric.name]}, ${cost.heading} ${cell.written[cost.name]}`)));
  }
  const named = best.slice(0, 12).flatMap((cell, place) => [place ? ", " : "", link(cell, cell.name)]);
  const more = best.length > 12 ? ` and ${best.length - 12} more` : "";
  return make("figure", {}, svg, best.length
    ? make("figcaption", {}, `Pareto front of the cells shown: `, ...named, more)
    : make("figcaption", { class: "soft" }, "No cell that is shown may be ranked."));
}

// ---- intervals

const MOST_INTERVALS = 16, LABEL_WIDTH = 224, LINE = 20;

function intervals(dataset, cells) {
  const metric = columns.get(run.datasets[dataset].metric);
  const all = cells.filter((cell) => cell.primary).sort(byMerit), shown = all.slice(0, MOST_INTERVALS);
  if (!shown.length) return make("p", { class: "soft" }, "No cell that is shown has a result.");
  const height = shown.length * LINE + 36;
  const x = scale(shown.flatMap((cell) => cell.primary).filter((value) => value != null), LABEL_WIDTH, WIDTH - 24);
  const svg = canvas(height, `${metric.heading} of ${shown.length} cells with 95 % intervals, the best first`);
  for (const value of x.ticks) svg.append(
    draw("line", { class: "grid", x1: x.at(value), x2: x.at(value), y1: 2, y2: height - 28 }),
    draw("text", { x: x.at(value), y: height - 10, "text-anchor": "middle" }, written(value, metric.unit)));
  shown.forEach((cell, place) => {
    const y = 14 + place * LINE, [mean, low, high] = cell.primary;
    svg.append(draw("text", { x: LABEL_WIDTH - 8, y: y + 4, "text-anchor": "end" }, shortened(cell.name, 32)));
    if (low != null) svg.append(draw("line", { class: "whisker", x1: x.at(low), x2: x.at(high), y1: y, y2: y }));
    svg.append(draw("circle", { class: "dot", cx: x.at(mean), cy: y, r: 4, onclick: opening(cell) },
      draw("title", {}, `${cell.name}: ${cell.written[metric.name]}`)));
  });
  const some = shown.length < all.length ? `The best ${shown.length} of ${all.length}. ` : "";
  return make("figure", {}, svg, make("figcaption", { class: "soft" },
    `${some}${metric.heading} with 95 % intervals over seeds and test images. Overlap says little of a difference: see Rank.`));
}

/** Both ends of a text: the backbone and the strategy. */
function shortened(text, most) {
  const part = Math.floor((most - 1) / 2);
  return text.length > most ? `${text.slice(0, part)}…${text.slice(-part)}` : text;
}

// ---- learning curves

/** Lines of points [x, y], one for each seed. */
function curves(title, lines, unit, kind, by = "Epoch") {
  const points = lines.flat(), height = 230;
  const x = scale(points.map(([epoch]) => epoch), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(points.map(([, value]) => value), height - MARGIN.bottom, MARGIN.top);
  const svg = canvas(height, `${title} by ${by.toLowerCase()}, ${lines.length} ${lines.length === 1 ? "seed" : "seeds"}`);
  axes(svg, { ...x, ticks: x.ticks.filter(Number.isInteger) }, y, "", unit, height, by);
  for (const line of lines) {
    svg.append(draw("polyline", { class: `curve ${kind}`, points: line.map(([a, b]) => `${x.at(a)},${y.at(b)}`).join(" ") }));
    if (line.length === 1) svg.append(draw("circle", { class: "dot", cx: x.at(line[0][0]), cy: y.at(line[0][1]), r: 4 }));
  }
  return make("figure", {}, svg, make("figcaption", {}, title));
}

// ---- a figure over past runs

function pastRuns(title, series) {
  const height = 230, points = series.points.map(([name, date, value, low, high], place) => ({ name, date, value, low, high, place }));
  const x = scale(points.map((each) => each.place), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(points.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]), height - MARGIN.bottom, MARGIN.top);
  const svg = canvas(height, `${title}, ${points.length} runs`), last = points[points.length - 1];
  axes(svg, { ...x, ticks: [] }, y, "", series.unit, height, `${points[0].date} to ${last.date}`);
  for (const [name] of series.shifts) {
    const { place } = points.find((each) => each.name === name);
    svg.append(draw("line", { class: "shift", x1: x.at(place - 0.5), x2: x.at(place - 0.5), y1: MARGIN.top, y2: height - MARGIN.bottom }));
  }
  svg.append(draw("polyline", { class: "curve", points: points.map(({ place, value }) => `${x.at(place)},${y.at(value)}`).join(" ") }));
  for (const { name, date, value, low, high, place } of points) {
    if (low != null) svg.append(draw("line", { class: "whisker", x1: x.at(place), x2: x.at(place), y1: y.at(low), y2: y.at(high) }));
    svg.append(draw("circle", { class: "dot", cx: x.at(place), cy: y.at(value), r: 4 },
      draw("title", {}, `${name}, ${date}: ${written(value, series.unit)}`)));
  }
  return make("figure", {}, svg);
}

// ---- mean ranks over datasets: a critical-difference diagram (Demšar 2006)

const MOST_RANKS = 24;

function criticalDifference({ ranks: all, critical_difference: apart, heading }) {
  const ranks = all.slice(0, MOST_RANKS), left = Math.ceil(ranks.length / 2), bars = joined(ranks, apart);
  const first = 60 + 9 * bars.length, height = first + 18 * left + 24;
  const most = Math.max(Math.ceil(ranks[ranks.length - 1][1]), 1 + Math.ceil(apart)), side = 176;
  const x = (rank) => side + ((rank - 1) / (most - 1)) * (WIDTH - 2 * side);
  const svg = canvas(height, `${heading}: critical-difference diagram of mean ranks, ${ranks.length} cells`);
  const line = (kind, x1, x2, y1, y2 = y1) => draw("line", { class: kind, x1, x2, y1, y2 });
  svg.append(line("whisker", x(1), x(1 + apart), 10), line("axis", x(1), x(most), 46),
    draw("text", { x: x(1 + apart) + 6, y: 14 }, `critical difference ${apart.toFixed(2)}`));
  for (const tick of ticks(1, most, 6).filter(Number.isInteger)) svg.append(line("axis", x(tick), x(tick), 42, 46),
    draw("text", { x: x(tick), y: 38, "text-anchor": "middle" }, String(tick)));
  ranks.forEach(([name, rank], place) => {
    const right = place >= left, y = first + 18 * (right ? ranks.length - 1 - place : place), end = right ? WIDTH - side + 4 : side - 4;
    svg.append(line("grid", x(rank), x(rank), 46, y), line("grid", x(rank), end, y),
      draw("text", { x: end + (right ? 4 : -4), y: y + 4, "text-anchor": right ? "start" : "end" }, shortened(name, 24),
        draw("title", {}, `${name}: mean rank ${rank.toFixed(2)}`)));
  });
  bars.forEach(([best, worst], number) => svg.append(line("joined", x(best) - 3, x(worst) + 3, 54 + 9 * number)));
  const some = ranks.length < all.length ? `The best ${ranks.length} of ${all.length}. ` : "";
  return make("figure", {}, svg, make("figcaption", { class: "soft" },
    `${some}Mean ranks, the best on the left; a bar joins those that are not told apart.`));
}

/** The widest spans of ranks that lie within the critical difference. */
function joined(ranks, apart) {
  const found = [];
  for (const [, rank] of ranks) {
    const worst = Math.max(...ranks.map(([, other]) => other).filter((other) => other >= rank && other - rank <= apart));
    if (worst > rank && !found.some(([, reach]) => reach >= worst)) found.push([rank, worst]);
  }
  return found;
}
