"""The reporter keeps tlbench's contract, and writes a line for each trial of a real run."""

from __future__ import annotations

from pathlib import Path

import tlbench
from tlbench.testing import conformance

test_it_conforms = conformance("reporter", "my-plugin/diary")


def test_a_run_has_its_diary(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    tlbench.run(
        backbones="small_cnn",
        datasets="digits:train=96:test=60",
        strategies=["freeze", "full"],
        epochs=1,
        reporters=f"my-plugin/diary:file={diary}",
        results=tmp_path,
        progress=False,
    )
    *lines, last = diary.read_text("utf-8").splitlines()
    freeze, full = sorted(lines)
    assert "builtin/freeze, seed 0: ok, accuracy 0." in freeze
    assert "builtin/full, seed 0: ok, accuracy 0." in full
    assert last == "2 of 2 trials are ok"
