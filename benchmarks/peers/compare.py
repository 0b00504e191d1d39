"""Whole commands in turns, each started from nothing: the peers' scripts and `tlbench run` on the same pictures.

python benchmarks/peers/compare.py [--rounds 3] [-o FILE]
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
from pathlib import Path

HERE = Path(__file__).parent
JOBS = {"freeze, 10 epochs": ("freeze", 10), "full, 2 epochs": ("full", 2)}


def timed(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of a command, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stdout


def tlbench(folder: Path, strategy: str, epochs: int) -> list[str]:
    """The command of the same job."""
    return [
        *(sys.executable, "-m", "tlbench", "run", "--datasets", f"folder:{folder}", "--strategies", strategy),
        *("--epochs", str(epochs), "--image-size", "96", "--json"),
    ]


def main() -> None:
    """Run all in turns, print the medians and their ratio, and keep them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "results" / "peers.json")
    arguments = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run([sys.executable, HERE / "data.py", work / "pictures"], check=True)
        for job, (strategy, epochs) in JOBS.items():
            seconds: dict[str, list[float]] = {"tutorial": [], "tlbench": []}
            accuracy: dict[str, float] = {}
            for number in range(arguments.rounds):
                cold = os.environ | {"TLBENCH_CACHE": str(work / f"cache-{strategy}-{number}")}
                command = [sys.executable, str(HERE / "tutorial.py"), str(work / "pictures"), strategy, str(epochs)]
                took, printed = timed(command, work, cold)
                seconds["tutorial"].append(took)
                accuracy["tutorial"] = float(re.findall(r"accuracy ([\d.]+)", printed)[-1])
                took, printed = timed(tlbench(work / "pictures", strategy, epochs), work, cold)
                seconds["tlbench"].append(took)
                accuracy["tlbench"] = json.loads(printed)["records"][0]["metrics"]["accuracy"]
            ratio = statistics.median(
                theirs / ours for theirs, ours in zip(seconds["tutorial"], seconds["tlbench"], strict=True)
            )
            results[job] = {"seconds": seconds, "accuracy": accuracy, "tutorial / tlbench": ratio}
            print(f"{job}: tutorial / tlbench {ratio:.2f}, accuracy {accuracy}")
    arguments.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
