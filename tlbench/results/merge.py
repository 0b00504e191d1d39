"""Runs of several machines made into one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from tlbench.errors import UserError
from tlbench.plan.plan import Plan
from tlbench.plan.request import COMPARED
from tlbench.results.machines import machine_of
from tlbench.results.records import Record
from tlbench.results.store import RunFolder
from tlbench.words import counted, listed

V = TypeVar("V")


@dataclass(frozen=True)
class Merged:
    """What a merge did: how many records it has, how many it found twice, and the trials whose results contradict."""

    records: int
    twice: int
    conflicts: tuple[str, ...]


def merge(sources: Sequence[RunFolder], target: RunFolder) -> Merged:
    """Write a run with the cells and records of some runs; predictions and saved models come along.

    Of a trial that several have, the one that ended well stays, of several such the first; where two that ended well
    have other metrics, that is a conflict, and nothing is written. Raises UserError where plans contradict each other.
    """
    plans = [source.plan() for source in sources]
    plan = merged_plan(plans, target.path.name)
    kept: dict[str, tuple[Record, RunFolder]] = {}
    twice, conflicts = 0, []
    for source in sources:
        for record in source.records():
            known = kept.get(record.trial.id)
            twice += known is not None
            if known is not None and (said := _conflict(*known, record, source)):
                conflicts.append(said)
            if known is None or (known[0].status != "ok" and record.status == "ok"):
                kept[record.trial.id] = record, source
    if conflicts:
        return Merged(len(kept), twice, tuple(conflicts))
    with target.writing():
        target.write_plan(plan)
        for record, source in kept.values():
            _copy(record, source, target)
            target.write_record(record)
        for source in sources:
            for record in source.source_records():
                target.write_source(record)
    return Merged(len(kept), twice, ())


def merged_plan(plans: Sequence[Plan], name: str) -> Plan:
    """A plan with the cells of all plans; raises UserError where tasks or releases contradict each other."""
    first = plans[0]
    named = {
        option: tuple(dict.fromkeys(each for plan in plans for each in getattr(plan.request, option)))
        for option in (*COMPARED, "sources")
        if isinstance(getattr(first.request, option), tuple)
    }
    seeds = max(plan.request.seeds for plan in plans)
    return Plan(
        name=name,
        created=datetime.now(UTC),
        request=first.request.model_copy(update={**named, "seeds": seeds}),
        cells=tuple({cell.id: cell for plan in plans for cell in plan.cells}.values()),
        sources=tuple({cell.id: cell for plan in plans for cell in plan.sources}.values()),
        left_out=tuple(dict.fromkeys(each for plan in plans for each in plan.left_out)),
        provenance=_united("the release of", [plan.provenance for plan in plans], plans),
        tasks=_united("task", [plan.tasks for plan in plans], plans),
        suites={name: members for plan in plans for name, members in plan.suites.items()},
        batched=tuple(dict.fromkeys(each for plan in plans for each in plan.batched)),
    )


def _united(what: str, parts: Sequence[Mapping[str, V]], plans: Sequence[Plan]) -> dict[str, V]:
    """Entries of all by name; raises UserError where two of one name are unlike."""
    found: dict[str, tuple[V, str]] = {}
    for part, plan in zip(parts, plans, strict=True):
        for name, value in part.items():
            other, of_run = found.setdefault(name, (value, plan.name))
            if other != value:
                raise UserError(
                    f"{what} {name} is not the same in {of_run} ({other}) and {plan.name} ({value}); merge runs of the "
                    f"same releases"
                )
    return {name: value for name, (value, _) in found.items()}


def _conflict(ours: Record, of_run: RunFolder, theirs: Record, of_other: RunFolder) -> str | None:
    """What two records of a trial that ended well contradict each other in; None where they don't."""
    if ours.status != "ok" or theirs.status != "ok" or ours.metrics == theirs.metrics:
        return None
    cell = ours.trial.cell
    values = [record.metrics.value if record.metrics else None for record in (ours, theirs)]
    machines = list(dict.fromkeys(machine_of(record) or "unknown machine" for record in (ours, theirs)))
    return (
        f"{cell.backbone} × {cell.strategy} on {cell.dataset}, seed {ours.trial.seed}: {values[0]} in {of_run.path.name} "
        f"and {values[1]} in {of_other.path.name} ({' and '.join(machines)})"
    )


def _copy(record: Record, source: RunFolder, target: RunFolder) -> None:
    """What lies beside a record."""
    if record.predictions is not None and (file := source.trials / record.predictions).exists():
        shutil.copy2(file, target.trials / record.predictions)
    if (model := source.model(record.trial.id)).is_dir():
        shutil.copytree(model, target.model(record.trial.id), dirs_exist_ok=True)


def said(merged: Merged, target: RunFolder) -> Iterator[str]:
    """What a merge did, in words."""
    yield f"{counted(merged.records, 'record')} in {target.path}"
    if merged.twice:
        yield f"{counted(merged.twice, 'record')} that several runs have: the first that ended well was kept"


def conflict_error(merged: Merged) -> UserError:
    """What to say of conflicts."""
    return UserError(
        f"{counted(len(merged.conflicts), 'trial')} with other results in several runs, so that nothing was merged: "
        f"{listed(merged.conflicts, 5)}; leave out one of the runs"
    )
