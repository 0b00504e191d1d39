"""How often `tlbench compare` is wrong, on real runs: python benchmarks/calibrate_compare.py.

Costs: 20 rounds of three runs of one cell, the first two alike, the third with steps that take 10 % longer. Alike runs
make 40 A/A pairs (those of a round, and the second with the next round's first), an alike and a slow one 20 planted
slow-downs. Metrics: one run of 240 seeds of two cells makes 40 A/A pairs of three seeds against three others; then 3
of 100 images of one side are wrong that were right, which is a planted loss of 3 points: with the same seeds on both
sides, as when a run is repeated after a change, and with other seeds.

Writes benchmarks/results/calibration.json, from which docs/compare.md takes its table. It takes some 10 minutes.
"""

from __future__ import annotations

import json
import os
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
from tlbench.compare.side import Measured, Side
from tlbench.results.store import RunFolder
from tlbench.stats import Sample

RESULT = Path(__file__).parent / "results" / "calibration.json"
ROUNDS, SEEDS, SLOWER, LOST = 20, 3, 0.1, 0.03
GATES = ("accuracy=1", "step_ms=5%", "train_with_features_seconds=5%", "peak_memory_bytes=5%")
TIMED = {
    "backbones": "small_cnn", "strategies": "full", "datasets": "digits:train=640:test=100", "image_size": 32,
    "epochs": 2, "seeds": SEEDS,
}  # fmt: skip
METRICS = {
    "backbones": "efficientnet_lite0", "strategies": "freeze,linear-probe", "datasets": "digits:train=400:test=1000",
    "image_size": 32, "epochs": 2, "seeds": 2 * SEEDS * 2 * ROUNDS,
}  # fmt: skip
SLOW_STEP = f"""
import sys, time

class Finder:
    # torch's optimizer waits for a tenth of the time since its last step, from the moment that the engine wants one
    def find_spec(self, name, path, target=None):
        if name == "tlbench.engine.recipe":
            sys.meta_path.remove(self)
            import torch
            step, last = torch.optim.AdamW.step, [None]

            def slow(self, *arguments):
                now = time.perf_counter()
                if last[0] is not None and now - last[0] < 1:
                    time.sleep({SLOWER} * (now - last[0]))
                done = step(self, *arguments)
                last[0] = time.perf_counter()
                return done

            torch.optim.AdamW.step = slow
        return None

sys.meta_path.insert(0, Finder())
"""


def main() -> None:
    """Run, judge, write."""
    with tempfile.TemporaryDirectory() as folder:
        found = of_costs(Path(folder)) | of_metrics(Path(folder))
    environment = found.pop("environment")
    RESULT.write_text(
        json.dumps({"environment": environment, "gates": GATES, "pairs": found}, indent=1) + "\n", "utf-8"
    )
    print(json.dumps(found, indent=1))


# ---- costs


def of_costs(folder: Path) -> dict[str, object]:
    """Gates of costs on alike runs, and on runs one of which is slower."""
    (folder / "slow").mkdir()
    (folder / "slow" / "sitecustomize.py").write_text(SLOW_STEP)
    runs: list[dict[str, Side]] = []
    for number in range(ROUNDS):
        runs.append({kind: timed(folder, kind, number) for kind in ("one", "two", "slow")})
        ratios = {kind: step_ms(runs[-1][kind]) / step_ms(runs[-1]["one"]) for kind in ("two", "slow")}
        print(
            f"round {number + 1}: step {', '.join(f'{kind} {each:.3f}' for kind, each in ratios.items())}", flush=True
        )
    alike = [(each["one"], each["two"]) for each in runs]
    alike += [(first["two"], second["one"]) for first, second in zip(runs, [*runs[1:], runs[0]], strict=True)]
    return {
        "alike runs, costs": summary(alike, GATES[1:]),
        "10 % slower steps": summary([(each["one"], each["slow"]) for each in runs], GATES[1:2]),
        "environment": tlbench.load(folder / "one-0").records[0].environment,
    }


def timed(folder: Path, kind: str, number: int) -> Side:
    """A run in a process of its own, slowed down where it is asked for."""
    name = f"{kind}-{number}"
    environment = dict(os.environ) | ({"PYTHONPATH": str(folder / "slow")} if kind == "slow" else {})
    flags = [f"--{option.replace('_', '-')}={value}" for option, value in TIMED.items()]
    command = [sys.executable, "-m", "tlbench", "run", *flags, "--results", str(folder), "--name", name, "--quiet"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return side_of_run(RunFolder(folder / name), name)


def step_ms(side: Side) -> float:
    """The median over seeds."""
    return float(np.median(list(side.cells[0].values["step_ms"].values())))


# ---- metrics


def of_metrics(folder: Path) -> dict[str, object]:
    """A gate of accuracy on other seeds of the same cells, and where 3 points are lost."""
    results = tlbench.run(results=folder, name="metrics", progress=False, **METRICS)  # type: ignore[arg-type]
    whole = side_of_run(RunFolder(results.folder), "metrics")
    pairs = [(part(whole, 2 * number), part(whole, 2 * number + 1)) for number in range(2 * ROUNDS)]
    few = pairs[:ROUNDS]
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
