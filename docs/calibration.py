"""The table of docs/compare.md on how often a comparison is wrong, from benchmarks/results/calibration.json."""

from __future__ import annotations

import json
from pathlib import Path

MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "calibration.json"
BEGIN, END = "<!-- made by docs/calibration.py from benchmarks/results/calibration.json -->", "<!-- until here -->"


def page(written: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{behind}"


def table() -> str:
    """A row for each kind of pairs."""
    pairs = json.loads(MEASURED.read_text("utf-8"))["pairs"]
    lines = [
        "| pairs of runs | gates | pairs | a gate fell | found to differ, gate or not |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in pairs.items():
        gates = ", ".join(f"`{each}`" for each in found["gates"])
        lines.append(f"| {name} | {gates} | {found['pairs']} | {found['fell']} | {found['told apart']} |")
    return "\n".join(lines)
