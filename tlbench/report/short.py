"""Components without their plugins' names, where that leaves no doubt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tlbench.plan.cell import Cell


def short(ref: str) -> str:
    """A component without its plugin's name."""
    name, colon, options = ref.partition(":")
    return name.rpartition("/")[2] + colon + options


def short_names(refs: Iterable[str]) -> dict[str, str]:
    """By component its short name; the whole one where two plugins have components of that name."""
    refs = list(refs)
    plugins: dict[str, set[str]] = {}
    for ref in refs:
        plugin, _, name = ref.partition(":")[0].rpartition("/")
        plugins.setdefault(name, set()).add(plugin)
    return {ref: short(ref) if len(plugins[short(ref.partition(":")[0])]) == 1 else ref for ref in refs}


def names_of_cells(cells: Iterable[Cell]) -> dict[str, str]:
    """The short names of all components that some cells name, by component."""
    return short_names(ref for cell in cells for ref in _refs(cell))


def backbone_name(cell: Cell, names: Mapping[str, str]) -> str:
    """A cell's backbone by its short name, with the source that it goes on from: `resnet50 from fashion-mnist`."""
    source = cell.source_model
    if source is None:
        return names[cell.backbone]
    return f"{names[cell.backbone]} from {source.name if source.kind == 'saved' else names[source.name]}"


def _refs(cell: Cell) -> tuple[str, ...]:
    source = () if cell.source_model is None or cell.source_model.kind == "saved" else (cell.source_model.name,)
    return cell.backbone, cell.dataset, cell.strategy, *source
