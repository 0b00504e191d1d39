"""A comparison as a person or a program reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tlbench.compare.change import Change
from tlbench.compare.changes import Comparison, Pair
from tlbench.compare.gates import Judgement
from tlbench.compare.pairs import differences_told, sources_changed
from tlbench.compare.side import Figure
from tlbench.report import text
from tlbench.report.compared import difference, p_value
from tlbench.words import counted, listed

COSTS = ("train_with_features_seconds", "step_ms", "peak_memory_bytes")
"""The costs that a table shows, besides those that have a gate."""
HEADINGS = ("Cell", "Metric", "Base", "Head", "Change", "p", "Verdict")


def lines(comparison: Comparison, judgements: Sequence[Judgement], only_changed: bool) -> Iterator[tuple[str, ...]]:
    """The lines of the table: of each pair its primary metric and costs; then cells that one side alone has."""
    gated = dict.fromkeys(judgement.gate.name for judgement in judgements)
    for pair in comparison.pairs:
        names = dict.fromkeys((pair.head.primary.name, *COSTS, *gated))
        shown = [pair.changes[name] for name in names if name in pair.changes]
        shown = [each for each in shown if each.verdict in ("better", "worse") or not only_changed]
        for place, change in enumerate(shown):
            yield (pair.name if place == 0 else "", *_line(change))
        if pair.primary is None and not only_changed:
            yield (pair.name, pair.head.primary.heading, *ended(pair), "", "", "unknown")
    for name, what in cells_alone(comparison):
        yield (name, "", "", "", "", "", what)


def cells_alone(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """The cells that one side alone has, and whether they are missing in head or new."""
    yield from ((cell.name, "missing") for cell in comparison.missing)
    yield from ((cell.name, "new") for cell in comparison.new)


def _line(change: Change) -> tuple[str, ...]:
    figure = change.figure
    verdict = f"unknown ({change.why_not})" if change.why_not else change.verdict
    return (
        figure.heading,
        text.figure(change.base, figure.unit),
        text.figure(change.head, figure.unit),
        change_text(change),
        p_value(change.p_value).removeprefix("p = ").removeprefix("p "),
        verdict,
    )


def ended(pair: Pair) -> tuple[str, str]:
    """How the trials of a pair ended that has no metric on one side."""
    base, head = (cell.status if not cell.sample.values else "" for cell in (pair.base, pair.head))
    return base, head


def change_line(change: Change) -> str:
    """A change in one line."""
    heading, base, head, difference, p, verdict = _line(change)
    return f"{heading}: {base} in base, {head} in head, {difference}{f', p {p}' if p else ''}: {verdict}"


def change_text(change: Change) -> str:
    """A change with its interval: points of a share, the metric's unit for another metric, per cent of a cost."""
    if change.figure.metric:
        return difference(change.difference, change.interval, change.figure.unit)
    if change.relative is None:
        return text.NOTHING
    value = f"{100 * change.relative:+.1f}%"
    if change.interval is None:
        return value
    return f"{value} ({' to '.join(f'{100 * (each - 1):+.1f}' for each in change.interval)})"


def notes(comparison: Comparison, judgements: Sequence[Judgement]) -> list[str]:
    """What is to be said under the table: counts, what differs that may, how it was tested, the gates."""
    verdicts = [pair.primary.verdict for pair in comparison.pairs if pair.primary is not None]
    counts = [f"{verdicts.count(each)} {each}" for each in dict.fromkeys(sorted(verdicts))]
    alone = {"missing": comparison.missing, "new": comparison.new}
    counts += [f"{len(cells)} {what}" for what, cells in alone.items() if cells]
    primary = comparison.pairs[0].head.primary.heading
    said = [f"{primary} of {counted(len(comparison.pairs), 'cell')}: {', '.join(counts)}."]
    differ = dict.fromkeys(each for pair in comparison.pairs for each in differences_told(pair.base, pair.head))
    said += [f"Other cells: {sources_changed(comparison.changed)}."] if comparison.changed else []
    said += [f"Differs: {listed(list(differ), 8)}."] if differ else []
    said.append(comparison.how)
    return said + [gate_line(each) for each in judgements]


def gate_line(judgement: Judgement) -> str:
    """What a gate says of a cell, and why."""
    change, name = judgement.change, judgement.pair.name
    said = "" if change is None else f" {change_text(change)},"
    word = "FAILED" if judgement.fell else "passed" if judgement.why == "within the gate" else "not failed"
    better = " (better)" if change is not None and change.verdict == "better" else ""
    return f"Gate {judgement.gate.text}: {word}: {name}:{said} {judgement.why}{better}."


def to_json(comparison: Comparison, judgements: Sequence[Judgement]) -> str:
    """The comparison as one JSON document."""
    return json.dumps(as_document(comparison, judgements), indent=1)


def as_document(comparison: Comparison, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """The same, to be a part of another one."""
    return {
        "base": comparison.base.name,
        "head": comparison.head.name,
        "changed": any(lines(comparison, judgements, only_changed=True)),
        "cells": [
            {
                "cell": pair.name,
                "verdict": pair.primary.verdict if pair.primary else "unknown",
                "differs": list(differences_told(pair.base, pair.head)),
                "changes": {name: change_document(change) for name, change in pair.changes.items()},
            }
            for pair in comparison.pairs
        ],
        "missing": [cell.name for cell in comparison.missing],
        "new": [cell.name for cell in comparison.new],
        "changed_sources": [cell.name for cell in comparison.changed],
        "gates": [
            {"gate": each.gate.text, "cell": each.pair.name, "failed": each.fell, "why": each.why}
            for each in judgements
        ],
    }


def change_document(change: Change) -> dict[str, Any]:
    """A change as JSON has it."""
    figure: Figure = change.figure
    return {
        "unit": figure.unit,
        "better": figure.better,
        "base": change.base,
        "head": change.head,
        "interval": change.interval,
        "interval_of": "difference" if figure.metric else "ratio",
        "ratio_at_equal_pace": change.ratio,
        "p_value": change.p_value,
        "verdict": change.verdict,
        "why_not": change.why_not,
    }
