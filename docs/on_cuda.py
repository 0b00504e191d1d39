"""What docs/measurement.md says of an NVIDIA GPU, from benchmarks/results/cuda.json.

It has what benchmarks/test_cuda.py printed, and fields of the records of
`tlbench run --device cuda --strategies … --datasets digits:train=320:test=100 --epochs 2 --image-size 64`: with cuDNN's
search of kernels on (6 trials at once), as trials had it until then, and with it off (8 at once).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "cuda.json"
BEGIN, END = "<!-- cuda: begin (made by docs/generate.py from benchmarks/results/cuda.json) -->", "<!-- cuda: end -->"
ON, OFF = "kernel search on", "kernel search off"
SHOWN = ("builtin/full", "builtin/last-k", "builtin/freeze")
MIB = 2**20


def section() -> str:
    """The tables and what they say."""
    found = json.loads(RESULT.read_text("utf-8"))
    environment = found["environment"]
    seen = [100 * each["events_over_wall"] for run in (ON, OFF) for each in found[run]["steps"]]
    first, second = found["the same bare loop twice, step ms"]
    return "\n".join(
        [
            f"Measured on one {environment['accelerator']} (torch {environment['packages']['torch']}, CUDA "
            f"{environment['cuda']}, {environment['cores']} cores), in two short "
            "sessions that ended before all was measured.",
            "",
            *_steps(found[OFF]["steps"]),
            "",
            f"Events cover {min(seen):.1f} to {max(seen):.1f} % of the wall time of a training of 16 steps. "
            "These steps are bound by how fast the CPU launches kernels (bf16 is slower than fp32), and two copies of "
            f"the bare loop in one process differed by {abs(100 * (first / second - 1)):.0f} %: "
            "ratios nearer to 1 than that say nothing. In this benchmark, though not in trials, the harness moved the "
            "places of each batch one by one, for which a step waits.",
            "",
            *_trials(found[ON]["trials"], found[OFF]["trials"]),
        ]
    )


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    lines = ["| 224 px, batch 64 | step, ms | harness / bare loop (quartiles) |", "| --- | --- | --- |"]
    for each in steps:
        low, high = each["ratio_quartiles"]
        lines.append(
            f"| {each['model']}, {each['precision']} | {each['step_ms']:.1f} | "
            f"{each['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
        )
    return lines


def _trials(on: list[dict[str, Any]], off: list[dict[str, Any]]) -> list[str]:
    """Trials with and without cuDNN's search of kernels."""
    with_search, without = ({each["strategy"]: each for each in run} for run in (on, off))
    lines = [
        "| EfficientNet-Lite0, 64 px | cuDNN's search | peak, MiB | reserved, MiB | Measure, s | Features, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for strategy in SHOWN:
        for said, each in (("on", with_search[strategy]), ("off", without[strategy])):
            lines.append(
                f"| {strategy} | {said}, {each['concurrent_trials']} trials at once | "
                f"{each['peak_memory_bytes'] / MIB:.0f} | {each['peak_reserved_bytes'] / MIB:.0f} | "
                f"{each['measure_seconds']:.1f} | {each['features_seconds'] or 0:.1f} |"
            )
    return lines


def page(text: str) -> str:
    """A page with the section between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not (begin and end):
        raise ValueError("the marks of the figures of CUDA are missing")
    return f"{before}{BEGIN}\n\n{section()}\n\n{END}{behind}"
