"""A run on disk as a side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tlbench.compare.side import Figure, Machine, Measured, Noise, Side
from tlbench.plan.cell import Cell
from tlbench.plan.plan import Plan
from tlbench.report.of_run import report_data
from tlbench.report.rows import Row
from tlbench.results.column import Column
from tlbench.results.columns import MetricColumn
from tlbench.results.machines import machine_name
from tlbench.results.records import Record
from tlbench.results.store import RunFolder
from tlbench.session.noise import known_noise
from tlbench.words import counted

INSIGNIFICANT = {"asked_batch_size", "asked_memory_format"}
"""Fields of a protocol that do not decide the result."""


def side_of_run(folder: RunFolder, name: str) -> Side:
    """The cells of a run, and the noise floor of its machine where `tlbench doctor --noise` has measured it."""
    return side_of_records(folder.plan(), folder, folder.records(), name)


def side_of_records(plan: Plan, folder: RunFolder, records: Sequence[Record], name: str) -> Side:
    """The same of a run's plan and records."""
    rows = report_data(plan, folder, records).rows()
    several = len({row.cell.dataset for row in rows}) > 1, len({row.cell.device for row in rows}) > 1
    cells = tuple(measured(row, names_of(row.cell, row.backbone, row.strategy, *several)) for row in rows)
    return Side(name, cells, noise_of(record for row in rows for record in row.records))


def names_of(cell: Cell, backbone: str, strategy: str, datasets: bool, devices: bool) -> tuple[str, ...]:
    """A cell's short names, with the dataset where there are several `datasets`, and the device likewise."""
    return (backbone, strategy, *([cell.dataset] if datasets else []), *([cell.device] if devices else []))


def measured(row: Row, called: tuple[str, ...]) -> Measured:
    """A row of a run's table as a comparison needs it, under the names that a person reads."""
    cell = row.cell
    done = [record for record in row.records if record.status == "ok"]
    return Measured(
        key=cell.key,
        names=called,
        figures=tuple(_figure(column, done) for column in row.columns),
        sample=row.sample,
        values={column.name: _values(column, done) for column in row.columns},
        status=row.status,
        decisive=_decisive(row),
        told=_told(row, done),
        machine=_machine(done),
        sources=cell.sources,
    )


def _figure(column: Column, done: list[Record]) -> Figure:
    metric = isinstance(column, MetricColumn)
    exact = not (metric or column.varies)
    deviation = max(map(column.run_deviation, done), default=0.0)
    return Figure(column.name, column.heading, column.unit, column.better, exact, metric, deviation)


def _values(column: Column, records: list[Record]) -> dict[int, float]:
    return {record.trial.seed: value for record in records if (value := column.value(record)) is not None}


def _decisive(row: Row) -> dict[str, object]:
    """What two cells must have in common: weights, data, task, test set, protocol and device."""
    cell = row.cell
    weights = cell.weights
    protocol = cell.protocol.model_dump(mode="json", exclude=INSIGNIFICANT)
    facts: dict[str, object] = {
        "dataset": cell.dataset,
        "dataset_digest": cell.dataset_digest,
        "task": cell.task,
        "device": cell.device,
        "weights": f"{weights.kind} {weights.name or weights.reason or ''}".strip(),
        "weights_digest": next((record.weights.digest for record in row.records if record.weights.digest), None),
        "test_images": row.test_images,
        "corruptions": cell.corruptions or None,
    }
    facts |= {f"test_on {each.dataset}": each.digest for each in cell.test_on}
    if cell.source_model is not None:
        source = cell.source_model
        facts["source"] = f"{source.name} {source.digest or source.trial}"
    if weights.kind == "random" or (cell.source_model is not None and cell.source_model.kind == "dataset"):
        del facts["weights_digest"]  # each seed draws its own, and each run may train its own source model
    return facts | {f"protocol.{name}": value for name, value in protocol.items()}


def _told(row: Row, done: list[Record]) -> dict[str, object]:
    """What may differ, as it is what a change is about: rates, options, releases."""
    cell = row.cell
    tuned = ", ".join(f"{each:g}" for each in cell.tuned_rates)
    told: dict[str, object] = {"learning_rate": f"tuned among {tuned}" if tuned else cell.learning_rate}
    told |= {f"options.{part}": options for part, options in cell.options.items()}
    for record in done[:1]:
        told |= {f"plugin {each.plugin}": f"{each.distribution} {each.version}" for each in record.provenance.values()}
        packages: Mapping[str, Any] = (record.environment or {}).get("packages") or {}
        told |= dict(packages)
    return told


def _machine(done: list[Record]) -> Machine | None:
    environment = next((record.environment for record in done if record.environment), None)
    if environment is None:
        return None
    torch, threads = (environment.get("packages") or {}).get("torch"), environment.get("threads")
    software = None if torch is None else f"torch {torch}, {counted(threads or 0, 'thread')}"
    return Machine(machine_name(environment), environment.get("boot_id"), software)


def noise_of(records: Iterable[Record]) -> Noise:
    """The noise floor of the machine of the first record that knows one; nothing where it was not measured."""
    environment = next((record.environment for record in records if record.environment), None)
    noise = None if environment is None else known_noise(environment)
    spreads = {} if noise is None else noise.spreads
    return {name: (spread.deviation_percent / 100, spread.n - 1) for name, spread in spreads.items()}
