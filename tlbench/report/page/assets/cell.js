// The page of one cell.

function pageOf(cell) {
  const dataset = run.datasets[cell.dataset], metric = columns.get(dataset.metric);
  const has = (each) => cell.written[each.name] && cell.written[each.name] !== NOTHING;
  return [
    make("div", { class: "title" }, make("h2", { id: "cell-name" }, `${cell.name} on ${dataset.name}`),
      make("button", { type: "button", onclick: () => go({ cell: "" }) }, "Close")),
    facts([[metric.heading, cell.written[metric.name]], ["Beside the best", besideTheBest(cell)],
      ["Protocol", cell.protocol], ["Status", cell.texts.status]]),
    ...part("Command to repeat it", make("pre", { tabindex: "0" }, make("code", {}, cell.command))),
    ...part("Seeds", table("Seeds", ["Seed", "Status", metric.heading, "Learning rate"],
      cell.seeds.map((seed) => [seed.seed, seed.status, seed.value, seed.rate ?? NOTHING]))),
    ...learning(cell, metric),
    ...timesOf(cell),
    ...Object.entries(cell.by_target).flatMap(([name, values]) => byTarget(name, values, dataset, cell.confusion ? "Class" : "Target")),
    ...(cell.confusion ? part("Confusion: true classes down, predicted classes across, all seeds", confusion(cell, dataset)) : []),
    ...(cell.mistakes?.length ? part(cell.mistakes_heading, mistakes(cell)) : []),
    ...cell.past.flatMap((series) => overRuns(series)),
    ...part("All figures", facts(run.columns.filter(has).map((each) => [each.heading, cell.written[each.name]]))),
  ];
}

const part = (title, ...content) => [make("h3", {}, title), ...content.filter((each) => each != null)];
const besideTheBest = (cell) => (cell.beside ? `${cell.beside}: ${cell.verdict}` : cell.verdict || "not ranked");

function learning(cell, metric) {
  const lines = (place) => cell.seeds.map((seed) => seed.history.map((epoch, number) => [number + 1, epoch[place]])
    .filter(([, value]) => value != null)).filter((line) => line.length);
  const losses = lines(2), vals = lines(3), logged = loggedCurves(cell);
  if (!losses.length && !logged.length) return part("Learning curves", make("p", { class: "soft" }, "No phase trains by steps."));
  const tried = cell.seeds.flatMap((seed) => seed.tuning.map(([rate, val, chosen]) =>
    [seed.seed, rate, val == null ? NOTHING : written(val, metric.unit), chosen ? "chosen" : ""]));
  return [
    ...part("Learning curves", make("div", { class: "charts" },
      losses.length ? curves("Training loss, a line for each seed", losses, "", "") : null, ...logged,
      vals.length ? curves(`${metric.heading} on val, a line for each seed`, vals, metric.unit, "val") : null)),
    ...(tried.length ? part("Learning rates tried", table("Learning rates tried", ["Seed", "Rate", "Val", ""], tried)) : []),
  ];
}

// What the strategy logged, a chart for each name.
function loggedCurves(cell) {
  const names = [...new Set(cell.seeds.flatMap((seed) => Object.keys(seed.curves)))];
  return names.map((name) => curves(`${name}, a line for each seed`,
    cell.seeds.map((seed) => seed.curves[name] ?? []).filter((line) => line.length), "", "", "Step"));
}

function overRuns(series) {
  const said = `${series.heading} over runs${series.machine ? ` on ${series.machine}` : ""}`;
  const changed = series.shifts.map(([name, verdict, before, after]) => make("li", {},
    `From ${name} on ${verdict}: ${written(before, series.unit)} before, ${written(after, series.unit)} after.`));
  return part(said, pastRuns(said, series), changed.length ? make("ul", {}, ...changed) : null);
}

function timesOf(cell) {
  if (!cell.stages.length) return [];
  const most = Math.max(...cell.stages.map(([, seconds]) => seconds));
  const rows = cell.stages.map(([name, seconds]) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { class: "figure" }, `${seconds.toFixed(2)} s`), make("td", { class: "bars" }, bar(seconds / most))));
  return part("Where the time goes (first seed)", scrolling("Where the time goes", make("table", {}, make("tbody", {}, ...rows))));
}

function bar(share) {
  const element = make("div", { class: "bar" });
  element.style.width = `${Math.max(100 * share, 0.5)}%`;
  return element;
}

function byTarget(name, values, dataset, kind) {
  const column = columns.get(name), said = `${column?.heading ?? name} of each ${kind.toLowerCase()}`;
  const rows = values.map((value, place) =>
    [dataset.targets[place] ?? place, value == null ? NOTHING : written(value, column?.unit)]);
  return part(said, table(said, [kind, column?.heading ?? name], rows));
}

function confusion(cell, dataset) {
  const most = Math.max(...cell.confusion.map((row) => row.reduce((a, b) => a + b, 0)), 1);
  const head = make("tr", {}, make("th", { scope: "col" }, "true"),
    ...dataset.targets.map((name) => make("th", { scope: "col" }, name)));
  const body = cell.confusion.map((row, place) => make("tr", {}, make("th", { scope: "row" }, dataset.targets[place]),
    ...row.map((number, other) => {
      const element = make("td", { class: place === other ? "hit" : "" }, number ? String(number) : "");
      const colour = place === other ? "var(--good)" : "var(--bad)";
      if (number) element.style.background = `color-mix(in srgb, ${colour} ${Math.ceil((40 * number) / most)}%, var(--paper))`;
      return element;
    })));
  return scrolling("Confusion", make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)), "confusion");
}

function mistakes(cell) {
  const items = cell.mistakes.map(({ image, index, said }) => make("li", {},
    image ? make("img", { src: run.thumbnails[image], alt: `image ${index}` }) : null,
    make("span", {}, said), make("span", { class: "soft" }, `image ${index}`)));
  const none = cell.mistakes.some((each) => each.image) ? null
    : make("p", { class: "soft" }, "The images are not in the cache of the machine that made this report.");
  return make("div", {}, make("ul", { class: "mistakes" }, ...items), none);
}
