"""How often `tlbench compare` is wrong, on real runs: python benchmarks/calibrate_compare.py [FOLDER].

Costs: 22 runs of one cell that are alike, one after the other. A run and the next, and a run and the next but one, are
40 A/A pairs. Then all times of the next run are 10 % longer than they were, which are 20 planted slow-downs.
Metrics: one run of 240 seeds of a cell makes 40 A/A pairs of three seeds against three others; then 3 of 100 images
of one side are wrong that were right, which is a planted loss of 3 points: with the same seeds on both sides, as when a
run is repeated after a change, and with other seeds.

Writes benchmarks/results/calibration.json, from which docs/compare.md takes its table. It takes 45 minutes on two
cores. With FOLDER the runs are kept there, and those that are there already are not made again.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import tlbench
from tlbench.compare.changes import compare
from tlbench.compare.gates import judge, parse_gate
from tlbench.compare.of_run import side_of_run
from tlbench.compare.side import PACE, Measured, Side
from tlbench.results.store import RunFolder
from tlbench.stats import Sample

RESULT = Path(__file__).parent / "results" / "calibration.json"
PAIRS, SEEDS, TIMED_SEEDS, SLOWER, LOST = 20, 3, 12, 0.1, 0.03
GATES = ("accuracy=1", "step_ms=5%", "train_with_features_seconds=5%", "peak_memory_bytes=5%")
TIMED = {
    "backbones": "efficientnet_lite0", "strategies": "full", "datasets": "digits:train=640:test=100",
    "image_size": 96, "epochs": 1, "seeds": TIMED_SEEDS,
}  # fmt: skip
METRICS = {
    "backbones": "efficientnet_lite0", "strategies": "freeze", "datasets": "digits:train=400:test=1000",
    "image_size": 32, "epochs": 2, "seeds": 2 * SEEDS * 2 * PAIRS,
}  # fmt: skip


def main() -> None:
    """Run, judge, write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        costs, spread = of_costs(folder)
        found = {
            "environment": tlbench.load(folder / "alike-0").records[0].environment,
            "gates": GATES,
            "spread": spread,
            "pairs": costs | of_metrics(folder),
        }
    RESULT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))


# ---- costs


def of_costs(folder: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Gates of costs on alike runs, and where one is slower; and how costs spread in a run and between runs."""
    runs = [timed(folder, number) for number in range(PAIRS + 2)]
    following = list(itertools.pairwise(runs[:-1]))
    pairs = [*following, *zip(runs[:-2], runs[2:], strict=True)]
    counted = {
        "alike runs, costs": summary(pairs, GATES[1:]),
        "10 % slower steps": summary([(base, slower(head)) for base, head in following], GATES[1:2]),
        "10 % slower steps, three seeds": summary(
            [(with_seeds(base, SEEDS), with_seeds(slower(head), SEEDS)) for base, head in following], GATES[1:2]
        ),
    }
    return counted, {parse_gate(gate).name: spread_of(runs, parse_gate(gate).name) for gate in GATES[1:]}


def timed(folder: Path, number: int) -> Side:
    """A run in a process of its own."""
    name = f"alike-{number}"
    if len(list((folder / name / "trials").glob("*.json"))) < TIMED_SEEDS:
        flags = [f"--{option.replace('_', '-')}={value}" for option, value in TIMED.items()]
        command = [sys.executable, "-m", "tlbench", "run", *flags, "--results", str(folder), "--name", name, "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
    side = side_of_run(RunFolder(folder / name), name)
    print(f"{name}: step {step_ms(side):.1f} ms", flush=True)
    return side


def with_seeds(side: Side, number: int) -> Side:
    """The same with the costs of the first seeds alone."""
    cells = (
        replace(cell, values={name: dict(list(found.items())[:number]) for name, found in cell.values.items()})
        for cell in side.cells
    )
    return Side(side.name, tuple(cells))


def slower(side: Side) -> Side:
    """The same with all times 10 % longer."""
    return Side(f"{side.name}, slower", tuple(_slower(cell) for cell in side.cells))


def _slower(cell: Measured) -> Measured:
    longer = {figure.name for figure in cell.figures if figure.unit in ("seconds", "ms") and figure.name != PACE}
    values = {
        name: {seed: value * (1 + SLOWER) for seed, value in found.items()} if name in longer else found
        for name, found in cell.values.items()
    }
    return replace(cell, values=values)


def step_ms(side: Side) -> float:
    """The median over seeds."""
    return float(np.median(list(side.cells[0].values["step_ms"].values())))


def spread_of(sides: Sequence[Side], name: str) -> dict[str, float]:
    """The standard deviations of a cost's logarithm: of the seeds of a run, and of runs beyond what seeds explain.

    The same at equal pace of the machine, with the slope over the pace that the seeds of all runs have in common.
    """
    logs, paces = (np.log([list(side.cells[0].values[each].values()) for side in sides]) for each in (name, PACE))
    apart, drifts = (each - each.mean(axis=1, keepdims=True) for each in (logs, paces))
    slope = float((apart * drifts).sum() / (drifts**2).sum())
    return {
        **_deviations(logs, ""),
        "slope over pace": slope,
        **_deviations(logs - slope * paces, " at equal pace"),
    }


def _deviations(logs: np.ndarray, said: str) -> dict[str, float]:
    within = float(logs.var(axis=1, ddof=1).mean())
    between = float(logs.mean(axis=1).var(ddof=1)) - within / logs.shape[1]
    return {f"seeds{said}": within**0.5, f"runs{said}": max(0.0, between) ** 0.5}


# ---- metrics


def of_metrics(folder: Path) -> dict[str, object]:
    """A gate of accuracy on other seeds of the same cells, and where 3 points are lost."""
    results = tlbench.run(results=folder, name="metrics", progress=False, **METRICS)  # type: ignore[arg-type]
    whole = side_of_run(RunFolder(results.folder), "metrics")
    pairs = [(part(whole, 2 * number), part(whole, 2 * number + 1)) for number in range(2 * PAIRS)]
    few = pairs[:PAIRS]
    return {
        "alike runs, accuracy, other seeds": summary(pairs, GATES[:1]),
        "3 points lost, the same seeds": summary([(base, lossy(base)) for base, _ in few], GATES[:1]),
        "3 points lost, other seeds": summary([(base, lossy(head)) for base, head in few], GATES[:1]),
    }


def part(side: Side, number: int) -> Side:
    """Three seeds of a side as if they were seeds 0 to 2 of a run of their own."""
    seeds = range(SEEDS * number, SEEDS * (number + 1))
    return Side(f"part {number}", tuple(_seeds_of(cell, seeds) for cell in side.cells))


def _seeds_of(cell: Measured, seeds: Sequence[int]) -> Measured:
    sample = cell.sample
    values = {place: sample.values[seed] for place, seed in enumerate(seeds)}
    scores = {place: sample.scores[seed] for place, seed in enumerate(seeds)}
    own = {"accuracy": values}
    return replace(cell, sample=Sample(values, scores, sample.examples, sample.share), values=own)


def lossy(side: Side) -> Side:
    """The same with 3 of 100 test images wrong that were right, for each seed and cell others."""
    return Side(f"{side.name}, lossy", tuple(_lossy(cell, place) for place, cell in enumerate(side.cells)))


def _lossy(cell: Measured, place: int) -> Measured:
    sample, scores = cell.sample, {}
    for seed, found in sample.scores.items():
        right = np.flatnonzero(np.asarray(found))
        lost = np.random.default_rng([place, seed, len(right)]).choice(right, round(LOST * len(found)), replace=False)
        scores[seed] = np.array(found, float)
        scores[seed][lost] = 0
    values = {seed: float(each.mean()) for seed, each in scores.items()}
    return replace(cell, sample=Sample(values, scores, sample.examples, sample.share), values={"accuracy": values})


# ---- verdicts


def summary(pairs: Sequence[tuple[Side, Side]], gates: Sequence[str]) -> dict[str, object]:
    """In how many pairs a gate fell, and in how many any gated figure was found to be worse or better."""
    fell = [list(_fallen(base, head, gates)) for base, head in pairs]
    differ = [list(_different(base, head, gates)) for base, head in pairs]
    return {
        "pairs": len(pairs),
        "gates": list(gates),
        "fell": sum(map(bool, fell)),
        "which": sorted(each for found in fell for each in found),
        "told apart": sum(map(bool, differ)),
    }


def _fallen(base: Side, head: Side, gates: Sequence[str]) -> Iterator[str]:
    for each in judge(compare(base, head), [parse_gate(gate) for gate in gates]):
        if each.fell:
            yield f"{each.pair.name}: {each.gate.text}"


def _different(base: Side, head: Side, gates: Sequence[str]) -> Iterator[str]:
    names = [parse_gate(gate).name for gate in gates]
    for pair in compare(base, head).pairs:
        yield from (name for name in names if pair.changes[name].verdict in ("better", "worse"))


if __name__ == "__main__":
    main()
