"""Gates: how much worse a figure may become. A regression falls through one where it is larger, and certain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlbench.compare.change import Change
from tlbench.compare.changes import Comparison, Pair
from tlbench.compare.side import matches
from tlbench.contracts.task import Unit
from tlbench.errors import UserError, nearest
from tlbench.plan.config import read_toml
from tlbench.results.column import in_unit

GATE = re.compile(r"(?:(?P<cells>.+):)?(?P<name>[^:=]+)=(?P<most>[0-9.eE+-]+)(?P<percent>\s*%)?")


@dataclass(frozen=True)
class Gate:
    """The most that a figure of some cells may become worse: by a share of the base where `relative`, else absolutely.

    `cells` is a pattern of the backbone's name, or of "backbone × strategy"; an absolute gate of a share is in points.
    """

    text: str
    name: str
    most: float
    relative: bool
    cells: str = "*"

    def holds_for(self, pair: Pair) -> bool:
        """Whether the gate is meant for a cell."""
        return matches(self.cells, pair.head.names)

    def exceeded(self, change: Change) -> bool:
        """Whether a figure is worse by more than the gate lets pass."""
        if self.relative:
            return change.base != 0 and change.loss / abs(change.base) > self.most
        return change.loss > self.most_in(change.figure.unit)

    def most_in(self, unit: Unit) -> float:
        """What an absolute gate lets pass, in a figure's unit: of a share it is in points."""
        return in_unit(self.most, unit)


@dataclass(frozen=True)
class Judgement:
    """What a gate says of a cell: `fell` where the regression is larger than it and certain."""

    gate: Gate
    pair: Pair
    change: Change | None
    fell: bool
    why: str


def parse_gate(text: str) -> Gate:
    """A gate as it is written: `accuracy=1.0`, `step_ms=5%`, `resnet50*:peak_memory_bytes=2%`; raises UserError."""
    found = GATE.fullmatch(text.strip())
    try:
        most = float(found["most"]) if found else -1.0
    except ValueError:
        most = -1.0
    if found is None or not 0 <= most < float("inf"):
        raise UserError(
            f"--gate {text!r} is no gate; write COLUMN=MOST, as accuracy=1.0 (points), step_ms=5% or "
            f"'resnet50*:peak_memory_bytes=2%'"
        )
    relative = found["percent"] is not None
    return Gate(text, found["name"].strip(), most / 100 if relative else most, relative, found["cells"] or "*")


def read_gates(path: Path) -> list[str]:
    """The gates of a TOML file, whose other keys are options of `tlbench run`; raises UserError."""
    found = read_toml(path).get("gates", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise UserError(f"--config {path}: gates is a list of texts, as ['accuracy=1.0', 'step_ms=5%']")
    return found


def judge(comparison: Comparison, gates: Sequence[Gate]) -> list[Judgement]:
    """What each gate says of each cell that it is meant for. Raises UserError on unknown columns or cells."""
    known = dict.fromkeys(figure.name for pair in comparison.pairs for figure in pair.head.figures)
    undirected = {f.name for pair in comparison.pairs for f in pair.head.figures if f.better is None}
    for gate in gates:
        if gate.name not in known:
            raise UserError(f"--gate {gate.text}: there is no column {gate.name!r}{nearest(gate.name, known)}")
        if gate.name in undirected:
            raise UserError(f"--gate {gate.text}: of {gate.name}, neither more nor less is better")
        if not any(gate.holds_for(pair) for pair in comparison.pairs):
            names = ", ".join(pair.name for pair in comparison.pairs[:5])
            raise UserError(f"--gate {gate.text}: no cell matches {gate.cells!r}; there are {names}")
    return [
        _judged(gate, pair, pair.changes.get(gate.name))
        for gate in gates
        for pair in comparison.pairs
        if gate.holds_for(pair)
    ]


def _judged(gate: Gate, pair: Pair, change: Change | None) -> Judgement:
    if change is None:
        side = "base" if not pair.base.values.get(gate.name) else "head"
        return Judgement(gate, pair, None, False, f"not measured in {side}")
    if change.why_not is not None:
        remedy = "costs compare inside one job alone: tlbench ab measures both sides in one"
        return Judgement(gate, pair, change, False, f"not judged, {change.why_not}; {remedy}")
    if change.p_value is None:
        return Judgement(gate, pair, change, False, "not judged, nothing is known of its spread; use --seeds 3")
    if not gate.exceeded(change):
        return Judgement(gate, pair, change, False, "within the gate")
    if not change.certain:
        return Judgement(gate, pair, change, False, "beyond the gate, but not certain")
    return Judgement(gate, pair, change, True, "beyond the gate, and certain")
