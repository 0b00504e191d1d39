"""What the harness costs before and after training: `--help`, a trial that does nothing, a table of 10,000 records."""

from __future__ import annotations

import statistics
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from builders import make_cell, make_plan, make_record
from rich.console import Console

from tlbench.execute.process import call
from tlbench.plan import Trial
from tlbench.report.of_run import report_data
from tlbench.report.table import print_tables
from tlbench.results.store import RunFolder

TLBENCH = str(Path(sys.executable).parent / "tlbench")


def test_help(benchmark: Any) -> None:
    benchmark.pedantic(lambda: subprocess.run([TLBENCH, "--help"], capture_output=True, check=True), rounds=15)
    assert statistics.median(benchmark.stats.stats.data) <= 0.25


def test_a_process_that_does_nothing(benchmark: Any) -> None:
    """After the first, which waits until the server has imported torch."""

    def nothing() -> None:
        call(callable, on_event=lambda _event: None)  # whose module is imported everywhere

    benchmark.pedantic(nothing, rounds=20, warmup_rounds=1)
    assert statistics.median(benchmark.stats.stats.data) <= 0.06


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """20 backbones × 5 strategies × 100 seeds."""
    folder = RunFolder(tmp_path_factory.mktemp("large") / "large")
    cells = [
        make_cell(f"torchvision/net{number}", strategy=f"builtin/way{way}")
        for number, way in product(range(20), range(5))
    ]
    plan = make_plan(*cells, name="large", seeds=100)
    folder.trials.mkdir(parents=True)
    folder.write_plan(plan)
    for trial in plan.trials():
        assert isinstance(trial, Trial)
        record = make_record(trial.cell, trial.seed, accuracy=0.9 - trial.seed / 1000)
        (folder.trials / f"{trial.id}.json").write_text(record.model_dump_json(indent=1))
    return folder


def test_ten_thousand_records(benchmark: Any, large_run: RunFolder, tmp_path: Path) -> None:
    def show() -> None:
        with (tmp_path / "table.txt").open("w") as file:
            print_tables(report_data(large_run.plan(), large_run, large_run.records()), Console(file=file, width=240))

    benchmark.pedantic(show, rounds=5, warmup_rounds=1)
    assert (tmp_path / "table.txt").read_text().count("net") == 100
    assert statistics.median(benchmark.stats.stats.data) <= 2.0
