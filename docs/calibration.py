"""The tables of docs/compare.md on how often a comparison is wrong, from benchmarks/results/calibration.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "calibration.json"
BEGIN, END = "<!-- made by docs/calibration.py from benchmarks/results/calibration.json -->", "<!-- until here -->"

PACED = ("seeds at equal pace", "runs at equal pace")


def page(written: str) -> str:
    """The page with the tables between its marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n\n{pairs_table()}\n\n{spread_table()}\n\n{END}{behind}"


def measured() -> dict[str, Any]:
    """What the benchmark wrote."""
    found: dict[str, Any] = json.loads(MEASURED.read_text("utf-8"))
    return found


def pairs_table() -> str:
    """A row for each kind of pairs."""
    lines = ["| pairs of runs | gates | pairs | a gate fell |", "| --- | --- | --- | --- |"]
    for name, found in measured()["pairs"].items():
        gates = ", ".join(f"`{each}`" for each in found["gates"])
        lines.append(f"| {name} | {gates} | {found['pairs']} | {found['fell']} |")
    return "\n".join(lines)


def spread_table() -> str:
    """A row for each cost: how seeds of a run spread, and runs beyond that."""
    lines = [
        "| cost | deviation of seeds | of runs, beyond what seeds explain | of seeds, at equal pace | of runs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in measured()["spread"].items():
        paced = ("", "") if name == "peak_memory_bytes" else (f"{100 * found[key]:.1f} %" for key in PACED)
        shown = [f"{100 * found['seeds']:.1f} %", f"{100 * found['runs']:.1f} %", *paced]
        lines.append(f"| `{name}` | {' | '.join(shown)} |")
    return "\n".join(lines)
