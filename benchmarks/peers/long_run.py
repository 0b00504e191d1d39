"""Twenty epochs of `full` with `--compile auto`, the compile cache empty and then filled, beside the bare loop.

python benchmarks/peers/long_run.py [--rounds 1]

Keeps every time in benchmarks/results/long_run.json, and writes the table of medians into docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from compare import HERE, Job, run_peer, timed, versions, write_page

RESULTS = HERE.parent / "results" / "long_run.json"
EPOCHS = 20
COLD, WARM, EAGER = "tlbench, compile cache empty", "tlbench, compile cache filled", "tlbench, not compiled"


def run(compile_policy: str, work: Path, cache: Path, name: str) -> tuple[float, float, str]:
    """Seconds and accuracy of tlbench's command, and what its record says of compilation."""
    command = [
        *(sys.executable, "-m", "tlbench", "run", "--datasets", f"folder:{work / 'pictures'}", "--strategies", "full"),
        *("--epochs", str(EPOCHS), "--image-size", "96", "--compile", compile_policy, "--json", "--name", name),
    ]
    seconds, printed = timed(command, work, os.environ | {"TLBENCH_CACHE": str(cache)})
    (record,) = json.loads(printed)["records"]
    phase = record["cost"]["phases"][0]["compile"] or {}
    said = "compiled" if phase.get("used") else phase.get("reason") or ""
    return seconds, record["metrics"]["test"]["accuracy"], said


def main() -> None:
    """Run all in turns, print, keep, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    rounds: int = parser.parse_args().rounds
    job, said = Job("full", EPOCHS, ("bare loop",)), {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run([sys.executable, HERE / "data.py", work / "pictures"], check=True)
        for number in range(rounds):
            job.add("bare loop", *run_peer("bare loop", job, EPOCHS, work))
            cache = work / f"cache-{number}"
            for who, policy in ((COLD, "auto"), (WARM, "auto"), (EAGER, "off")):
                own = work / f"eager-{number}" if who == EAGER else cache
                seconds, accuracy, said[who] = run(policy, work, own, f"{number}-{policy}-{own.exists()}")
                job.add(who, seconds, accuracy)
            print(f"round {number}: { ({who: times[-1] for who, times in job.seconds.items()}) }", flush=True)
    medians = {who: statistics.median(times) for who, times in job.seconds.items()}
    ratios = {who: medians["bare loop"] / each for who, each in medians.items() if who != "bare loop"}
    document = {"packages": versions(), "seconds": job.seconds, "accuracy": job.accuracy, "said": said}
    RESULTS.write_text(json.dumps(document | {"bare loop / tlbench": ratios}, indent=1) + "\n", "utf-8")
    lines = ["| full, 20 epochs, by | seconds | faster than the bare loop | accuracy |", "| --- | --- | --- | --- |"]
    for who, seconds in medians.items():
        ratio = f"{ratios[who]:.2f}×" if who in ratios else ""
        lines.append(f"| {who} | {seconds:.0f} | {ratio} | {100 * job.accuracy[who]:.1f}% |")
    write_page("long run", "\n".join([*lines, "", f"Medians of {rounds} round(s)."]))


if __name__ == "__main__":
    main()
