"""The executor keeps tlbench's contract, and notes each job of a real run."""

from __future__ import annotations

import re
from pathlib import Path

import tlbench
from tlbench.testing import conformance

test_it_conforms = conformance("executor", "my-plugin/timed")


def test_each_job_has_a_line(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.txt"
    results = tlbench.run(
        backbones="small_cnn",
        datasets="digits:train=96:test=60",
        strategies=["freeze", "full"],
        epochs=1,
        executor=f"my-plugin/timed:file={jobs}",
        results=tmp_path,
        progress=False,
    )
    assert [record.status for record in results] == ["ok", "ok"]
    freeze, full = sorted(jobs.read_text("utf-8").splitlines())
    assert re.fullmatch(r"builtin/freeze: \d+\.\d s", freeze)
    assert re.fullmatch(r"builtin/full: \d+\.\d s", full)
