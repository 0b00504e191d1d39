"""The command that runs one cell of a plan again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tlbench.plan.cell import Cell, SourcePlan
from tlbench.plan.request import COMPARED, REPEATED, Request

OF_A_CELL = dict(zip(COMPARED, ("backbone", "strategy", "dataset"), strict=True))
OF_SOURCES = ("sources", "source_strategy", "source_epochs")
LEFT_OUT = (*COMPARED, *OF_SOURCES, "reporters", "test_on")
"""Options that others stand for, or that tell of the run and are no part of it."""


def command_for(cell: Cell, request: Request) -> str:
    """A command line, quoted for a POSIX shell: what was asked for, and what followed from the machine and the data."""
    fields, asked = type(request).model_fields, request.model_dump(mode="json")
    values: dict[str, object] = {name: _quoted(getattr(cell, part)) for name, part in OF_A_CELL.items()}
    values |= {
        name: value
        for name, value in asked.items()
        if name not in LEFT_OUT and getattr(request, name) != fields[name].default
    }
    if cell.source_model is not None:
        values |= _source(cell.source_model, request)
    protocol = cell.protocol
    values |= {"epochs": protocol.epochs, "batch_size": protocol.batch_size, "image_size": protocol.image_size}
    values |= {"train_size": protocol.train_size or "all", "test_size": protocol.test_size or "all"}
    values |= {"device": cell.device, "find_batch_size": False, "weights": _weights(cell, request)}
    if cell.test_on:
        values["test_on"] = ",".join(_quoted(each.dataset) for each in cell.test_on)
    if request.tune:
        values["tune"] = "lr=" + _joined(asked["tune"])
    return " ".join(["tlbench", "run", *_flags(values)])


def _source(source: SourcePlan, request: Request) -> dict[str, object]:
    """The options that give a cell its source."""
    if source.kind == "saved":
        return {"sources": _quoted(f"saved:{source.path}")}
    asked = {"source_strategy": request.source_strategy, "source_epochs": request.source_epochs}
    changed = {name: value for name, value in asked.items() if value != Request.model_fields[name].default}
    return {"sources": _quoted(source.name), **changed}


def _flags(values: dict[str, object]) -> Iterator[str]:
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is False and Request.model_fields[name].default is True:
            yield f"--no-{flag[2:]}"
        elif name in REPEATED:
            yield from (part for each in value for part in (flag, shlex.quote(each)))  # type: ignore[attr-defined]
        elif value is not None and value is not False:
            yield f"{flag} {shlex.quote(_joined(value))}"


def _joined(value: object) -> str:
    return (
        ",".join(map(_joined, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _quoted(name: str) -> str:
    """A name as the command line takes it: with a comma in it, it needs quotes of its own."""
    return f'"{name}"' if "," in name else name


def _weights(cell: Cell, request: Request) -> str | None:
    """The policy that gives this cell the weights that it had; None where that is the default."""
    if cell.weights.kind == "file":
        return cell.weights.url
    if cell.weights.reason == "requested":
        return "random"
    return "pretrained" if request.weights == "pretrained" else None
