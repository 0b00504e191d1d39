// The page: shows the state, and changes it.

const byId = (id) => document.getElementById(id);
const BOXES = { equal: "equal", all: "all" }, FIELDS = ["filter", "cost"];

function show() {
  const now = state();
  for (const id of FIELDS) if (byId(id) !== document.activeElement) byId(id).value = now[id];
  for (const [id, name] of Object.entries(BOXES)) byId(id).checked = now[name] !== "";
  let number = 0;
  run.datasets.forEach((_, dataset) => {
    const cells = shownCells(dataset, now), place = byId(`dataset-${dataset}`);
    const focused = document.activeElement?.closest(`#dataset-${dataset} th`)?.cellIndex;
    number += cells.length;
    place.replaceChildren(make("div", { class: "charts" }, pareto(dataset, cells, now), intervals(dataset, cells)),
      tableOf(dataset, cells, now));
    if (focused != null) place.querySelectorAll("thead th")[focused]?.querySelector("button")?.focus();
  });
  const wrong = fault(now.filter);
  byId("count").textContent = wrong ? `Filter: ${wrong}` : `${number} of ${run.cells.length} cells are shown`;
  byId("filter").setAttribute("aria-invalid", wrong ? "true" : "false");
  showCell(run.cells.find((each) => each.id === now.cell));
}

function showCell(cell) {
  const dialog = byId("cell-page");
  dialog.replaceChildren(...(cell ? pageOf(cell) : []));
  if (cell && !dialog.open) dialog.showModal();
  else if (!cell && dialog.open) dialog.close();
  if (cell) dialog.scrollTop = 0;
}

byId("controls").addEventListener("submit", (event) => event.preventDefault());
for (const id of FIELDS) byId(id).addEventListener("input", (event) => go({ [id]: event.target.value }, true));
for (const [id, name] of Object.entries(BOXES))
  byId(id).addEventListener("change", (event) => go({ [name]: event.target.checked ? "1" : "" }, true));
byId("cell-page").addEventListener("cancel", (event) => { event.preventDefault(); go({ cell: "" }); });
byId("cell-page").addEventListener("click", (event) => { if (event.target === byId("cell-page")) go({ cell: "" }); });
run.over.forEach((ranked, number) => byId(`over-${number}`).append(criticalDifference(ranked)));
addEventListener("hashchange", show);
addEventListener("popstate", show);
show();
