"""Whole commands in turns, each started from nothing: the peers' scripts and `tlbench run` on the same pictures.

pip install -e '.[peers]' && python benchmarks/peers/compare.py [--rounds 2]

Keeps every time in benchmarks/results/peers.json, and writes the table of medians into docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "peers.json"
PAGE = HERE.parents[1] / "docs" / "speed.md"
SCRIPTS = {
    "tutorial": "tutorial.py",
    "Lightning": "lightning_trainer.py",
    "fastai": "fastai_learner.py",
    "HF Trainer": "hf_trainer.py",
    "bare loop": "bare_loop.py",
}
RATES, SEEDS, EPOCHS = "3e-4,1e-3,3e-3,1e-2", 5, 100
GRID = f"freeze, 4 rates × {SEEDS} seeds, {EPOCHS} epochs"
PACKAGES = ("torch", "torchvision", "timm", "lightning", "fastai", "transformers", "accelerate")


@dataclass
class Job:
    """What is done by each, its times by round, and what came of it."""

    strategy: str
    epochs: int
    peers: tuple[str, ...]
    options: tuple[str, ...] = ()
    seconds: dict[str, list[float]] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)

    def add(self, who: str, seconds: float, accuracy: float) -> None:
        """A round's result."""
        self.seconds.setdefault(who, []).append(seconds)
        self.accuracy[who] = accuracy

    def ratios(self) -> dict[str, float]:
        """Of each peer: its seconds over tlbench's, the median over rounds."""
        ours = self.seconds["tlbench"]
        return {
            who: statistics.median(theirs / mine for theirs, mine in zip(times, ours, strict=True))
            for who, times in self.seconds.items()
            if who != "tlbench"
        }


def jobs() -> dict[str, Job]:
    """By name."""
    return {
        "full, 2 epochs": Job("full", 2, tuple(SCRIPTS)),
        "freeze, 10 epochs": Job("freeze", 10, ("tutorial", "bare loop")),
        GRID: Job("freeze", EPOCHS, (), ("--tune", f"lr={RATES}", "--seeds", str(SEEDS))),
    }


def timed(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of a command, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stdout


def run_peer(who: str, job: Job, epochs: int, work: Path) -> tuple[float, float]:
    """Seconds and accuracy of a peer's script."""
    command = [sys.executable, str(HERE / SCRIPTS[who]), str(work / "pictures"), job.strategy, str(epochs)]
    seconds, printed = timed(command, work, dict(os.environ))
    return seconds, float(re.findall(r"accuracy ([\d.]+)", printed)[-1])


def run_tlbench(job: Job, work: Path, cache: Path) -> tuple[float, float]:
    """Seconds and mean accuracy of the command of the same job, its cache empty."""
    command = [
        *(sys.executable, "-m", "tlbench", "run", "--datasets", f"folder:{work / 'pictures'}"),
        *("--strategies", job.strategy, "--epochs", str(job.epochs), "--image-size", "96", "--json", *job.options),
    ]
    seconds, printed = timed(command, work, os.environ | {"TLBENCH_CACHE": str(cache)})
    return seconds, statistics.fmean(record["metrics"]["test"]["accuracy"] for record in json.loads(printed)["records"])


def project(ten: float, two: float) -> float:
    """Seconds of as many tutorial runs as the grid has heads, from one of ten epochs and one of two."""
    each_epoch = (ten - two) / 8
    return len(RATES.split(",")) * SEEDS * (ten + (EPOCHS - 10) * each_epoch)


def run_round(number: int, chosen: dict[str, Job], work: Path) -> None:
    """Each job once by each."""
    for name, job in chosen.items():
        for who in job.peers:
            job.add(who, *run_peer(who, job, job.epochs, work))
            print(f"round {number}: {name}: {who} {job.seconds[who][-1]:.1f} s, {job.accuracy[who]:.4f}", flush=True)
        job.add("tlbench", *run_tlbench(job, work, work / f"cache-{number}-{len(name)}"))
        if name == GRID:
            ten = chosen["freeze, 10 epochs"].seconds["tutorial"][-1]
            two, accuracy = run_peer("tutorial", job, 2, work)
            job.add("tutorial, projected", project(ten, two), accuracy)
        print(f"round {number}: {name}: tlbench {job.seconds['tlbench'][-1]:.1f} s, {job.accuracy['tlbench']:.4f}")


def table(results: dict[str, Job], rounds: int) -> str:
    """The medians as Markdown."""
    lines = ["| job | by | seconds | tlbench is faster | accuracy |", "| --- | --- | --- | --- | --- |"]
    for name, job in results.items():
        ratios = job.ratios()
        for who, times in job.seconds.items():
            ratio = "" if who == "tlbench" else f"{ratios[who]:.2f}×" if ratios[who] < 100 else f"{ratios[who]:.0f}×"
            accuracy = "" if "projected" in who else f"{100 * job.accuracy[who]:.1f}%"
            lines.append(f"| {name} | {who} | {statistics.median(times):.1f} | {ratio} | {accuracy} |")
    return "\n".join([*lines, "", f"Medians of {rounds} rounds in turns; {', '.join(versions())}."])


def versions() -> list[str]:
    """What was compared."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def write_page(place: str, text: str) -> None:
    """Put a table where the page has its place for it."""
    begin, end = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(begin)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


def main() -> None:
    """Run all in turns, print, keep, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    rounds: int = parser.parse_args().rounds
    chosen = jobs()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run([sys.executable, HERE / "data.py", work / "pictures"], check=True)
        for number in range(rounds):
            run_round(number, chosen, work)
    document = {
        name: {"seconds": job.seconds, "accuracy": job.accuracy, "peer / tlbench": job.ratios()}
        for name, job in chosen.items()
    }
    RESULTS.write_text(json.dumps({"packages": versions(), "jobs": document}, indent=1) + "\n", "utf-8")
    print(table(chosen, rounds))
    write_page("peers", table(chosen, rounds))


if __name__ == "__main__":
    main()
